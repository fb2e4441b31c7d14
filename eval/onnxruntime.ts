/** onnxruntime-node, loaded here and nowhere else: the order of these lines keeps its telemetry off. */
import './no-telemetry.ts';

export { env, InferenceSession, Tensor } from 'onnxruntime-node';
