/**
 * A module of its own, for engines with relaxed SIMD: `fused.ts` with the fused addition that most processors have. It is
 * used where `fuses` says so; the sums are the same.
 */
import * as w from '../words';
import { wordAt } from './block';
import { rows, Sums } from './floats';

/** Whether a * a + b is rounded once, with a = 1 + 2^-12 and b = -(1 + 2^-11): the rest is 2^-24 then, otherwise 0. */
export function fuses(a: f32, b: f32): bool {
  return f32x4.extract_lane(f32x4.relaxed_madd(f32x4.splat(a), f32x4.splat(a), f32x4.splat(b)), 0) != 0;
}

export function fusedFloats(block: usize, from: i32, to: i32, scratch: usize): void {
  rows<Relaxed>(block, from, to, scratch);
}

@unmanaged @final
class Relaxed extends Sums {
  pixels(): i32 {
    return 8;
  }

  sum(block: usize, input: usize, weights: usize, sums: usize): void {
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
}

@inline
function addChannel(sums: usize, a: v128, b: v128, first: bool): void {
  v128.store(sums, first ? a : f32x4.add(v128.load(sums), a));
  v128.store(sums, first ? b : f32x4.add(v128.load(sums, 16), b), 16);
}
