/**
 * The rule that turns latent weights into 1-bit weights. No other code repeats it.
 *
 *     W_hat = s * sign(W),   s = g / sqrt(F * F * C_in),   sign(0) = +1
 *
 * McDonnell, "Training wide residual networks for deployment using a single bit for each weight",
 * ICLR 2018, equation 1. F is the kernel size and C_in the number of input channels. The gain g is
 * sqrt 2 with shortcuts and 2 in plain networks. s is constant per layer and never learned.
 *
 * A bit is 1 for +1 and 0 for -1. Bits are stored in row-major order of the OIHW kernel, most significant
 * bit first. Zeros pad the last byte.
 */
import { InputError } from '../errors.ts';

/** The scale s of a layer. `kernel` is F and `inputChannels` is C_in. */
export function heScale(kernel: number, inputChannels: number, residual: boolean): number {
  const gain = residual ? Math.SQRT2 : 2;
  return gain / Math.sqrt(kernel * kernel * inputChannels);
}

/** Number of bytes for `count` bits. */
export function packedLength(count: number): number {
  return Math.ceil(count / 8);
}

/**
 * Packs the signs of float weights: 1 where w >= 0 (so sign(0) and sign(-0) are +1).
 * @throws InputError for NaN, which has no sign
 */
export function packSigns(weights: ArrayLike<number>): Uint8Array {
  const bits = new Uint8Array(packedLength(weights.length));
  for (let i = 0; i < weights.length; i++) {
    const weight = weights[i] as number;
    if (weight >= 0) bits[i >> 3] = (bits[i >> 3] as number) | (0x80 >> (i & 7));
    else if (Number.isNaN(weight)) throw new InputError('weights', `index ${i}`, 'expected a number, got NaN');
  }
  return bits;
}

/** The sign, +1 or -1, of bit `index` of a packed kernel. */
export function signAt(bits: Uint8Array, index: number): 1 | -1 {
  return ((bits[index >> 3] as number) >> (7 - (index & 7))) & 1 ? 1 : -1;
}

/** Unpacks the first `count` bits to +1 and -1. */
export function unpackSigns(bits: Uint8Array, count: number): Float32Array {
  const signs = new Float32Array(count);
  for (let i = 0; i < count; i++) signs[i] = signAt(bits, i);
  return signs;
}

/**
 * W_hat = s * sign(W) as float32: the first `count` bits, times one scale for all or one for each of
 * `scale.length` equal parts (output channels of an OIHW kernel).
 */
export function scaledSigns(bits: Uint8Array, count: number, scale: Float32Array): Float32Array {
  const kernel = unpackSigns(bits, count);
  const part = count / scale.length;
  for (const [p, s] of scale.entries()) for (let i = p * part; i < (p + 1) * part; i++) kernel[i] = (kernel[i] as number) * s;
  return kernel;
}
