/** What float16 costs: an fp16 file beside the float32 form of the same model, with every value rounded as a GPU rounds it. */
import { MAX_FLOAT16 } from '../converters/onnx/graph.ts';
import { toOnnx } from '../converters/onnx/to-onnx.ts';
import { decodeModel } from '../proto/onnx.ts';
import { spread } from '../src/data/batches.ts';
import type { ImageSet } from '../src/data/image-set.ts';
import { InterruptedError, ParityError } from '../src/errors.ts';
import type { Model } from '../src/network/model.ts';
import { elements } from '../src/network/tensor.ts';
import { wilsonInterval } from './interval.ts';
import { addDifference, countTopK, noDifference, relativeError, top1 } from './metrics.ts';
import { noise } from './noise.ts';
import { thresholdsOf } from './parity.ts';
import { roundFloat16 } from './round-float16.ts';
import { type Accuracy, compareBits, openSide } from './verify-int8.ts';

export interface VerifyFp16Options {
  /** Labelled images to compare on, besides random ones. */
  readonly data?: ImageSet | undefined;
  /** Images from all over the data set; all when there are fewer. */
  readonly images: number;
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

/**
 * Runs both forms on the CPU, the fp16 file as `roundFloat16` has it, and loads the file as it is.
 * @throws ParityError when the file's bits are not the model's, a value overflows, or logits of random images differ
 *   by more than the form's threshold
 */
export async function verifyFp16(
  file: Uint8Array,
  model: Model,
  { data, images, onProgress, signal }: VerifyFp16Options,
): Promise<Fp16Verification> {
  const bits = compareBits(file, model);
  const { classes, input } = model.config;
  const rounded = roundFloat16(decodeModel(file));
  const layerOf = new Map(rounded.peaks.map(({ layer, output }) => [output, layer]));
  const sides = [await openSide(toOnnx(model, { form: 'packed', input: 'nchw-float' })), await openSide(rounded.model)] as const;
  let peak = { layer: '', value: 0 };
  const compare = async (imagesNCHW: Uint8Array, count: number) => {
    const [float, half] = [await sides[0].run(imagesNCHW, count), await sides[1].run(imagesNCHW, count)];
    for (const [name, layer] of layerOf) {
      const value = half.outputs[name]?.data[0] as number;
      if (!(value <= MAX_FLOAT16))
        throw new ParityError(`float16 overflows in ${layer}: expected values of at most ${MAX_FLOAT16}, got ${value}. Use another form`);
      if (value > peak.value) peak = { layer, value };
    }
    const expected = top1(float.logits, classes);
    return { float, half, agree: top1(half.logits, classes).filter((c, i) => c === expected[i]).length };
  };
  try {
    let [difference, agree] = [noDifference, 0];
    const pixels = noise(RANDOM_IMAGES * elements(Object.values(input)));
    for (let from = 0; from < RANDOM_IMAGES; from += BATCH) {
      const size = pixels.length / RANDOM_IMAGES;
      const found = await compare(pixels.subarray(from * size, (from + BATCH) * size), BATCH);
      difference = addDifference(difference, found.half.logits, found.float.logits);
      agree += found.agree;
    }
    const random = { images: RANDOM_IMAGES, agreement: agree / RANDOM_IMAGES, relError: relativeError(difference) };
    const { relError: limit } = thresholdsOf('fp16');
    if (!(random.relError <= limit))
      throw new ParityError(
        `float16 differs from float32 on random images: expected a relative error of at most ${limit}, got ${random.relError}`,
      );
    await loads(file, pixels.subarray(0, pixels.length / RANDOM_IMAGES));
    return { bits, random, data: data ? await compareData(data) : null, peak };
  } finally {
    for (const { session } of sides) await session.release();
  }

  async function compareData(set: ImageSet): Promise<NonNullable<Fp16Verification['data']>> {
    const total = Math.min(images, set.length);
    const counts = { images: 0, agree: 0, float: 0, fp16: 0 };
    let difference = noDifference;
    for await (const { imagesNCHW, labels, count } of spread(set, BATCH, total)) {
      if (signal?.aborted) throw new InterruptedError('interrupted while verifying: nothing was written');
      const { float, half, agree } = await compare(imagesNCHW, count);
      difference = addDifference(difference, half.logits, float.logits);
      counts.images += count;
      counts.agree += agree;
      counts.float += countTopK(float.logits, labels, classes, 1);
      counts.fp16 += countTopK(half.logits, labels, classes, 1);
      onProgress?.(counts.images, total);
    }
    const accuracy = (right: number): Accuracy => ({ top1: right / counts.images, interval: wilsonInterval(right, counts.images) });
    return {
      images: counts.images,
      agreement: counts.agree / counts.images,
      relError: relativeError(difference),
      float: accuracy(counts.float),
      fp16: accuracy(counts.fp16),
    };
  }
}

/** That a stock runtime takes the file itself. */
async function loads(file: Uint8Array, image: Uint8Array): Promise<void> {
  const side = await openSide(file);
  try {
    const { logits } = await side.run(image, 1);
    if (!logits?.every(Number.isFinite)) throw new ParityError('onnxruntime gives logits that are no finite numbers');
  } finally {
    await side.session.release();
  }
}
