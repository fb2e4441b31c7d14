/** What becomes of a sum before it is stored: the formulas stand in `words.ts`. */
import * as w from '../words';
import { floatAt, wordAt } from './block';

/**
 * Finishes `rows` rows of `count` pixels of the output channels `first` to `last`, their upper left pixel (y, x). Their
 * float32 sums stand at `sums`, channels `sumsPlane` and rows `sumsRow` bytes apart, rows readable up to a multiple of 4
 * pixels. Without `scales` they are as they shall be.
 */
export function finish(
  block: usize, image: i32, first: i32, last: i32, y: i32, x: i32, rows: i32, count: i32,
  sums: usize, sumsPlane: usize, sumsRow: usize, scales: usize,
): void {
  const residualChannels = wordAt(block, w.RESIDUAL) ? wordAt(block, w.RESIDUAL_CHANNELS) : 0;
  const raw = wordAt(block, w.RAW), active = wordAt(block, w.ACTIVE), step = floatAt(block, w.ACTIVE_STEP);
  const rawPlane: usize = wordAt(block, w.RAW_PLANE), rawRow: usize = wordAt(block, w.RAW_ROW);
  const residualPlane: usize = wordAt(block, w.RESIDUAL_PLANE), residualRow: usize = wordAt(block, w.RESIDUAL_ROW);
  const activePlane: usize = wordAt(block, w.ACTIVE_PLANE), activeRow: usize = wordAt(block, w.ACTIVE_ROW);
  let rawAt = pixelOf(block, w.RAW, image, first, y, 4 * x);
  let residualAt = pixelOf(block, w.RESIDUAL, image, first, y, 4 * x);
  let activeAt = pixelOf(block, w.ACTIVE, image, first, y, step > 0 ? x : 4 * x);
  const factors = wordAt(block, w.FACTOR), shifts = wordAt(block, w.SHIFT);
  const floor = f32x4.splat(floatAt(block, w.FLOOR));
  const steps = f32x4.splat(step), zero = f32x4.splat(<f32>wordAt(block, w.ACTIVE_ZERO));

  for (let o = first; o < last; o++) {
    const scale = scales ? v128.load32_splat(scales + 4 * o) : f32x4.splat(1);
    const adds = o < residualChannels;
    let factor = scale, shift = scale;
    if (active) {
      factor = v128.load32_splat(factors + 4 * o);
      shift = v128.load32_splat(shifts + 4 * o);
    }
    let from = sums, add = residualAt, toRaw = rawAt, toActive = activeAt;
    for (let r = 0; r < rows; r++) {
      for (let i: usize = 0; i < <usize>count; i += 4) {
        const left = count - <i32>i;
        let v = f32x4.mul(v128.load(from + 4 * i), scale);
        if (adds) v = f32x4.add(v, v128.load(add + 4 * i));
        if (raw) storeFloats(toRaw + 4 * i, v, left);
        if (!active) continue;
        // pmax is one instruction; max takes several, for NaN.
        const a = f32x4.pmax(floor, f32x4.add(f32x4.mul(v, factor), shift));
        if (step > 0) storeBytes(toActive + i, quantized(f32x4.div(a, steps), zero), left);
        else storeFloats(toActive + 4 * i, a, left);
      }
      from += sumsRow;
      add += residualRow;
      toRaw += rawRow;
      toActive += activeRow;
    }
    sums += sumsPlane;
    residualAt += residualPlane;
    rawAt += rawPlane;
    activeAt += activePlane;
  }
}

/** Address of what is `column` bytes into row y of a plane of the tensor whose words begin at `tensor`. */
@inline
export function pixelOf(block: usize, tensor: i32, image: i32, channel: i32, y: i32, column: i32): usize {
  const plane = image * wordAt(block, tensor + 3) + channel * wordAt(block, tensor + 2);
  return wordAt(block, tensor) + plane + y * wordAt(block, tensor + 1) + column;
}

/** clip(round(x) + zero, 0, 255), round half to even. */
@inline
export function levels(x: v128, zero: v128): v128 {
  const level = f32x4.add(f32x4.nearest(x), zero);
  return f32x4.pmin(f32x4.splat(255), f32x4.pmax(f32x4.splat(0), level));
}

/** The same as int32. From 2^23 on a float has no fraction: the last byte of its bits is the level then. */
@inline
export function quantized(x: v128, zero: v128): v128 {
  return v128.and(f32x4.add(levels(x, zero), f32x4.splat(8388608)), i32x4.splat(255));
}

/** Stores the first `count` of four floats. */
@inline
export function storeFloats(to: usize, v: v128, count: i32): void {
  if (count >= 4) return v128.store(to, v);
  v128.store32_lane(to, v, 0);
  if (count > 1) v128.store32_lane(to, v, 1, 4);
  if (count > 2) v128.store32_lane(to, v, 2, 8);
}

/** Stores the first `count` of four int32, each 0 to 255, as bytes. */
@inline
function storeBytes(to: usize, v: v128, count: i32): void {
  const bytes = i8x16.narrow_i16x8_u(i16x8.narrow_i32x4_u(v, v), v);
  if (count >= 4) return v128.store32_lane(to, bytes, 0);
  v128.store8_lane(to, bytes, 0);
  if (count > 1) v128.store8_lane(to, bytes, 1, 1);
  if (count > 2) v128.store8_lane(to, bytes, 2, 2);
}
