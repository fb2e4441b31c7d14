/** What float16 costs: an fp16 file beside the float32 form of the same model, with every value rounded as a GPU rounds it. */
import { MAX_FLOAT16 } from '../../converters/onnx/graph.ts';
import { toOnnx } from '../../converters/onnx/write.ts';
import { decodeModel } from '../../proto/onnx.ts';
import { spread } from '../../src/data/batches.ts';
import type { ImageSet } from '../../src/data/dataset.ts';
import { ParityError } from '../../src/errors.ts';
import { elements } from '../../src/formats/shape.ts';
import type { Model } from '../../src/network/model.ts';
import { noise } from '../runtime/noise.ts';
import { addDifference, countTopK, noDifference, relativeError, top1 } from '../tally/metrics.ts';
import { thresholdsOf } from '../tally/thresholds.ts';
import { roundFloat16 } from './round-float16.ts';
import { type Accuracy, accuracyOf, compareBits, type LoadedForm, withLoaded } from './rounded-form.ts';

export interface VerifyFp16Options {
  /** The model that the file was made from. */
  readonly model: Model;
  /** Labelled images to compare on, besides random ones. */
  readonly data?: ImageSet | undefined;
  /** Images from all over the data set, 500 by default; all when there are fewer. */
  readonly images?: number | undefined;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Both forms over the same images. */
export interface Fp16Comparison {
  readonly images: number;
  /** Fraction of images whose most likely class is the float form's. */
  readonly agreement: number;
  readonly relError: number;
}

export interface Fp16Verification {
  /** One-bit weights found equal to the source's. */
  readonly bits: number;
  /** On pixels that are noise. */
  readonly random: Fp16Comparison;
  readonly data: (Fp16Comparison & { readonly float: Accuracy; readonly fp16: Accuracy }) | null;
  /** The largest magnitude of any layer's output, on all images run. */
  readonly peak: { readonly layer: string; readonly value: number };
}

const BATCH = 8;
const RANDOM_IMAGES = 16;
const IMAGES = 500;

/**
 * Runs both forms on the CPU, the fp16 file as `roundFloat16` has it, and loads the file as it is.
 * @throws ParityError when the file's bits are not the model's, a value overflows, or logits of random images differ
 *   by more than the form's threshold; `signal.reason` when it is aborted
 */
export async function verifyFp16(file: Uint8Array, options: VerifyFp16Options): Promise<Fp16Verification> {
  const { model } = options;
  const bits = compareBits(file, model);
  const { classes, input } = model.config;
  const { model: rounded, peaks } = roundFloat16(decodeModel(file));
  const pixels = noise(RANDOM_IMAGES * elements(Object.values(input)));
  let peak = { layer: '', value: 0 };
  const comparison = (floatForm: LoadedForm, halfForm: LoadedForm): Compare => {
    return async (imagesNCHW, count) => {
      const [float, half] = [await floatForm.run(imagesNCHW, count), await halfForm.run(imagesNCHW, count)];
      for (const { output, layer } of peaks) {
        const value = half.outputs[output]?.data[0] as number;
        if (!(value <= MAX_FLOAT16))
          throw new ParityError(`float16 overflows in ${layer}: expected values of at most ${MAX_FLOAT16}, got ${value}. Use another form`);
        if (value > peak.value) peak = { layer, value };
      }
      const expected = top1(float.logits, classes);
      return { float: float.logits, half: half.logits, agree: top1(half.logits, classes).filter((c, i) => c === expected[i]).length };
    };
  };
  const compared = await withLoaded(toOnnx(model, { form: 'packed', input: 'nchw-float' }), (float) =>
    withLoaded(rounded, async (half) => {
      const compare = comparison(float, half);
      const random = await compareRandom(compare, pixels);
      await loads(file, pixels.subarray(0, pixels.length / RANDOM_IMAGES));
      return { random, data: options.data ? await compareData(compare, options.data, classes, options) : null };
    }),
  );
  return { bits, ...compared, peak };
}

/** Logits of both forms for a batch, shape [count, classes], and the number of images that they decide alike. */
type Compare = (
  imagesNCHW: Uint8Array,
  count: number,
) => Promise<{ readonly float: Float32Array; readonly half: Float32Array; readonly agree: number }>;

async function compareRandom(compare: Compare, pixels: Uint8Array): Promise<Fp16Comparison> {
  let [difference, agree] = [noDifference, 0];
  const size = pixels.length / RANDOM_IMAGES;
  for (let from = 0; from < RANDOM_IMAGES; from += BATCH) {
    const found = await compare(pixels.subarray(from * size, (from + BATCH) * size), BATCH);
    difference = addDifference(difference, found.half, found.float);
    agree += found.agree;
  }
  const relError = relativeError(difference);
  const { relError: limit } = thresholdsOf('fp16');
  if (!(relError <= limit))
    throw new ParityError(`float16 differs from float32 on random images: expected a relative error of at most ${limit}, got ${relError}`);
  return { images: RANDOM_IMAGES, agreement: agree / RANDOM_IMAGES, relError };
}

async function compareData(
  compare: Compare,
  set: ImageSet,
  classes: number,
  { images = IMAGES, onProgress, signal }: VerifyFp16Options,
): Promise<NonNullable<Fp16Verification['data']>> {
  const total = Math.min(images, set.length);
  const counts = { images: 0, agree: 0, float: 0, fp16: 0 };
  let difference = noDifference;
  for await (const { imagesNCHW, labels, count } of spread(set, BATCH, total)) {
    signal?.throwIfAborted();
    const { float, half, agree } = await compare(imagesNCHW, count);
    difference = addDifference(difference, half, float);
    counts.images += count;
    counts.agree += agree;
    counts.float += countTopK(float, labels, classes, 1);
    counts.fp16 += countTopK(half, labels, classes, 1);
    onProgress?.(counts.images, total);
  }
  return {
    images: counts.images,
    agreement: counts.agree / counts.images,
    relError: relativeError(difference),
    float: accuracyOf(counts.float, counts.images),
    fp16: accuracyOf(counts.fp16, counts.images),
  };
}

/** That a stock runtime takes the file itself. */
async function loads(file: Uint8Array, image: Uint8Array): Promise<void> {
  const { logits } = await withLoaded(file, (loaded) => loaded.run(image, 1));
  if (!logits?.every(Number.isFinite)) throw new ParityError('onnxruntime gives logits that are no finite numbers');
}
