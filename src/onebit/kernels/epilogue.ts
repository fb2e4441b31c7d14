/** What becomes of a sum before it is stored: the formulas stand in `words.ts`. */
import * as w from '../words';
import { floatAt, wordAt } from './block';

/**
 * Finishes `rows` rows of `count` pixels of output channel o, the first of them pixel (y, x). Their float32 sums stand at
 * `sums`, rows `sumsRow` bytes apart, readable up to a multiple of 4 pixels.
 */
export function finishRows(
  block: usize, image: i32, o: i32, y: i32, x: i32, rows: i32, count: i32, sums: usize, sumsRow: usize, scale: f32,
): void {
  const raw = wordAt(block, w.RAW), active = wordAt(block, w.ACTIVE);
  const residual = o < wordAt(block, w.RESIDUAL_CHANNELS) ? wordAt(block, w.RESIDUAL) : 0;
  const step = floatAt(block, w.ACTIVE_STEP);
  const rawRow = wordAt(block, w.RAW_ROW), residualRow = wordAt(block, w.RESIDUAL_ROW), activeRow = wordAt(block, w.ACTIVE_ROW);
  let rawAt = <usize>(raw + image * wordAt(block, w.RAW_IMAGE) + o * wordAt(block, w.RAW_PLANE) + y * rawRow + 4 * x);
  let residualAt = <usize>(residual + image * wordAt(block, w.RESIDUAL_IMAGE) + o * wordAt(block, w.RESIDUAL_PLANE) + y * residualRow + 4 * x);
  const size = step > 0 ? 1 : 4;
  let activeAt = <usize>(active + image * wordAt(block, w.ACTIVE_IMAGE) + o * wordAt(block, w.ACTIVE_PLANE) + y * activeRow + size * x);

  const scales = f32x4.splat(scale);
  let factor = f32x4.splat(1), shift = f32x4.splat(0);
  if (active) {
    factor = v128.load32_splat(wordAt(block, w.FACTOR) + 4 * o);
    shift = v128.load32_splat(wordAt(block, w.SHIFT) + 4 * o);
  }
  const floor = f32x4.splat(floatAt(block, w.FLOOR));
  const steps = f32x4.splat(step), zero = f32x4.splat(<f32>wordAt(block, w.ACTIVE_ZERO));
  for (let r = 0; r < rows; r++) {
    for (let i: usize = 0; i < <usize>count; i += 4) {
      const left = count - <i32>i;
      let v = f32x4.mul(v128.load(sums + 4 * i), scales);
      if (residual) v = f32x4.add(v, v128.load(residualAt + 4 * i));
      if (raw) storeFloats(rawAt + 4 * i, v, left);
      if (!active) continue;
      const a = f32x4.pmax(floor, f32x4.add(f32x4.mul(v, factor), shift));
      if (step > 0) storeBytes(activeAt + i, quantized(f32x4.div(a, steps), zero), left);
      else storeFloats(activeAt + 4 * i, a, left);
    }
    sums += sumsRow;
    rawAt += rawRow;
    residualAt += residualRow;
    activeAt += activeRow;
  }
}

/** clip(round(x) + zero, 0, 255) as int32, round half to even. It is clipped as a float, so that no conversion overflows. */
// @ts-expect-error: decorator
@inline
export function quantized(x: v128, zero: v128): v128 {
  const level = f32x4.add(f32x4.nearest(x), zero);
  return i32x4.trunc_sat_f32x4_s(f32x4.min(f32x4.max(level, f32x4.splat(0)), f32x4.splat(255)));
}

/** Stores the first `count` of four floats. */
// @ts-expect-error: decorator
@inline
export function storeFloats(to: usize, v: v128, count: i32): void {
  if (count >= 4) return v128.store(to, v);
  v128.store32_lane(to, v, 0);
  if (count > 1) v128.store32_lane(to, v, 1, 4);
  if (count > 2) v128.store32_lane(to, v, 2, 8);
}

/** Stores the first `count` of four int32, each 0 to 255, as bytes. */
// @ts-expect-error: decorator
@inline
function storeBytes(to: usize, v: v128, count: i32): void {
  const bytes = i8x16.narrow_i16x8_u(i16x8.narrow_i32x4_u(v, v), v);
  if (count >= 4) return v128.store32_lane(to, bytes, 0);
  v128.store8_lane(to, bytes, 0);
  if (count > 1) v128.store8_lane(to, bytes, 1, 1);
  if (count > 2) v128.store8_lane(to, bytes, 2, 2);
}
