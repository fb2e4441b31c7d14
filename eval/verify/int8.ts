/** Measures what 8-bit activations cost and gain: compares an int8 file with the float32 form of its model, image by image. */
import type { Ranges } from '../../converters/onnx/forms/int8/to-int8.ts';
import { toOnnx } from '../../converters/onnx/write.ts';
import { decodeModel } from '../../proto/onnx.ts';
import { spread } from '../../src/data/batches.ts';
import type { ImageSet } from '../../src/data/dataset.ts';
import { elements } from '../../src/formats/shape.ts';
import { type InputLayout, readMetadata } from '../../src/network/file-metadata.ts';
import type { Model } from '../../src/network/model.ts';
import { noise } from '../runtime/noise.ts';
import { quartiles } from '../tally/statistics.ts';
import { type LayerError, layerErrors } from './layer-errors.ts';
import { type Accuracy, compareBits, FormComparison, type LoadedForm, requireFinite, withFreeBatch, withLoaded } from './rounded-form.ts';

export interface Int8Options {
  /** The model that the file was made from, and its ranges. */
  readonly model: Model;
  readonly ranges: Ranges;
  /** Labelled images that were not used for calibration. */
  readonly data: ImageSet;
  /** Number of images, taken evenly from the data set; 500 by default, or all when there are fewer. */
  readonly images?: number | undefined;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

export interface Int8Verification {
  /** One-bit weights found equal to the source's. */
  readonly bits: number;
  readonly images: number;
  /** Fraction of images whose most likely class is the float form's. */
  readonly agreement: number;
  /** Relative error of the logits. */
  readonly relError: number;
  readonly float: Accuracy;
  readonly int8: Accuracy;
  /** Every 8-bit tensor in order of execution. */
  readonly layers: readonly LayerError[];
  /** Milliseconds per image on this machine's CPU; batches of both forms alternate. */
  readonly milliseconds: { readonly float: number; readonly int8: number };
}

const BATCH = 16;
const IMAGES = 500;

/**
 * Runs both forms alternately over the same images on the CPU.
 * @throws ParityError when the file's bits differ from the model; `signal.reason` when it is aborted
 * @example
 * const ranges = await calibrate(model, { data, images: 32 });
 * const { agreement } = await verifyInt8(toInt8Onnx(model, { ranges }), { model, ranges, data, images: 16 });
 */
export async function verifyInt8(file: Uint8Array, options: Int8Options): Promise<Int8Verification> {
  const { model, ranges, data, images = IMAGES, onProgress, signal } = options;
  const bits = compareBits(file, model);
  const total = Math.min(images, data.length);
  const layers = await layerErrors(model, ranges, data, signal);
  const input = readMetadata(decodeModel(file).metadata_props)?.input as InputLayout;
  const comparison = new FormComparison(model.config.classes);
  const seconds: { float: number[]; int8: number[] } = { float: [], int8: [] };
  const compare = async (floatForm: LoadedForm, int8Form: LoadedForm) => {
    for await (const { imagesNCHW, labels, count } of spread(data, BATCH, total)) {
      signal?.throwIfAborted();
      const [float, int8] = [await floatForm.run(imagesNCHW, count), await int8Form.run(imagesNCHW, count)];
      comparison.add(float.logits, int8.logits, labels);
      if (count === BATCH || total < BATCH) {
        seconds.float.push(float.seconds / count);
        seconds.int8.push(int8.seconds / count);
      }
      onProgress?.(comparison.images, total);
    }
  };
  await requireFinite(file, noise(elements(Object.values(model.config.input))));
  await withLoaded(toOnnx(model, { form: 'packed', input }), (float) => withLoaded(withFreeBatch(file), (int8) => compare(float, int8)));
  return {
    bits,
    ...comparison.result,
    float: comparison.accuracy('float'),
    int8: comparison.accuracy('rounded'),
    layers,
    milliseconds: { float: quartiles(seconds.float).median * 1000, int8: quartiles(seconds.int8).median * 1000 },
  };
}
