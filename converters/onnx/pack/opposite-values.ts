/** Weights that take two opposite values, -s and +s, as bits and a scale. */

import { elements } from '../../../src/formats/shape.ts';
import { packedLength } from '../../../src/network/sign.ts';
import { type BitTensor, bitTensor, type FloatTensor, floatTensor } from '../../../src/network/tensor.ts';

export interface OneBitWeights {
  readonly bits: BitTensor;
  /** A scalar, or one value for each index of an axis, of a shape that broadcasts. */
  readonly scale: FloatTensor;
}

/**
 * Splits weights W into bits and a scale such that sign * scale equals W bit for bit.
 * One scale is tried first, then one for each index of the axes, in the order given.
 * @returns the reason when that cannot be
 */
export function splitWeights(weights: Float32Array, dims: readonly number[], axes: readonly number[]): OneBitWeights | string {
  if (weights.length === 0) return 'no values';
  if (weights.every((w) => w === 0)) return 'every weight is zero';
  for (const axis of [undefined, ...axes]) {
    const scale = magnitudes(weights, dims, axis);
    if (scale) return { bits: bitTensor(dims, signBits(weights)), scale };
  }
  return describeValues(weights);
}

/** |w|, when it is the same for all weights, or for all of one index of the axis. */
function magnitudes(weights: Float32Array, dims: readonly number[], axis: number | undefined): FloatTensor | undefined {
  const channels = axis === undefined ? 1 : (dims[axis] as number);
  const inner = axis === undefined ? weights.length : elements(dims.slice(axis + 1));
  const scale = new Float32Array(channels);
  const seen = new Uint8Array(channels);
  for (let i = 0; i < weights.length; i++) {
    const channel = Math.floor(i / inner) % channels;
    const magnitude = Math.abs(weights[i] as number);
    if (!seen[channel]) {
      if (!Number.isFinite(magnitude)) return undefined;
      scale[channel] = magnitude;
      seen[channel] = 1;
    } else if (scale[channel] !== magnitude) return undefined;
  }
  return floatTensor(axis === undefined ? [] : dims.map((_, i) => (i === axis ? channels : 1)), scale);
}

/** 1 where w is positive or +0: unlike the rule of our own networks it tells -0 from +0, so that nothing changes. */
function signBits(weights: Float32Array): Uint8Array {
  const bits = new Uint8Array(packedLength(weights.length));
  for (const [i, w] of weights.entries()) if (w > 0 || Object.is(w, 0)) bits[i >> 3] = (bits[i >> 3] as number) | (0x80 >> (i & 7));
  return bits;
}

function describeValues(weights: Float32Array): string {
  const values = new Set<number>();
  for (const w of weights) if (values.add(w).size > 3) return 'takes more than three values';
  const list = [...values].sort((a, b) => a - b).map((w) => Number(w.toPrecision(6)));
  return `takes the values ${list.join(', ')}`;
}
