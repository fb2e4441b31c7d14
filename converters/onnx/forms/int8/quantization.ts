/**
 * How real values are stored in 8 bits (ONNX QuantizeLinear, uint8):
 *
 *     q = clip(round(x / scale) + zeroPoint, 0, 255),   x ~ scale * (q - zeroPoint),   round half to even
 */
import { InputError } from '../../../../src/errors.ts';
import type { QuantizedTensor } from './plan.ts';

export interface Quantization {
  /** A float32 value. */
  readonly scale: number;
  readonly zeroPoint: number;
}

/** The range assumed for a tensor's values; values outside are clipped. */
export interface Range {
  readonly low: number;
  readonly high: number;
}

const LEVELS = 255;

/**
 * The quantization that covers a range and represents 0 exactly, so that padding is exact. When the layer clips at a
 * floor, q = 0 is that floor and the 8-bit output does the clipping: exactly, unless the floor is -1 and the range exceeds
 * 254. A level is longer than 1 then, and q = 0 is the level nearest to -1.
 * @throws InputError when the range is empty: all observed activations are equal.
 */
export function quantizationOf({ name, floor }: QuantizedTensor, { low, high }: Range): Quantization {
  const [from, to] = [Math.min(floor ?? low, 0), Math.max(high, 0)];
  const scale = Math.fround((to - from) / LEVELS);
  if (low === high || scale === 0) {
    const got = low === high ? `only ${low}` : `${low} to ${high}`;
    throw new InputError('calibration', name, `expected activations that vary, got ${got}. Use other images`);
  }
  const levelsToFloor = floor === -1 ? Math.floor(LEVELS / (to + 1)) : 0;
  if (levelsToFloor > 0) return { scale: Math.fround(1 / levelsToFloor), zeroPoint: levelsToFloor };
  return { scale, zeroPoint: Math.round(Math.abs(from) / scale) };
}

/** One value after quantization and dequantization. */
export function roundTrip(x: number, { scale, zeroPoint }: Quantization): number {
  return scale * (Math.min(LEVELS, Math.max(0, roundHalfToEven(x / scale) + zeroPoint)) - zeroPoint);
}

/** As ONNX rounds. */
export function roundHalfToEven(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  return rest < 0.5 || (rest === 0.5 && below % 2 === 0) ? below : below + 1;
}
