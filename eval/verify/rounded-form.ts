/** Shared checks of the rounding forms, int8 and fp16: each is compared with the float32 form of the same model. */
import { bytesOf } from '../../converters/onnx/initializer.ts';
import { fixBatch } from '../../converters/onnx/signature.ts';
import { decodeModel, encodeModel } from '../../proto/onnx.ts';
import { ParityError } from '../../src/errors.ts';
import { elements } from '../../src/formats/shape.ts';
import type { Model } from '../../src/network/model.ts';
import { LOGITS } from '../../src/network/topology.ts';
import { loadPackage } from '../../src/packages.ts';
import { readClassifier } from '../runtime/model-input.ts';
import { type Output, runBatch } from '../runtime/runtime.ts';
import { addDifference, countTopK, noDifference, relativeError, top1 } from '../tally/metrics.ts';
import { wilsonInterval } from '../tally/statistics.ts';

/** Top-1 accuracy with its 95 % confidence interval. */
export interface Accuracy {
  readonly top1: number;
  readonly interval: readonly [low: number, high: number];
}

/** Logits of two forms for the same images, batch by batch. */
export class FormComparison {
  readonly #classes: number;
  #images = 0;
  #agree = 0;
  #right = { float: 0, rounded: 0 };
  #difference = noDifference;

  constructor(classes: number) {
    this.#classes = classes;
  }

  /** @param float logits of shape [count, classes], as `rounded`; `labels` of [count] where they are known */
  add(float: Float32Array, rounded: Float32Array, labels?: Int32Array): void {
    const decided = top1(float, this.#classes);
    this.#images += decided.length;
    this.#agree += top1(rounded, this.#classes).filter((c, i) => c === decided[i]).length;
    this.#difference = addDifference(this.#difference, rounded, float);
    if (!labels) return;
    this.#right.float += countTopK(float, labels, this.#classes, 1);
    this.#right.rounded += countTopK(rounded, labels, this.#classes, 1);
  }

  get images(): number {
    return this.#images;
  }

  /** Fraction of images whose most likely class is the same, and relative error of the logits. */
  get result(): { readonly images: number; readonly agreement: number; readonly relError: number } {
    return { images: this.#images, agreement: this.#agree / this.#images, relError: relativeError(this.#difference) };
  }

  accuracy(form: 'float' | 'rounded'): Accuracy {
    return { top1: this.#right[form] / this.#images, interval: wilsonInterval(this.#right[form], this.#images) };
  }
}

/** A loaded file. */
export interface LoadedForm {
  /** @param imagesNCHW raw pixels 0..255, shape [count, channels, height, width] */
  run(
    imagesNCHW: Uint8Array,
    count: number,
  ): Promise<{ readonly outputs: Readonly<Record<string, Output>>; readonly logits: Float32Array; readonly seconds: number }>;
}

/** Loads a file into onnxruntime's CPU provider, in this process, while `use` runs. */
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
 * The file with any batch size, so that forms are compared in batches; a fixed size changes no result.
 * @param file of ours
 */
export function withFreeBatch(file: Uint8Array): Uint8Array {
  const proto = decodeModel(file);
  fixBatch(proto, 'batch');
  return encodeModel(proto);
}

/**
 * Checks that a stock runtime runs the file as it is.
 * @param image pixels 0..255, shape [channels, height, width]
 */
export async function requireFinite(file: Uint8Array, image: Uint8Array): Promise<void> {
  const { logits } = await withLoaded(file, (loaded) => loaded.run(image, 1));
  if (!logits?.every(Number.isFinite)) throw new ParityError('expected finite logits from onnxruntime, got NaN or infinity');
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
