/**
 * Convolutions with float32 weights, of windows one pixel apart, each term fused: sum = round(sum + weight * pixel), one
 * rounding. The terms of an input channel are added up first, then the channels: so does onnxruntime on processors with
 * FMA. Standard WebAssembly has no fused addition; float64 holds a product of two floats exactly.
 */
import * as w from '../words';
import { wordAt } from './block';
import { rows, Sums } from './floats';

export function fusedFloats(block: usize, from: i32, to: i32, scratch: usize): void {
  rows<Wide>(block, from, to, scratch);
}

@unmanaged @final
class Wide extends Sums {
  pixels(): i32 {
    return 4;
  }

  sum(block: usize, input: usize, weights: usize, sums: usize): void {
    const inputs = wordAt(block, w.INPUT_CHANNELS), window = wordAt(block, w.WINDOW);
    const row: usize = wordAt(block, w.INPUT_ROW), plane: usize = wordAt(block, w.INPUT_PLANE);
    for (let i = 0; i < inputs; i++, input += plane) {
      let a0 = f64x2.splat(0), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
      let line = input;
      for (let r = 0; r < window; r++, line += row) {
        for (let s: usize = 0; s < <usize>window; s++, weights += 16) {
          const pixels = v128.load(line + 4 * s);
          const a = f64x2.promote_low_f32x4(pixels), b = f64x2.promote_low_f32x4(v128.shuffle<i64>(pixels, pixels, 1, 1));
          const w01 = f64x2.promote_low_f32x4(v128.load64_zero(weights));
          const w23 = f64x2.promote_low_f32x4(v128.load64_zero(weights, 8));
          const w0 = v128.shuffle<i64>(w01, w01, 0, 0), w1 = v128.shuffle<i64>(w01, w01, 1, 1);
          const w2 = v128.shuffle<i64>(w23, w23, 0, 0), w3 = v128.shuffle<i64>(w23, w23, 1, 1);
          a0 = fused(a0, a, w0);
          b0 = fused(b0, b, w0);
          a1 = fused(a1, a, w1);
          b1 = fused(b1, b, w1);
          a2 = fused(a2, a, w2);
          b2 = fused(b2, b, w2);
          a3 = fused(a3, a, w3);
          b3 = fused(b3, b, w3);
        }
      }
      addChannel(sums, a0, b0, i == 0);
      addChannel(sums + 16, a1, b1, i == 0);
      addChannel(sums + 32, a2, b2, i == 0);
      addChannel(sums + 48, a3, b3, i == 0);
    }
  }
}

/** Two floats, as float64: sum + x * weight, rounded to float32. */
@inline
function fused(sum: v128, x: v128, weight: v128): v128 {
  return f64x2.promote_low_f32x4(f32x4.demote_f64x2_zero(f64x2.add(sum, f64x2.mul(x, weight))));
}

@inline
function addChannel(sums: usize, low: v128, high: v128, first: bool): void {
  const four = v128.shuffle<i64>(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 2);
  v128.store(sums, first ? four : f32x4.add(v128.load(sums), four));
}
