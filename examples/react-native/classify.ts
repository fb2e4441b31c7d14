// Classifies a picture in a React Native app with onnxruntime-react-native. The file comes from
//   wrn-onnx export SOURCE --form inline --batch 1 -o classifier.onnx
// and lies among the app's assets; `path` is where the app has put it (expo-asset, react-native-fs).
import { InferenceSession, Tensor } from 'onnxruntime-react-native';

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** RGBA, four bytes per pixel, in the size that the network takes. */
  readonly data: Uint8Array;
}

export interface Prediction {
  readonly index: number;
  readonly probability: number;
}

/** Load it once, and keep it. */
export function load(path: string): Promise<InferenceSession> {
  return InferenceSession.create(path);
}

/** The most likely class of a colour picture. */
export async function classify(session: InferenceSession, { width, height, data }: Picture): Promise<Prediction> {
  const pixels = width * height;
  const planes = Float32Array.from({ length: 3 * pixels }, (_, i) => data[4 * (i % pixels) + Math.floor(i / pixels)] as number);
  const [name] = session.inputNames as [string];
  const { logits } = await session.run({ [name]: new Tensor('float32', planes, [1, 3, height, width]) });
  const values = Array.from((logits as Tensor).data as Float32Array);
  const index = values.indexOf(Math.max(...values));
  const best = values[index] as number;
  return { index, probability: 1 / values.reduce((sum, value) => sum + Math.exp(value - best), 0) };
}
