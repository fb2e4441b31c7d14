/** Ranges of the 8-bit tensors of a random model. */
import { planInt8 } from '../../converters/onnx/forms/int8/plan.ts';
import type { Ranges } from '../../converters/onnx/forms/int8/to-int8.ts';
import type { Model } from '../../src/network/model.ts';
import { reference } from '../network/reference.ts';

/** What the network computes on these images, so that rounding is all that differs. */
export function rangesOf(model: Model, pixels: Uint8Array, count: number): Ranges {
  const outputs = reference(model, pixels, count);
  return new Map(
    planInt8(model).tensors.map(({ name }) => {
      const values = outputs.get(name) as Float64Array;
      return [name, { low: values.reduce((a, b) => Math.min(a, b)), high: values.reduce((a, b) => Math.max(a, b)) }];
    }),
  );
}
