/** How a tensor stands in memory: see `words.ts`. */
import type { Shape } from '../network/topology.ts';
import { SLACK, SLACK_ROWS } from './words.ts';

export interface Planes {
  readonly shape: Shape;
  /** Pixels around each plane. */
  readonly border: number;
  /** Bytes of a value: 4 for float32, 1 for uint8. */
  readonly size: 1 | 4;
  /** The byte that the border is made of. */
  readonly fill: number;
}

/** Bytes from one row, plane and image to the next, and from the first byte to pixel (0, 0). */
export function strides({ shape: [channels, height, width], border, size }: Planes) {
  const row = (width + border) * size;
  const bytes = (height + 2 * border) * row + border * size;
  // An odd number of sixteens: planes a power of two apart would share few places of the cache.
  const plane = 16 * (Math.ceil(bytes / 16) | 1);
  return { row, plane, image: channels * plane, origin: border * (row + size) };
}

/** Bytes of `count` images, with what kernels may read behind them. */
export function planesLength(planes: Planes, count: number): number {
  const { row, image } = strides(planes);
  return count * image + SLACK_ROWS * row + SLACK;
}

/** Tensors of one key can follow each other in the same memory: the border stays as it is. */
export function planesKey({ shape, border, size, fill }: Planes): string {
  return [...shape, border, size, fill].join();
}

/** A tensor in memory. */
export interface Placed extends Planes {
  /** Of its first byte, which belongs to the border. */
  readonly address: number;
}

/** Values of `count` images without their border, shape [count, channels, height, width]. */
export function readPlanes(memory: ArrayBufferLike, placed: Placed, count: number): Float32Array | Uint8Array {
  const stored = placed.size === 4 ? new Float32Array(memory) : new Uint8Array(memory);
  const [channels, height, width] = placed.shape;
  const length = count * channels * height * width;
  const values = placed.size === 4 ? new Float32Array(length) : new Uint8Array(length);
  eachRow(placed, count, (from, at) => {
    for (let x = 0; x < width; x++) values[at + x] = stored[from + x] as number;
  });
  return values;
}

/** Copies `count` images of shape [channels, height, width] into memory. */
export function writePlanes(
  memory: ArrayBufferLike,
  placed: Placed,
  values: Uint8Array | Uint8ClampedArray | Float32Array,
  count: number,
): void {
  const stored = placed.size === 4 ? new Float32Array(memory) : new Uint8Array(memory);
  const [, , width] = placed.shape;
  eachRow(placed, count, (to, at) => {
    for (let x = 0; x < width; x++) stored[to + x] = values[at + x] as number;
  });
}

/** @param visit gets the index of a row among the values of memory, and among those of the images without border */
function eachRow(placed: Placed, count: number, visit: (index: number, at: number) => void): void {
  const [channels, height, width] = placed.shape;
  const { row, plane, image, origin } = strides(placed);
  const first = placed.address + origin;
  for (let n = 0, at = 0; n < count; n++)
    for (let c = 0; c < channels; c++)
      for (let y = 0; y < height; y++, at += width) visit((first + n * image + c * plane + y * row) / placed.size, at);
}
