/** Weights as the kernels read them. */
import { PAIRS, ROWS, VECTOR } from './tile.ts';

/** Input rows under a tile: vectors of an entry of a table. */
export function rowsUnder(stride: number): number {
  return 3 + (ROWS - 1) * stride;
}

/** Place in an entry of input row i under a tile: with stride 2 the even rows stand first, so that those of one look-up are neighbours. */
export function placeOf(i: number, stride: number): number {
  if (stride === 1) return i;
  return i % 2 === 0 ? i / 2 : ROWS + 1 + (i - 1) / 2;
}

/** Bytes of the prepared signs of a 3x3 convolution. */
export function signsLength(outputs: number, inputs: number): number {
  return 4 * outputs + 6 * outputs * Math.ceil(inputs / 2);
}

/**
 * Signs of a 3x3 convolution as `kernels/signs.ts` looks them up: int32 [outputs], 128 times the sum of a channel's signs;
 * then uint16 [groups of PAIRS pairs of input channels][outputs][pairs of the group][3 rows of the kernel], `indexOf`.
 * An odd last channel is a pair whose second signs are -1; no kernel reads their pixels.
 * @param bits packed as the file holds them: OIHW, most significant bit first
 */
export function prepareSigns(bits: Uint8Array, outputs: number, inputs: number, stride: number, target: Uint8Array): void {
  const pairs = Math.ceil(inputs / 2);
  const offsets = new Int32Array(target.buffer, target.byteOffset, outputs);
  const indices = new Uint16Array(target.buffer, target.byteOffset + 4 * outputs, 3 * outputs * pairs);
  const entry = VECTOR * rowsUnder(stride);
  // What a row of three signs adds to the index as the first of its pair; as the second it is 8 times that.
  const three = Uint16Array.from([0, 4, 2, 6, 1, 5, 3, 7], (reversed) => reversed * entry);
  const [top, middle, bottom] = [0, 1, 2].map((row) => VECTOR * placeOf(row, stride)) as [number, number, number];
  offsets.fill(-128 * 9 * inputs);
  let at = 0;
  for (let start = 0; start < pairs; start += PAIRS) {
    for (let o = 0; o < outputs; o++) {
      let ones = 0;
      for (let p = start; p < Math.min(pairs, start + PAIRS); p++) {
        const bit = 9 * (o * inputs + 2 * p);
        const first = nineBits(bits, bit);
        const second = 2 * p + 1 < inputs ? nineBits(bits, bit + 9) : 0;
        ones += (ONES[first] as number) + (ONES[second] as number);
        const table = (p - start) * 64 * entry;
        indices[at++] = table + top + (three[first >> 6] as number) + 8 * (three[second >> 6] as number);
        indices[at++] = table + middle + (three[(first >> 3) & 7] as number) + 8 * (three[(second >> 3) & 7] as number);
        indices[at++] = table + bottom + (three[first & 7] as number) + 8 * (three[second & 7] as number);
      }
      offsets[o] = (offsets[o] as number) + 256 * ones;
    }
  }
}

/** The bits from `bit` on, the first of them highest. */
function nineBits(bits: Uint8Array, bit: number): number {
  const byte = bit >> 3; // nine bits lie in two bytes
  return ((((bits[byte] as number) << 8) | (bits[byte + 1] ?? 0)) >> (7 - (bit & 7))) & 511;
}

/** How many of nine bits are 1. */
const ONES = Uint8Array.from({ length: 512 }, (_, nine) => nine.toString(2).replaceAll('0', '').length);

/** Output channels that stand side by side. */
export const LANE = 4;

/** Numbers of a prepared float32 convolution. */
export function floatsLength(outputs: number, inputs: number, window: number): number {
  return Math.ceil(outputs / LANE) * LANE * inputs * window * window;
}

/**
 * float32 [ceil(outputs / 4)][inputs][window][window][4]: the same weight of four output channels side by side; 0 for
 * channels that fill up the last four.
 * @param weightAt weight of an index of the OIHW kernel
 */
export function prepareFloats(
  weightAt: (index: number) => number,
  outputs: number,
  inputs: number,
  window: number,
  target: Float32Array,
): void {
  const size = inputs * window * window;
  for (let o = 0; o < outputs; o++)
    for (let k = 0; k < size; k++) target[(Math.floor(o / LANE) * size + k) * LANE + (o % LANE)] = weightAt(o * size + k);
}
