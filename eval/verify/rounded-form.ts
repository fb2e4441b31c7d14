/** What the checks of the forms that round, int8 and fp16, share: each stands beside the float32 form of the same model. */
import { bytesOf } from '../../converters/onnx/initializer.ts';
import { decodeModel } from '../../proto/onnx.ts';
import { ParityError } from '../../src/errors.ts';
import { elements } from '../../src/formats/shape.ts';
import type { Model } from '../../src/network/model.ts';
import { LOGITS } from '../../src/network/topology.ts';
import { loadPackage } from '../../src/packages.ts';
import { readClassifier } from '../runtime/model-input.ts';
import { type Output, runBatch } from '../runtime/runtime.ts';
import { wilsonInterval } from '../tally/interval.ts';

/** A fraction of the images, with its 95 % confidence interval. */
export interface Accuracy {
  readonly top1: number;
  readonly interval: readonly [low: number, high: number];
}

export function accuracyOf(right: number, images: number): Accuracy {
  return { top1: right / images, interval: wilsonInterval(right, images) };
}

/** A file that is loaded. */
export interface LoadedForm {
  /** @param imagesNCHW raw pixels 0..255, shape [count, channels, height, width] */
  run(
    imagesNCHW: Uint8Array,
    count: number,
  ): Promise<{ readonly outputs: Readonly<Record<string, Output>>; readonly logits: Float32Array; readonly seconds: number }>;
}

/** Loads a file into onnxruntime's CPU provider, in this process, for as long as `use` takes. */
export async function withLoaded<Result>(file: Uint8Array, use: (loaded: LoadedForm) => Promise<Result>): Promise<Result> {
  const { input } = readClassifier(file);
  const runtime = await loadPackage('onnxruntime-node');
  const session = await runtime.InferenceSession.create(file);
  try {
    return await use({
      async run(imagesNCHW, count) {
        const { outputs, seconds } = await runBatch(runtime, session, input, imagesNCHW, count);
        return { outputs, logits: outputs[LOGITS]?.data as Float32Array, seconds };
      },
    });
  } finally {
    await session.release();
  }
}

/**
 * Compares the bits of a file with its model's, and counts them.
 * @throws ParityError when they differ
 */
export function compareBits(file: Uint8Array, model: Model): number {
  const initializers = new Map((decodeModel(file).graph?.initializer ?? []).map((tensor) => [tensor.name, tensor]));
  let count = 0;
  for (const [name, tensor] of model.tensors) {
    if (tensor.dtype !== 'bits') continue;
    const stored = initializers.get(name.replace(/kernel$/, 'bits'));
    if (!stored || !Buffer.from(bytesOf(stored)).equals(tensor.data))
      throw new ParityError(`read back from the file, ${name} differs from the source`);
    count += elements(tensor.shape);
  }
  return count;
}
