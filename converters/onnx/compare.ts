/** First half of the check that an exported file equals its model; the other half runs it. */
import { ParityError } from '../../src/errors.ts';
import { elements } from '../../src/formats/shape.ts';
import { sameBytes } from '../../src/formats/typed-array.ts';
import type { Model } from '../../src/network/model.ts';
import { readOnnxModel } from './read.ts';

/** Values found equal. */
export interface Comparison {
  /** One-bit weights. */
  readonly bits: number;
  /** Float values: moments, scales, float kernels. */
  readonly floats: number;
}

/**
 * Reads an exported file back and compares every tensor with the model's.
 * @throws ParityError at the first difference; InputError when the file is not one of ours
 * @example
 * const { bits } = compareExport(file, model);
 */
export function compareExport(file: Uint8Array, model: Model): Comparison {
  const got = readOnnxModel(file);
  const counts = { bits: 0, floats: 0 };
  for (const [name, tensor] of model.tensors) {
    const other = got.tensors.get(name);
    if (other?.dtype !== tensor.dtype || !sameBytes(other.data, tensor.data))
      throw new ParityError(`read back from the file, ${name} differs from the source`);
    counts[tensor.dtype === 'bits' ? 'bits' : 'floats'] += elements(tensor.shape);
  }
  return counts;
}
