/** Weights as the kernels read them. */
import { GROUP, MANY, ROWS, SINGLES, VECTOR } from './tile.ts';

/** Input rows under a tile: vectors of an entry of a table. */
export function rowsUnder(stride: number): number {
  return 3 + (ROWS - 1) * stride;
}

/** Place in an entry of input row i under a tile: with stride 2 the even rows stand first, so that those of one look-up are neighbours. */
export function placeOf(i: number, stride: number): number {
  if (stride === 1) return i;
  return i % 2 === 0 ? i / 2 : ROWS + 1 + (i - 1) / 2;
}

/** Input channels that share a table: their sums are looked up at once. */
export function channelsPerTable(outputs: number): 1 | 2 {
  return outputs < MANY ? 1 : 2;
}

/** Input channels that are added before sums go back to memory. */
export function channelsPerGroup(outputs: number): number {
  return outputs < MANY ? SINGLES : GROUP;
}

/** Bytes of the prepared signs of a 3x3 convolution. */
export function signsLength(outputs: number, inputs: number): number {
  return 4 * outputs + 6 * outputs * Math.ceil(inputs / channelsPerTable(outputs));
}

/**
 * Signs of a 3x3 convolution as `kernels/signs.ts` looks them up: int32 [outputs], 128 times the sum of a channel's signs;
 * then uint16 [groups of input channels][outputs][tables of the group][3 rows of the kernel], where the sum stands.
 * Where two channels share a table, an odd last one has a partner of signs -1; no kernel reads its pixels.
 * @param bits packed as the file holds them: OIHW, most significant bit first
 */
export function prepareSigns(bits: Uint8Array, outputs: number, inputs: number, stride: number, target: Uint8Array): void {
  const channels = channelsPerTable(outputs);
  const offsets = new Int32Array(target.buffer, target.byteOffset, outputs);
  const indices = new Uint16Array(target.buffer, target.byteOffset + 4 * outputs, 3 * outputs * Math.ceil(inputs / channels));
  const entry = VECTOR * rowsUnder(stride);
  const tableLength = 8 ** channels * entry;
  // What a row of three signs adds to the index as the first channel of its table; as the second it is 8 times that.
  const three = Uint16Array.from([0, 4, 2, 6, 1, 5, 3, 7], (reversed) => reversed * entry);
  const [top, middle, bottom] = [0, 1, 2].map((row) => VECTOR * placeOf(row, stride)) as [number, number, number];
  offsets.fill(-128 * 9 * inputs);
  const group = channelsPerGroup(outputs);
  let at = 0;
  for (let start = 0; start < inputs; start += group) {
    for (let o = 0; o < outputs; o++) {
      let ones = 0;
      let table = 0;
      for (let i = start; i < Math.min(inputs, start + group); i += channels, table += tableLength) {
        const bit = 9 * (o * inputs + i);
        const first = nineBits(bits, bit);
        const second = channels === 2 && i + 1 < inputs ? nineBits(bits, bit + 9) : 0;
        ones += (ONES[first] as number) + (ONES[second] as number);
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
