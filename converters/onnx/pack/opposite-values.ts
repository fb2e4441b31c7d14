/** Weights that take two opposite values, -s and +s, as bits and scales. */

import { elements } from '../../../src/formats/shape.ts';
import { packedLength } from '../../../src/network/sign.ts';
import { type BitTensor, bitTensor } from '../../../src/network/tensor.ts';
import { significant } from '../../../src/numbers.ts';

export interface OneBitWeights {
  /** In the shape of the weights; with scales per block, the axis is split into blocks and block size. */
  readonly bits: BitTensor;
  /** In a shape that broadcasts to that of the bits. */
  readonly scale: { readonly shape: readonly number[]; readonly data: Float64Array };
  /** Largest difference of a weight from sign * scale, relative to the scale; 0 is bit for bit. */
  readonly error: number;
}

/** Fewest weights per scale: with fewer, scales take more space than the bits. */
const MIN_BLOCK = 8;
/** Within this distance of two values, weights count as rounded, and the reason says how to pack them. */
const NEAR = 1e-3;

/**
 * Splits weights W into bits and scales such that sign * scale equals W: bit for bit, or within `tolerance` of the scale.
 * Uses as few scales as possible: one, one per index of an axis (on ties the first of `axes`), or one per block of an axis,
 * with and without the first of `axes`, as for grouped kernels and for language models with one scale per 128 inputs.
 * @returns the reason when that is impossible
 */
export function splitWeights(
  weights: ArrayLike<number>,
  dims: readonly number[],
  axes: readonly number[],
  tolerance = 0,
): OneBitWeights | string {
  if (weights.length === 0) return 'no values';
  if (Array.prototype.every.call(weights, (w: number) => w === 0)) return 'every weight is zero';
  const byCount = [...groupings(dims, axes)].sort((a, b) => elements(a.shape) - elements(b.shape));
  for (const groups of byCount) {
    const found = magnitudes(weights, groups, tolerance);
    if (found)
      return { bits: bitTensor(groups.dims, signBits(weights)), scale: { shape: groups.shape, data: found.scale }, error: found.error };
  }
  return describeValues(weights, dims, axes, tolerance);
}

/** Which weights share a scale: the split shape, and which of its axes the scales have. */
interface Grouping {
  readonly dims: readonly number[];
  /** Shape of the scales: as long as `dims`, with 1 where they repeat; [] for a single scale. */
  readonly shape: readonly number[];
}

function* groupings(dims: readonly number[], axes: readonly number[]): Generator<Grouping> {
  const along = (split: readonly number[], ...kept: (number | undefined)[]) => ({
    dims: split,
    shape: split.map((size, axis) => (kept.includes(axis) ? size : 1)),
  });
  yield { dims, shape: [] };
  for (const axis of axes) yield along(dims, axis);
  for (const channel of [undefined, axes[0]])
    for (const [axis, size] of dims.entries()) {
      if (axis === channel) continue;
      const at = channel !== undefined && channel > axis ? channel + 1 : channel; // after the split axis
      for (let block = Math.floor(size / 2); block >= 1; block--) {
        if (size % block !== 0) continue;
        const split = [...dims.slice(0, axis), size / block, block, ...dims.slice(axis + 1)];
        const grouping = along(split, axis, at);
        if (elements(grouping.shape) * MIN_BLOCK <= elements(dims)) yield grouping;
      }
    }
}

