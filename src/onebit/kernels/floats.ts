/** Convolutions with float32 weights: the first and the last one of a network, of any window and stride. */
import * as w from '../words';
import { wordAt } from './block';
import { finish } from './epilogue';

/** Output channels that are summed at once. */
export const OUTPUTS: i32 = 4;

/** How windows are summed; a type without values, so that `rows` calls its function directly. */
@unmanaged
export abstract class Sums {
  /** Pixels at once. */
  abstract pixels(): i32;
  /** float32 [OUTPUTS][pixels] sums of weight * pixel, the windows beginning at `input`. */
  abstract sum(block: usize, input: usize, weights: usize, sums: usize): void;
}

/** A tile is a row of all channels. */
@inline
export function rows<S extends Sums>(block: usize, from: i32, to: i32, scratch: usize): void {
  const pixels = changetype<S>(0).pixels();
  const channels = wordAt(block, w.CHANNELS), height = wordAt(block, w.HEIGHT), width = wordAt(block, w.WIDTH);
  const window = wordAt(block, w.WINDOW), weights = window * window * wordAt(block, w.INPUT_CHANNELS) * OUTPUTS * 4;
  const stride = wordAt(block, w.STRIDE), scales = wordAt(block, w.SCALE);
  for (let tile = from; tile < to; tile++) {
    const image = tile / height, y = tile % height;
    const row = wordAt(block, w.INPUT) + image * wordAt(block, w.INPUT_IMAGE) + y * stride * wordAt(block, w.INPUT_ROW);
    for (let o = 0; o < channels; o += OUTPUTS) {
      for (let x = 0; x < width; x += pixels) {
        changetype<S>(0).sum(block, row + 4 * stride * x, wordAt(block, w.WEIGHTS) + (o / OUTPUTS) * weights, scratch);
        finish(
          block, image, o, min(channels, o + OUTPUTS), y, x, 1, min(pixels, width - x), scratch, pixels * 4, 0, scales,
        );
      }
    }
  }
}

export function floats(block: usize, from: i32, to: i32, scratch: usize): void {
  rows<Plain>(block, from, to, scratch);
}

@unmanaged @final
class Plain extends Sums {
  pixels(): i32 {
    return 8;
  }

  sum(block: usize, input: usize, weights: usize, sums: usize): void {
    const inputs = wordAt(block, w.INPUT_CHANNELS), window = wordAt(block, w.WINDOW), stride = wordAt(block, w.STRIDE);
    const row: usize = wordAt(block, w.INPUT_ROW), plane: usize = wordAt(block, w.INPUT_PLANE);
    let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
    for (let i = 0; i < inputs; i++, input += plane) {
      let line = input;
      for (let r = 0; r < window; r++, line += row) {
        for (let s: usize = 0; s < <usize>window; s++, weights += 16) {
          const from = line + 4 * s;
          let a = v128.load(from), b = v128.load(from, 16);
          if (stride == 2) {
            a = v128.shuffle<f32>(a, b, 0, 2, 4, 6);
            b = v128.shuffle<f32>(v128.load(from, 32), v128.load(from, 48), 0, 2, 4, 6);
          }
          const w0 = v128.load32_splat(weights), w1 = v128.load32_splat(weights, 4);
          const w2 = v128.load32_splat(weights, 8), w3 = v128.load32_splat(weights, 12);
          a0 = f32x4.add(a0, f32x4.mul(a, w0));
          b0 = f32x4.add(b0, f32x4.mul(b, w0));
          a1 = f32x4.add(a1, f32x4.mul(a, w1));
          b1 = f32x4.add(b1, f32x4.mul(b, w1));
          a2 = f32x4.add(a2, f32x4.mul(a, w2));
          b2 = f32x4.add(b2, f32x4.mul(b, w2));
          a3 = f32x4.add(a3, f32x4.mul(a, w3));
          b3 = f32x4.add(b3, f32x4.mul(b, w3));
        }
      }
    }
    v128.store(sums, a0);
    v128.store(sums, b0, 16);
    v128.store(sums, a1, 32);
    v128.store(sums, b1, 48);
    v128.store(sums, a2, 64);
    v128.store(sums, b2, 80);
    v128.store(sums, a3, 96);
    v128.store(sums, b3, 112);
  }
}
