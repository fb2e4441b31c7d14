/** Kernels whose tile is one plane of one image. */
import * as w from '../words';
import { wordAt } from './block';
import { finish, pixelOf, storeFloats } from './epilogue';
import { pixels } from './signs';

/** The epilogue alone. */
export function map(block: usize, from: i32, to: i32, scratch: usize): void {
  const channels = wordAt(block, w.CHANNELS), height = wordAt(block, w.HEIGHT), width = wordAt(block, w.WIDTH);
  for (let tile = from; tile < to; tile++) {
    const image = tile / channels, c = tile % channels;
    finish(
      block, image, c, c + 1, 0, 0, height, width, planeOf(block, w.INPUT, tile), 0, wordAt(block, w.INPUT_ROW), wordAt(block, w.SCALE),
    );
  }
}

export function averagePool(block: usize, from: i32, to: i32, scratch: usize): void {
  for (let tile = from; tile < to; tile++) pool(true, block, tile, scratch);
}

export function maxPool(block: usize, from: i32, to: i32, scratch: usize): void {
  for (let tile = from; tile < to; tile++) pool(false, block, tile, scratch);
}

/** One number a plane: its mean times SCALE. */
export function globalPool(block: usize, from: i32, to: i32, scratch: usize): void {
  const channels = wordAt(block, w.CHANNELS), height = wordAt(block, w.INPUT_HEIGHT), width = wordAt(block, w.INPUT_WIDTH);
  for (let tile = from; tile < to; tile++) {
    const c = tile % channels;
    let row = planeOf(block, w.INPUT, tile), sums = f32x4.splat(0), sum: f32 = 0;
    for (let y = 0; y < height; y++, row += wordAt(block, w.INPUT_ROW)) {
      let x = 0;
      for (; x + 4 <= width; x += 4) sums = f32x4.add(sums, v128.load(row + 4 * x));
      for (; x < width; x++) sum += load<f32>(row + 4 * x);
    }
    sum += f32x4.extract_lane(sums, 0) + f32x4.extract_lane(sums, 1) + (f32x4.extract_lane(sums, 2) + f32x4.extract_lane(sums, 3));
    store<f32>(planeOf(block, w.RAW, tile), (sum / <f32>(height * width)) * load<f32>(wordAt(block, w.SCALE) + 4 * c));
  }
}

/**
 * Mean or largest of the windows of a plane, four windows at once. A mean adds row by row and from left to right, as
 * onnxruntime does. At `scratch` stand the columns that count of each window, what is added up, and a row of the input
 * between what pads it.
 */
@inline
function pool(mean: bool, block: usize, tile: i32, scratch: usize): void {
  const height = wordAt(block, w.INPUT_HEIGHT), width = wordAt(block, w.INPUT_WIDTH), row = wordAt(block, w.INPUT_ROW);
  const window = wordAt(block, w.WINDOW), stride = wordAt(block, w.STRIDE), left = wordAt(block, w.LEFT);
  const countsPads = wordAt(block, w.COUNTS_PADS), outputs = wordAt(block, w.WIDTH), room = 4 * (outputs + 4);
  const input = planeOf(block, w.INPUT, tile), sums = scratch + room, padded = sums + room;
  const neutral: f32 = mean ? 0 : -Infinity;
  for (let x = 0; x < outputs; x++) {
    const start = x * stride - left;
    store<f32>(scratch + 4 * x, <f32>(countsPads ? window : min(width, start + window) - max(0, start)));
  }
  for (let i = 0; i < left; i++) store<f32>(padded + 4 * i, neutral);
  let to = planeOf(block, w.RAW, tile);
  for (let y = 0; y < wordAt(block, w.HEIGHT); y++, to += wordAt(block, w.RAW_ROW)) {
    const top = y * stride - wordAt(block, w.TOP), first = max(0, top), end = min(height, top + window);
    for (let r = first, from: usize = input + first * row; r < end; r++, from += row) {
      for (let x = 0; x < width; x += 4) v128.store(padded + 4 * (left + x), v128.load(from + 4 * x));
      for (let i = 0; i < window; i++) store<f32>(padded + 4 * (left + width + i), neutral);
      for (let x = 0; x < outputs; x += 4) {
        let v = r == first ? f32x4.splat(neutral) : v128.load(sums + 4 * x);
        for (let i = 0; i < window; i++) {
          const pixel = pixels<f32>(padded + 4 * stride * x, stride, i);
          v = mean ? f32x4.add(v, pixel) : f32x4.pmax(v, pixel);
        }
        v128.store(sums + 4 * x, v);
      }
    }
    const rows = f32x4.splat(<f32>(countsPads ? window : end - first));
    for (let x = 0; x < outputs; x += 4) {
      const v = v128.load(sums + 4 * x);
      storeFloats(to + 4 * x, mean ? f32x4.div(v, f32x4.mul(rows, v128.load(scratch + 4 * x))) : v, outputs - x);
    }
  }
}

/** Address of the plane of a tile of the tensor whose words begin at `tensor`. */
@inline
function planeOf(block: usize, tensor: i32, tile: i32): usize {
  const channels = wordAt(block, w.CHANNELS);
  return pixelOf(block, tensor, tile / channels, tile % channels, 0, 0);
}