/** |w| per group, if it is a single value within the tolerance. */
function magnitudes(
  weights: ArrayLike<number>,
  { dims, shape }: Grouping,
  tolerance: number,
): { scale: Float64Array; error: number } | undefined {
  const strides = dims.map((_, axis) => elements(dims.slice(axis + 1)));
  // Only a few axes have scales: the index of a weight's scale is a sum over those.
  const kept = shape.flatMap((size, axis) =>
    size > 1 ? [{ stride: strides[axis] as number, size, step: elements(shape.slice(axis + 1)) }] : [],
  );
  const [low, high] = [new Float64Array(elements(shape)).fill(-1), new Float64Array(elements(shape))];
  for (let i = 0; i < weights.length; i++) {
    let group = 0;
    for (const { stride, size, step } of kept) group += (Math.floor(i / stride) % size) * step;
    const magnitude = Math.abs(weights[i] as number);
    if (!Number.isFinite(magnitude)) return undefined;
    if (low[group] === -1 || magnitude < (low[group] as number)) low[group] = magnitude;
    if (magnitude > (high[group] as number)) high[group] = magnitude;
    if (errorOf(low[group] as number, high[group] as number) > tolerance) return undefined;
  }
  const error = low.reduce((most, least, group) => Math.max(most, errorOf(least, high[group] as number)), 0);
  return { scale: low.map((least, group) => (least + (high[group] as number)) / 2), error };
}

/** Distance of two magnitudes from their middle, relative to it. */
function errorOf(low: number, high: number): number {
  return high === low ? 0 : (high - low) / (high + low);
}

/** Weights of 8 bits that take two values, in any order. */
export interface TwoLevels {
  readonly bits: BitTensor;
  /** The value of a 0 and of a 1; equal when all weights are. */
  readonly levels: readonly [low: number, high: number];
}

/** Splits integer weights into bits and two values; returns the reason when that is impossible. */
export function splitLevels(weights: ArrayLike<number>, dims: readonly number[]): TwoLevels | string {
  const values = new Set<number>();
  for (let i = 0; i < weights.length && values.size <= 3; i++) values.add(weights[i] as number);
  const [low, high = low] = [...values].sort((a, b) => a - b);
  if (low === undefined || high === undefined) return 'no values';
  if (values.size > 2) return describeValues(weights, dims, [], 0);
  return { bits: bitTensor(dims, levelBits(weights)), levels: [low, high] };
}

/** 1 for the larger of two values. */
export function levelBits(weights: ArrayLike<number>): Uint8Array {
  let high = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < weights.length; i++) high = Math.max(high, weights[i] as number);
  const bits = new Uint8Array(packedLength(weights.length));
  for (let i = 0; i < weights.length; i++) if (weights[i] === high) bits[i >> 3] = (bits[i >> 3] as number) | (0x80 >> (i & 7));
  return bits;
}

/** 1 where w is positive or +0: unlike in our own networks, -0 and +0 differ, so that no value changes. */
export function signBits(weights: ArrayLike<number>): Uint8Array {
  const bits = new Uint8Array(packedLength(weights.length));
  for (let i = 0; i < weights.length; i++) {
    const w = weights[i] as number;
    if (w > 0 || Object.is(w, 0)) bits[i >> 3] = (bits[i >> 3] as number) | (0x80 >> (i & 7));
  }
  return bits;
}

function describeValues(weights: ArrayLike<number>, dims: readonly number[], axes: readonly number[], tolerance: number): string {
  const values = new Set<number>();
  let zeros = 0;
  for (let i = 0; i < weights.length; i++) {
    const w = weights[i] as number;
    if (Number.isNaN(w) || Math.abs(w) === Number.POSITIVE_INFINITY) return `takes the value ${w}`;
    if (w === 0) zeros++;
    if (values.size <= 3) values.add(w === 0 ? 0 : w);
  }
  if (values.size <= 3)
    return `takes the values ${[...values]
      .sort((a, b) => a - b)
      .map((w) => Number(w.toPrecision(6)))
      .join(', ')}`;
  const near = values.size > 3 && tolerance < NEAR ? splitWeights(weights, dims, axes, NEAR) : '';
  if (typeof near !== 'string')
    return `within ${significant(near.error)} of two opposite values: pack with --tolerance ${roundUp(near.error)}`;
  return zeros > 0 ? `takes more than three values, ${zeros} of them zero` : 'takes more than three values';
}

/** Rounds up to a power of ten that leaves room for a runtime's own rounding. */
function roundUp(error: number): string {
  return `${Math.max(1e-6, Number(`1e${Math.ceil(Math.log10(error))}`))}`.replace('0.000001', '1e-6');
}
