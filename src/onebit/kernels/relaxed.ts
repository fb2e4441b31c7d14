/**
 * A module of its own, for engines with relaxed SIMD: `fused.ts` with the fused addition that most processors have. It is
 * used where `fuses` says so; the sums are the same.
 */
import * as w from '../words';
import { wordAt } from './block';
import { finish } from './epilogue';
import { OUTPUTS, PIXELS } from './floats';

/** Whether a * a + b is rounded once, with a = 1 + 2^-12 and b = -(1 + 2^-11): the rest is 2^-24 then, otherwise 0. */
export function fuses(a: f32, b: f32): bool {
  return f32x4.extract_lane(f32x4.relaxed_madd(f32x4.splat(a), f32x4.splat(a), f32x4.splat(b)), 0) != 0;
}

/** A tile is a row of all channels. */
export function fusedFloats(block: usize, from: i32, to: i32, scratch: usize): void {
  const channels = wordAt(block, w.CHANNELS), height = wordAt(block, w.HEIGHT), width = wordAt(block, w.WIDTH);
  const window = wordAt(block, w.WINDOW), weights = window * window * wordAt(block, w.INPUT_CHANNELS) * OUTPUTS * 4;
  for (let tile = from; tile < to; tile++) {
    const image = tile / height, y = tile % height;
    const row = wordAt(block, w.INPUT) + image * wordAt(block, w.INPUT_IMAGE) + y * wordAt(block, w.INPUT_ROW);
    for (let o = 0; o < channels; o += OUTPUTS) {
      for (let x = 0; x < width; x += PIXELS) {
        sumPixels(block, row + 4 * x, wordAt(block, w.WEIGHTS) + (o / OUTPUTS) * weights, scratch);
        const last = min(channels, o + OUTPUTS), count = min(PIXELS, width - x);
        finish(block, image, o, last, y, x, 1, count, scratch, PIXELS * 4, 0, wordAt(block, w.SCALE));
      }
    }
  }
}

/** float32 [OUTPUTS][PIXELS] sums of weight * pixel, the windows beginning at `input`. */
function sumPixels(block: usize, input: usize, weights: usize, sums: usize): void {
  const inputs = wordAt(block, w.INPUT_CHANNELS), window = wordAt(block, w.WINDOW);
  const row: usize = wordAt(block, w.INPUT_ROW), plane: usize = wordAt(block, w.INPUT_PLANE);
  for (let i = 0; i < inputs; i++, input += plane) {
    let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
    let line = input;
    for (let r = 0; r < window; r++, line += row) {
      for (let s: usize = 0; s < <usize>window; s++, weights += 16) {
        const a = v128.load(line + 4 * s), b = v128.load(line + 4 * s, 16);
        const w0 = v128.load32_splat(weights), w1 = v128.load32_splat(weights, 4);
        a0 = f32x4.relaxed_madd(a, w0, a0);
        b0 = f32x4.relaxed_madd(b, w0, b0);
        a1 = f32x4.relaxed_madd(a, w1, a1);
        b1 = f32x4.relaxed_madd(b, w1, b1);
        const w2 = v128.load32_splat(weights, 8), w3 = v128.load32_splat(weights, 12);
        a2 = f32x4.relaxed_madd(a, w2, a2);
        b2 = f32x4.relaxed_madd(b, w2, b2);
        a3 = f32x4.relaxed_madd(a, w3, a3);
        b3 = f32x4.relaxed_madd(b, w3, b3);
      }
    }
    addChannel(sums, a0, b0, i == 0);
    addChannel(sums + 32, a1, b1, i == 0);
    addChannel(sums + 64, a2, b2, i == 0);
    addChannel(sums + 96, a3, b3, i == 0);
  }
}

@inline
function addChannel(sums: usize, a: v128, b: v128, first: bool): void {
  v128.store(sums, first ? a : f32x4.add(v128.load(sums), a));
  v128.store(sums, first ? b : f32x4.add(v128.load(sums, 16), b), 16);
}
