/**
 * Classifies one image with an exported file, in a page or in Node: give it onnxruntime-web or onnxruntime-node.
 * Safe for browsers.
 */
import { type Closable, closable } from '../../src/closable.ts';
import { luma } from '../../src/network/luma.ts';
import { type Prediction, topK } from '../../src/network/softmax.ts';
import { readClassifier } from './model-input.ts';
import { type ModelInput, type Runtime, runBatch } from './runtime.ts';

/** As `ImageData` of a canvas: four bytes per pixel: red, green, blue, alpha. Alpha is ignored: draw on white, as `predict` does. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array | Uint8ClampedArray;
}

export interface Classifier extends Closable {
  /** The size that images must have. */
  readonly input: ModelInput;
  readonly labels: readonly string[] | undefined;
  /**
   * The `count` most likely classes, most likely first.
   * @throws RangeError when the image has another size than `input`
   */
  classify(pixels: Pixels, count?: number): Promise<Prediction[]>;
  /** Frees the network; `await using` does the same. */
  close(): Promise<void>;
}

/**
 * Loads an exported file.
 * @param runtime the module onnxruntime-web or onnxruntime-node
 * @throws InputError when the file is not an image classifier
 */
export async function loadClassifier<Options>(runtime: Runtime<Options>, file: Uint8Array, options?: Options): Promise<Classifier> {
  const { input, output, metadata } = readClassifier(file);
  const session = await runtime.InferenceSession.create(file, options);
  const labels = metadata?.about.classLabels;
  return closable<Omit<Classifier, typeof Symbol.asyncDispose>>({
    input,
    labels,
    async classify(pixels, count = 5) {
      const { outputs } = await runBatch(runtime, session, input, toNCHW(pixels, input), 1);
      return topK(outputs[output]?.data ?? new Float32Array(), count, labels);
    },
    close: () => session.release(),
  });
}

/**
 * Pixels of a canvas as [channels, height, width]; a network with one channel gets the luma.
 */
export function toNCHW({ width, height, data }: Pixels, input: ModelInput): Uint8Array {
  if (width !== input.width || height !== input.height) {
    throw new RangeError(`expected an image of ${input.width} x ${input.height} pixels, got ${width} x ${height}`);
  }
  const size = width * height;
  const at = (pixel: number, channel: number) => data[4 * pixel + channel] as number;
  if (input.channels === 1) {
    return Uint8Array.from({ length: size }, (_, i) => luma(at(i, 0), at(i, 1), at(i, 2)));
  }
  return Uint8Array.from({ length: 3 * size }, (_, i) => at(i % size, Math.floor(i / size)));
}
