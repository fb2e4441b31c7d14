/** Kernels of column-major layouts to OIHW. */
import { packedLength } from '../../src/network/sign.ts';
import { type BitTensor, bitTensor, type FloatTensor, floatTensor } from '../../src/network/tensor.ts';

/**
 * Packs a 0/1 array of shape [height, width, inputs, outputs] in column-major order (the first index runs
 * fastest), as MATLAB and scipy store kernels.
 * @returns the bits, or the first value that is neither 0 nor 1
 */
export function packHWIO(
  values: ArrayLike<number>,
  [height, width, inputs, outputs]: readonly [number, number, number, number],
): BitTensor | number {
  const area = height * width;
  const bits = new Uint8Array(packedLength(area * inputs * outputs));
  let index = 0;
  for (let filter = 0; filter < inputs * outputs; filter++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++, index++) {
        const value = values[filter * area + x * height + y] as number;
        if (value === 1) bits[index >> 3] = (bits[index >> 3] as number) | (0x80 >> (index & 7));
        else if (value !== 0) return value;
      }
    }
  }
  return bitTensor([outputs, inputs, height, width], bits);
}

/** Floats of shape [height, width, inputs, outputs] in column-major order, as an OIHW kernel. */
export function toOIHW(
  values: ArrayLike<number>,
  [height, width, inputs, outputs]: readonly [number, number, number, number],
): FloatTensor {
  const area = height * width;
  const kernel = new Float32Array(area * inputs * outputs);
  let index = 0;
  for (let filter = 0; filter < inputs * outputs; filter++)
    for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) kernel[index++] = values[filter * area + x * height + y] as number;
  return floatTensor([outputs, inputs, height, width], kernel);
}
