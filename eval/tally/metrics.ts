/** The numbers of a parity table, as pure functions of logits. Logits are row-major, shape [images, classes]. */

import { decidedClass } from '../../src/network/logits.ts';

/** The class decided by each row; -1 when all its logits are NaN. */
export function top1(logits: Float32Array, classes: number): Int32Array {
  return Int32Array.from({ length: logits.length / classes }, (_, row) => decidedClass(logits, row * classes, classes));
}

/**
 * Counts images whose label is among the `k` largest logits; on ties the lower index wins. A label whose logit is NaN is never right; for
 * k = 1 these are the images with `top1` equal to the label.
 */
export function countTopK(logits: Float32Array, labels: Int32Array, classes: number, k: number): number {
  let right = 0;
  for (const [row, label] of labels.entries()) {
    const own = logits[row * classes + label] as number;
    let before = 0;
    for (let c = 0; c < classes; c++) {
      const other = logits[row * classes + c] as number;
      if (c !== label && (other > own || (other === own && c < label))) before++;
    }
    if (!Number.isNaN(own) && before < k) right++;
  }
  return right;
}

/** Sums over all values, from which the errors over any number of batches are computed. */
export interface Difference {
  readonly count: number;
  /** Sum and largest of the absolute differences. */
  readonly sum: number;
  readonly max: number;
  readonly squaredDifference: number;
  readonly squaredReference: number;
}

export const noDifference: Difference = { count: 0, sum: 0, max: 0, squaredDifference: 0, squaredReference: 0 };

/** Adds the differences of two arrays of equal length to those found before. */
export function addDifference(before: Difference, got: Float32Array, reference: Float32Array): Difference {
  if (got.length !== reference.length) throw new RangeError(`cannot compare ${got.length} values with ${reference.length}`);
  let { sum, max, squaredDifference, squaredReference } = before;
  for (let i = 0; i < got.length; i++) {
    const expected = reference[i] as number;
    const distance = Math.abs((got[i] as number) - expected);
    sum += distance;
    max = Math.max(max, distance); // NaN stays NaN
    squaredDifference += distance * distance;
    squaredReference += expected * expected;
  }
  return { count: before.count + got.length, sum, max, squaredDifference, squaredReference };
}

/** Norm of the difference over the norm of the reference (Euclidean); NaN when either holds a NaN. */
export function relativeError({ squaredDifference, squaredReference }: Pick<Difference, 'squaredDifference' | 'squaredReference'>): number {
  return squaredDifference === 0 ? 0 : Math.sqrt(squaredDifference / squaredReference);
}
