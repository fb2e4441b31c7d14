/**
 * Classifies one image with an exported file, in a page or in Node: give it onnxruntime-web or onnxruntime-node.
 * Safe for browsers.
 */
import { type Closable, closable } from '../../src/closable.ts';
import { type Prediction, topK } from '../../src/network/logits.ts';
import { fromPicture, type Picture } from '../../src/onebit/picture.ts';
import { readClassifierInput } from './classifier-input.ts';
import { type ModelInput, type Runtime, runBatch } from './runtime.ts';

export interface Classifier extends Closable {
  /** How the file takes images. */
  readonly input: ModelInput;
  readonly labels: readonly string[] | undefined;
  /**
   * The `count` most likely classes, most likely first. A picture of any size: as `predict` does, it is scaled to cover the
   * network's input and cut around its centre, on white where it is transparent, and grey for a network of one channel.
   * @param picture ImageData or other pixels; where there is a canvas, an ImageBitmap or a Blob of an image file, too
   * @throws DeviceError when a bitmap or a file meets a runtime without a canvas
   */
  classify(picture: Picture, count?: number): Promise<Prediction[]>;
  /** Frees the network; `await using` does the same. */
  close(): Promise<void>;
}

/**
 * Loads an exported file.
 * @param runtime the module onnxruntime-web or onnxruntime-node
 * @throws InputError when the file is not an image classifier
 * @example
 * import * as ort from 'onnxruntime-node'; // in a page: onnxruntime-web
 *
 * await using classifier = await loadClassifier(ort, file);
 * const [best] = await classifier.classify({ width: 2, height: 1, data: new Uint8Array(8).fill(255) });
 */
export async function loadClassifier<Options>(runtime: Runtime<Options>, file: Uint8Array, options?: Options): Promise<Classifier> {
  const { input, output, metadata } = readClassifierInput(file);
  const { channels, height, width } = input;
  const session = await runtime.InferenceSession.create(file, options);
  const labels = metadata?.about.classLabels;
  return closable<Omit<Classifier, typeof Symbol.asyncDispose>>({
    input,
    labels,
    async classify(picture, count = 5) {
      const imagesNCHW = await fromPicture(picture, [channels, height, width]);
      const { outputs } = await runBatch(runtime, session, input, imagesNCHW, 1);
      return topK(outputs[output]?.data ?? new Float32Array(), count, labels);
    },
    close: () => session.release(),
  });
}
