/** Ranges of a network's activations on real images, which set the scales of 8-bit activations. */
import { planInt8, type QuantizedTensor } from '../../converters/onnx/forms/int8/plan.ts';
import { quantizationOf, type Range, roundTrip } from '../../converters/onnx/forms/int8/quantization.ts';
import type { Ranges } from '../../converters/onnx/forms/int8/to-int8.ts';
import { toFlatProto } from '../../converters/onnx/write.ts';
import { requireChoice } from '../../src/choice.ts';
import { spread } from '../../src/data/batches.ts';
import type { ImageSet } from '../../src/data/dataset.ts';
import { InputError, UsageError } from '../../src/errors.ts';
import type { Model } from '../../src/network/model.ts';
import { IMAGES } from '../../src/network/topology.ts';
import { loadPackage } from '../../src/packages.ts';
import { Histogram } from './histogram.ts';
import { withOutputs } from './with-outputs.ts';

export interface CalibrateOptions {
  readonly data: ImageSet;
  /** Number of images, taken evenly from the data set; 256 by default. */
  readonly images?: number | undefined;
  /** How a range is chosen from the observed values; `percentile` by default. */
  readonly method?: Method | undefined;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Batch size: the activations of all layers are held, 10 MB per image for WRN-20-10. */
const BATCH = 8;
const IMAGES_SEEN = 256;
/** Fewer images are not representative. */
const MIN_IMAGES = 16;

export const methodNames = ['percentile', 'mse', 'minmax'] as const;
export type Method = (typeof methodNames)[number];

/** How a range is chosen from the observed values. */
export const methods: Readonly<Record<Method, (seen: Histogram, tensor: QuantizedTensor) => Range>> = {
  /** Clips 0.01 % of the values on each side. */
  percentile: (seen, tensor) => {
    const [low, high] = [seen.quantile(1e-4), seen.quantile(1 - 1e-4)];
    return low < high ? { low, high } : methods.minmax(seen, tensor); // nearly all values are equal: keep the few others
  },
  /** Minimizes the squared error of rounding and clipping together. */
  mse: leastSquaredError,
  /** Covers all observed values. */
  minmax: (seen) => ({ low: seen.min, high: seen.max }),
};

/**
 * Runs the float network over images and chooses a range for every tensor that the `int8` form stores in 8 bits.
 * @throws UsageError when the method is unknown or there are too few images; InputError when the network has no one-bit weights or an activation
 *   never changes; `signal.reason` when it is aborted
 * @example
 * const ranges = await calibrate(model, { data, images: 32, method: 'minmax' });
 */
export async function calibrate(
  model: Model,
  { data, images = IMAGES_SEEN, method = 'percentile', onProgress, signal }: CalibrateOptions,
): Promise<Ranges> {
  requireChoice('method', method, methodNames);
  if (images < MIN_IMAGES) throw new UsageError(`calibration: expected at least ${MIN_IMAGES} images, got ${images}`);
  if (data.length < images) throw new UsageError(`calibration: expected ${images} images in ${data.name}, got ${data.length}`);
  const { tensors } = planInt8(model);
  const names = tensors.map(({ name }) => name);
  const histograms = new Map(names.map((name) => [name, new Histogram()]));
  const file = withOutputs(toFlatProto(model), names);
  const { InferenceSession, Tensor } = await loadPackage('onnxruntime-node');
  const session = await InferenceSession.create(file);
  try {
    const { channels, height, width } = model.config.input;
    let done = 0;
    for await (const { imagesNCHW, count } of spread(data, BATCH, images)) {
      signal?.throwIfAborted();
      const input = new Tensor('float32', Float32Array.from(imagesNCHW), [count, channels, height, width]);
      const outputs = await session.run({ [IMAGES]: input }, names);
      for (const [name, histogram] of histograms) histogram.add(finite(name, outputs[name]?.data as Float32Array));
      done += count;
      onProgress?.(done, images);
    }
  } finally {
    await session.release();
  }
  const rangeOf = (tensor: QuantizedTensor): Range => methods[method](histograms.get(tensor.name) as Histogram, tensor);
  return new Map(tensors.map((tensor) => [tensor.name, rangeOf(tensor)]));
}

function finite(name: string, values: Float32Array): Float32Array {
  if (values.every(Number.isFinite)) return values;
  throw new InputError('calibration', name, 'expected finite activations, got NaN or infinity');
}

/** Clips both sides in the same proportion. */
function leastSquaredError(seen: Histogram, tensor: QuantizedTensor): Range {
  const STEPS = 50;
  let best = { range: { low: seen.min, high: seen.max }, error: Number.POSITIVE_INFINITY };
  for (let step = STEPS; step > STEPS / 5; step--) {
    const range = { low: (seen.min * step) / STEPS, high: (seen.max * step) / STEPS };
    const quantization = quantizationOf(tensor, range);
    const error = seen.sum((value) => (roundTrip(value, quantization) - value) ** 2);
    if (error < best.error) best = { range, error };
  }
  return best.range;
}
