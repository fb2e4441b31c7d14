/** Weights as the kernels read them. */

/** Input channels whose look-ups stand side by side. */
export const GROUP = 4;

/** Positions of a 3x3 kernel, row by row, that the first of its two indices holds; the second holds the other four. */
const FIRST = 5;

/** Bytes of the prepared signs of a 3x3 convolution. */
export function signsLength(outputs: number, inputs: number): number {
  return Math.ceil(inputs / GROUP) * outputs * GROUP * 2;
}

/**
 * Signs of a 3x3 convolution as indices of tables of partial sums, uint8 [ceil(inputs / 4)][outputs][4][2]. Bit j of the
 * first index is set where position j (row-major) of the kernel is +1, bit j of the second where position 5 + j is.
 * Channels that fill up the last group of four have the indices 0; no kernel reads their pixels.
 * @param bits packed as the file holds them: OIHW, most significant bit first
 */
export function prepareSigns(bits: Uint8Array, outputs: number, inputs: number, target: Uint8Array): void {
  for (let o = 0, bit = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++, bit += 9) {
      const byte = bit >> 3;
      // Nine bits lie in two bytes.
      const two = ((bits[byte] as number) << 8) | (bits[byte + 1] ?? 0);
      const pattern = INDICES[(two >> (7 - (bit & 7))) & 511] as number;
      const at = ((Math.floor(i / GROUP) * outputs + o) * GROUP + (i % GROUP)) * 2;
      target[at] = pattern & 255;
      target[at + 1] = pattern >> 8;
    }
  }
}

/** Both indices of nine bits, the first in the low byte. */
const INDICES = Uint16Array.from({ length: 512 }, (_, nine) => {
  let reversed = 0;
  for (let j = 0; j < 9; j++) reversed |= ((nine >> (8 - j)) & 1) << j;
  return (reversed & ((1 << FIRST) - 1)) | ((reversed >> FIRST) << 8);
});

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
