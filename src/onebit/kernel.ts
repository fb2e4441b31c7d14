/** The kernels by name, and how the work of each is cut into tiles. */
import { ROWS, TABLE_ENTRIES, VECTOR } from './tile.ts';
import { rowsUnder } from './weights.ts';
import * as w from './words.ts';

/**
 * | kernel | reads | computes | tile |
 * |---|---|---|---|
 * | signsByte | uint8 planes, 3x3 signs | integer sums of sign * x, epilogue | 8 rows of 8 pixels x a part of the channels |
 * | signsFloat | float32 planes, 3x3 signs | float32 sums of sign * x, epilogue | 8 rows of 4 pixels x a part of the channels |
 * | floats | float32 planes, float32 kernels of any size | float32 sums of w * x, epilogue | a row of all channels |
 * | fusedFloats | float32 planes, float32 kernels, stride 1 | as floats, each term w * x added with one rounding | a row of all channels |
 * | map | float32 planes | acc = x, epilogue | a plane |
 * | averagePool, maxPool | float32 planes | mean or largest of the window's pixels, to RAW | a plane |
 * | globalPool | float32 planes | mean of a plane times SCALE[o], to RAW as [channels] | a plane |
 */
export const kernelNames = ['signsByte', 'signsFloat', 'floats', 'fusedFloats', 'map', 'averagePool', 'maxPool', 'globalPool'] as const;
export type KernelName = (typeof kernelNames)[number];

/**
 * Computes the tiles `from` to `to` (not included) of the call whose block stands at address `block`. Tiles count through
 * the images: tile t belongs to image floor(t / tiles per image). At `scratch` the thread has `scratchLength` bytes of its own.
 */
export type Kernel = (block: number, from: number, to: number, scratch: number) => void;
export type Kernels = Readonly<Record<KernelName, Kernel>>;

/** The kernels of modules over one memory; those of later modules replace those of earlier ones. Workers get it as text. */
export async function instantiate(modules: readonly WebAssembly.Module[], memory: WebAssembly.Memory): Promise<Kernels> {
  const instances = await Promise.all(modules.map((module) => WebAssembly.instantiate(module, { env: { memory } })));
  return Object.assign({}, ...instances.map(({ exports }) => exports));
}

/** Pixels of a vector: the width of a tile of a one-bit convolution. */
export const LANES = { signsByte: 8, signsFloat: 4 } as const;

/** Bytes of scratch memory that a call needs. @param words of the call's block */
export function scratchLength(kernel: KernelName, words: ArrayLike<number>): number {
  const word = (at: number) => words[at] as number;
  // Tables of as many rows as lie under a tile; of each channel the sums of a tile, as they are added and as int32.
  if (kernel === 'signsByte' || kernel === 'signsFloat') return VECTOR * (TABLE_ENTRIES * rowsUnder(2) + 3 * ROWS * word(w.CHANNELS));
  // A row between what pads it and two rows of the output, each with what vectors reach behind it; or 4 channels of 8 pixels.
  return 4 * (word(w.INPUT_WIDTH) + word(w.LEFT) + word(w.WINDOW) + 2 * word(w.WIDTH) + 32);
}

/** Tiles of one image. @param words of the call's block */
export function tilesOf(kernel: KernelName, words: ArrayLike<number>): number {
  const word = (at: number) => words[at] as number;
  if (kernel === 'floats' || kernel === 'fusedFloats') return word(w.HEIGHT);
  if (kernel !== 'signsByte' && kernel !== 'signsFloat') return word(w.CHANNELS);
  return Math.ceil(word(w.HEIGHT) / ROWS) * Math.ceil(word(w.WIDTH) / LANES[kernel]) * word(w.PARTS);
}
