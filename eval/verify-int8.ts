/** What 8-bit activations cost and gain: an int8 file beside the float32 form of the same model, image by image. */
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { bytesOf } from '../converters/onnx/initializer.ts';
import type { Ranges } from '../converters/onnx/int8/to-int8.ts';
import { type InputLayout, readMetadata } from '../converters/onnx/metadata.ts';
import { toOnnx } from '../converters/onnx/to-onnx.ts';
import { decodeModel } from '../proto/onnx.ts';
import { spread } from '../src/data/batches.ts';
import type { ImageSet } from '../src/data/image-set.ts';
import { InterruptedError, ParityError } from '../src/errors.ts';
import type { Model } from '../src/network/model.ts';
import { elements } from '../src/network/tensor.ts';
import { LOGITS } from '../src/network/topology.ts';
import { wilsonInterval } from './interval.ts';
import { type LayerError, layerErrors } from './layer-errors.ts';
import { countTopK, top1 } from './metrics.ts';
import { readClassifier } from './model-input.ts';
import { runBatch } from './page/runtime.ts';

export interface Int8Options {
  /** Labelled images that were not calibrated with. */
  readonly data: ImageSet;
  /** So many are taken from all over the data set; all when there are fewer. */
  readonly images: number;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** A fraction of the images, with its 95 % confidence interval. */
export interface Accuracy {
  readonly top1: number;
  readonly interval: readonly [low: number, high: number];
}

export interface Int8Verification {
  /** One-bit weights found equal to the source's. */
  readonly bits: number;
  readonly images: number;
  /** Fraction of images whose most likely class is the float form's. */
  readonly agreement: number;
  readonly float: Accuracy;
  readonly int8: Accuracy;
  /** Every 8-bit tensor in order of execution. */
  readonly layers: readonly LayerError[];
  /** Milliseconds an image on this machine's CPU, batches of both forms in turn. */
  readonly milliseconds: { readonly float: number; readonly int8: number };
}

const BATCH = 16;

/**
 * Runs both forms over the same images in turn on the CPU.
 * @throws ParityError when the file's bits are not the model's
 */
export async function verifyInt8(file: Uint8Array, model: Model, ranges: Ranges, options: Int8Options): Promise<Int8Verification> {
  const { data, onProgress, signal } = options;
  const bits = compareBits(file, model);
  const total = Math.min(options.images, data.length);
  const layers = await layerErrors(model, ranges, data, signal);
  const input = readMetadata(decodeModel(file))?.input as InputLayout;
  const sides = {
    float: await openSide(toOnnx(model, { form: 'packed', input })),
    int8: await openSide(file),
  };
  const counts = { images: 0, agree: 0, float: 0, int8: 0 };
  const seconds: { float: number[]; int8: number[] } = { float: [], int8: [] };
  try {
    for await (const { imagesNCHW, labels, count } of spread(data, BATCH, total)) {
      if (signal?.aborted) throw new InterruptedError('interrupted while verifying: nothing was written');
      const [float, int8] = [await sides.float.run(imagesNCHW, count), await sides.int8.run(imagesNCHW, count)];
      const { classes } = model.config;
      const expected = top1(float.logits, classes);
      counts.images += count;
      counts.agree += top1(int8.logits, classes).filter((c, i) => c === expected[i]).length;
      counts.float += countTopK(float.logits, labels, classes, 1);
      counts.int8 += countTopK(int8.logits, labels, classes, 1);
      if (count === BATCH || total < BATCH) {
        seconds.float.push(float.seconds / count);
        seconds.int8.push(int8.seconds / count);
      }
      onProgress?.(counts.images, total);
    }
  } finally {
    await sides.float.session.release();
    await sides.int8.session.release();
  }
  const accuracy = (right: number): Accuracy => ({ top1: right / counts.images, interval: wilsonInterval(right, counts.images) });
  return {
    bits,
    images: counts.images,
    agreement: counts.agree / counts.images,
    float: accuracy(counts.float),
    int8: accuracy(counts.int8),
    layers,
    milliseconds: { float: median(seconds.float) * 1000, int8: median(seconds.int8) * 1000 },
  };
}

/** A file on onnxruntime's CPU provider, in this process. */
export async function openSide(bytes: Uint8Array) {
  const session = await InferenceSession.create(bytes);
  const { input } = readClassifier(bytes);
  return {
    session,
    async run(imagesNCHW: Uint8Array, count: number) {
      const { outputs, seconds } = await runBatch({ InferenceSession, Tensor }, session, input, imagesNCHW, count);
      return { outputs, logits: outputs[LOGITS]?.data as Float32Array, seconds };
    },
  };
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

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
