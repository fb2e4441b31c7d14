/** Measures the cost of float16: compares an fp16 file with the float32 form of its model, rounding every value as a GPU does. */
import { MAX_FLOAT16 } from '../../converters/onnx/graph.ts';
import { toOnnx } from '../../converters/onnx/write.ts';
import { decodeModel } from '../../proto/onnx.ts';
import { spread } from '../../src/data/batches.ts';
import type { ImageSet } from '../../src/data/dataset.ts';
import { ParityError } from '../../src/errors.ts';
import { elements } from '../../src/formats/shape.ts';
import type { Model } from '../../src/network/model.ts';
import { noise } from '../runtime/noise.ts';
import { thresholdsOf } from '../tally/thresholds.ts';
import { roundFloat16 } from './round-float16.ts';
import { type Accuracy, compareBits, FormComparison, type LoadedForm, requireFinite, withFreeBatch, withLoaded } from './rounded-form.ts';

export interface VerifyFp16Options {
  /** The model that the file was made from. */
  readonly model: Model;
  /** Labelled images to compare on, in addition to random ones. */
  readonly data?: ImageSet | undefined;
  /** Number of images, taken evenly from the data set; 500 by default, or all when there are fewer. */
  readonly images?: number | undefined;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Comparison of both forms on the same images. */
export interface Fp16Comparison {
  readonly images: number;
  /** Fraction of images whose most likely class is the float form's. */
  readonly agreement: number;
  readonly relError: number;
}

export interface Fp16Verification {
  /** One-bit weights found equal to the source's. */
  readonly bits: number;
  /** On random pixels. */
  readonly random: Fp16Comparison;
  readonly data: (Fp16Comparison & { readonly float: Accuracy; readonly fp16: Accuracy }) | null;
  /** The largest magnitude of any layer's output, on all images run. */
  readonly peak: { readonly layer: string; readonly value: number };
}

const BATCH = 8;
const RANDOM_IMAGES = 16;
const IMAGES = 500;

/**
 * Runs both forms on the CPU, the fp16 file as rewritten by `roundFloat16`; also runs the unchanged file once.
 * @throws ParityError when the bits differ from the model, a value overflows, or logits of random images differ
 *   by more than the form's threshold; `signal.reason` when it is aborted
 * @example
 * const { random } = await verifyFp16(toFp16Onnx(model), { model, data, images: 16 });
 */
export async function verifyFp16(file: Uint8Array, options: VerifyFp16Options): Promise<Fp16Verification> {
  const { model } = options;
  const bits = compareBits(file, model);
  const { classes, input } = model.config;
  const { model: rounded, peaks } = roundFloat16(decodeModel(withFreeBatch(file)));
  const pixels = noise(RANDOM_IMAGES * elements(Object.values(input)));
  let peak = { layer: '', value: 0 };
  const running = (floatForm: LoadedForm, halfForm: LoadedForm): RunBoth => {
    return async (imagesNCHW, count) => {
      const [float, half] = [await floatForm.run(imagesNCHW, count), await halfForm.run(imagesNCHW, count)];
      for (const { output, layer } of peaks) {
        const value = half.outputs[output]?.data[0] as number;
        if (!(value <= MAX_FLOAT16))
          throw new ParityError(`float16 overflows in ${layer}: expected values of at most ${MAX_FLOAT16}, got ${value}. Use another form`);
        if (value > peak.value) peak = { layer, value };
      }
      return [float.logits, half.logits];
    };
  };
  const compared = await withLoaded(toOnnx(model, { form: 'packed', input: 'nchw-float' }), (float) =>
    withLoaded(rounded, async (half) => {
      const run = running(float, half);
      const random = await compareRandom(run, pixels, classes);
      await requireFinite(file, pixels.subarray(0, pixels.length / RANDOM_IMAGES));
      return { random, data: options.data ? await compareData(run, options.data, classes, options) : null };
    }),
  );
  return { bits, ...compared, peak };
}

/** Logits of both forms for a batch, each of shape [count, classes]. */
type RunBoth = (imagesNCHW: Uint8Array, count: number) => Promise<readonly [float: Float32Array, half: Float32Array]>;

async function compareRandom(run: RunBoth, pixels: Uint8Array, classes: number): Promise<Fp16Comparison> {
  const comparison = new FormComparison(classes);
  const size = pixels.length / RANDOM_IMAGES;
  for (let from = 0; from < RANDOM_IMAGES; from += BATCH)
    comparison.add(...(await run(pixels.subarray(from * size, (from + BATCH) * size), BATCH)));
  const { result } = comparison;
  const { relError: limit } = thresholdsOf('fp16');
  if (!(result.relError <= limit))
    throw new ParityError(
      `float16 differs from float32 on random images: expected a relative error of at most ${limit}, got ${result.relError}`,
    );
  return result;
}

async function compareData(
  run: RunBoth,
  set: ImageSet,
  classes: number,
  { images = IMAGES, onProgress, signal }: VerifyFp16Options,
): Promise<NonNullable<Fp16Verification['data']>> {
  const total = Math.min(images, set.length);
  const comparison = new FormComparison(classes);
  for await (const { imagesNCHW, labels, count } of spread(set, BATCH, total)) {
    signal?.throwIfAborted();
    comparison.add(...(await run(imagesNCHW, count)), labels);
    onProgress?.(comparison.images, total);
  }
  return { ...comparison.result, float: comparison.accuracy('float'), fp16: comparison.accuracy('rounded') };
}
