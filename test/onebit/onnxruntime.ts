/** The independent answer: onnxruntime-node on the same file. */
import type { InferenceSession } from 'onnxruntime-node';
import { decodeModel, encodeModel } from '../../proto/onnx.ts';

/**
 * Outputs of a file by name, of float images [count, channels, height, width].
 * @param names of tensors inside of the graph that are wanted beside the logits
 */
export async function runOnnx(file: Uint8Array, images: Float32Array, dims: readonly number[], names: readonly string[] = []) {
  const { InferenceSession, Tensor } = await import('onnxruntime-node');
  const proto = decodeModel(file);
  if (proto.graph) proto.graph.output = [...(proto.graph.output ?? []), ...names.map((name) => ({ name }))];
  const options: InferenceSession.SessionOptions = { executionProviders: ['cpu'], logSeverityLevel: 3, intraOpNumThreads: 1 };
  const session = await InferenceSession.create(names.length > 0 ? encodeModel(proto) : file, options);
  try {
    const results = await session.run({ images: new Tensor('float32', images, [...dims]) });
    return new Map(Object.entries(results).map(([name, { data }]) => [name, data as Float32Array | Uint8Array]));
  } finally {
    await session.release();
  }
}
