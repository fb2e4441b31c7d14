/**
 * What a kernel is told: a block of 32-bit words in the network's memory, each word at a fixed place. A kernel is a
 * function of the block's address, of a share of tiles and of the thread's own scratch memory, `kernel(block, from, to,
 * scratch)`, so that one list of calls serves every thread. TypeScript and AssemblyScript both compile this file.
 *
 * Addresses and strides are bytes. A tensor of `images` is planar: pixel (y, x) of channel c of image n stands at
 * `address + n * IMAGE + c * PLANE + y * ROW + x * size`, size 4 (float32) or 1 (uint8). Around the planes that a
 * convolution reads stands a border as wide as its padding (0.0, or the zero point); the right border of a row is the left
 * one of the next. Kernels never write outside of the pixels; they may read `SLACK_ROWS` rows and `SLACK` bytes behind a tensor.
 */

/** Bytes that may be read behind the rows that may be read behind a tensor. */
export const SLACK = 256;
/** Rows that may be read behind a tensor: those under a tile of which only the first row of pixels is in the image, with stride 2. */
export const SLACK_ROWS = 14;

// What is read. Of a convolution: the address of the window of output pixel (0, 0), so that padding needs no word.
export const INPUT = 0;
export const INPUT_ROW = 1;
export const INPUT_PLANE = 2;
export const INPUT_IMAGE = 3;
export const INPUT_CHANNELS = 4;

// What is made: float32 or uint8 planes of this many pixels.
export const CHANNELS = 5;
export const HEIGHT = 6;
export const WIDTH = 7;

/** Pixels of the input from one window to the next. */
export const STRIDE = 8;
/** Pixels of a window's side. */
export const WINDOW = 9;
/** Address of the prepared weights. */
export const WEIGHTS = 10;
/** The output channels of a one-bit convolution are shared out as this many parts, each of them a tile of its own. */
export const PARTS = 11;

// Pools: sizes of the input and pads before the first pixel; whether padding counts in the mean.
export const INPUT_HEIGHT = 12;
export const INPUT_WIDTH = 13;
export const TOP = 14;
export const LEFT = 15;
export const COUNTS_PADS = 16;

/*
 * The epilogue: what becomes of a sum `acc` of channel o before it is stored, once.
 *
 *     float32 sums:  v = acc * SCALE[o]
 *     integer sums:  q = clip(round((acc + BIAS[o]) * SCALE[o]) + ZERO, 0, 255)       round half to even, all in float32
 *                    DIRECT: ACTIVE = q, and that is all; otherwise v = (q - ZERO) * STEP
 *     v = v + RESIDUAL                  where there is one and o < RESIDUAL_CHANNELS
 *     RAW = v                           where it is asked for; RAW and RESIDUAL may be the same planes
 *     a = max(v * FACTOR[o] + SHIFT[o], FLOOR)        float32, two roundings
 *     ACTIVE = a                        float32 planes, or with ACTIVE_STEP > 0 uint8 planes of
 *              clip(round(a / ACTIVE_STEP) + ACTIVE_ZERO, 0, 255)
 *
 * An address of 0 says that there is no such tensor. FLOOR is -Infinity where nothing is clipped.
 */
/** float32 [channels]. */
export const SCALE = 20;
/** int32 [channels]; it holds what the input's zero point adds: bias - zero point of the input * sum of the signs. */
export const BIAS = 21;
export const ZERO = 22;
/** A float32 word. */
export const STEP = 23;
export const DIRECT = 24;
export const RESIDUAL = 25;
export const RESIDUAL_ROW = 26;
export const RESIDUAL_PLANE = 27;
export const RESIDUAL_IMAGE = 28;
export const RESIDUAL_CHANNELS = 29;
export const RAW = 30;
export const RAW_ROW = 31;
export const RAW_PLANE = 32;
export const RAW_IMAGE = 33;
export const ACTIVE = 34;
export const ACTIVE_ROW = 35;
export const ACTIVE_PLANE = 36;
export const ACTIVE_IMAGE = 37;
/** float32 [channels]. */
export const FACTOR = 38;
/** float32 [channels]. */
export const SHIFT = 39;
/** A float32 word. */
export const FLOOR = 40;
/** A float32 word; 0 for float32 planes. */
export const ACTIVE_STEP = 41;
export const ACTIVE_ZERO = 42;

/** Words of a block. */
export const WORDS = 44;
