/** The compiled kernels, held to the plain loops of the twin: byte by byte, everything around the pixels included. */
import { describe, expect, test } from 'vitest';
import type { Shape } from '../../src/network/topology.ts';
import { Arena } from '../../src/onebit/arena.ts';
import { Block } from '../../src/onebit/block.ts';
import { kernels } from '../../src/onebit/generated/kernels.ts';
import { type KernelName, type Kernels, scratchLength, tilesOf } from '../../src/onebit/kernel.ts';
import { type Placed, type Planes, strides } from '../../src/onebit/planes.ts';
import { twin } from '../../src/onebit/twin.ts';
import { floatsLength, prepareFloats, prepareSigns, signsLength } from '../../src/onebit/weights.ts';
import * as w from '../../src/onebit/words.ts';
import { random } from '../network/random-model.ts';

const compiled = new WebAssembly.Module(Buffer.from(kernels.plain, 'base64'));
const PAGE = 65536;

type Next = ReturnType<typeof random>;
const integer = (next: Next, low: number, high: number) => low + Math.floor(next() * (high - low + 1));
const chance = (next: Next, probability: number) => next() < probability;

/** A call in the making, in memory that is random wherever nothing else is said. */
class Bench {
  readonly next: Next;
  readonly images: number;
  readonly arena: Arena;
  readonly block: Block;
  readonly #fills: ((memory: ArrayBuffer) => void)[] = [];

  constructor(next: Next, images: number) {
    this.next = next;
    this.images = images;
    this.arena = new Arena(images);
    this.block = new Block(this.arena);
  }

  /** A tensor in word `word`; where `value` gives its pixels, they stand in a border of `fill`. */
  tensor(word: number, planes: Planes, value?: () => number, [top, left] = [0, 0]): Placed {
    const placed = this.arena.place(planes);
    const { image, row, plane, origin } = strides(placed);
    const [channels, height, width] = placed.shape;
    if (value)
      this.#fills.push((memory) => {
        new Uint8Array(memory, placed.address, this.images * image).fill(placed.fill);
        const view = new DataView(memory, placed.address + origin);
        for (let n = 0; n < this.images; n++)
          for (let c = 0; c < channels; c++)
            for (let y = 0; y < height; y++)
              for (let x = 0; x < width; x++) {
                const at = n * image + c * plane + y * row + x * placed.size;
                if (placed.size === 4) view.setFloat32(at, value(), true);
                else view.setUint8(at, value());
              }
      });
    this.block.tensor(word, placed, -top, -left);
    return placed;
  }

  constants(word: number, value: () => number, channels: number): void {
    this.block.constants(word, Float32Array.from({ length: channels }, value));
  }

  /** What becomes of float32 sums, or of the real values of 8-bit ones, chosen at random. */
  epilogue([channels, height, width]: Shape): void {
    const { next, block } = this;
    const float = { size: 4, fill: 0, shape: [channels, height, width] } as const;
    const value = () => integer(next, -50, 50);
    const active = chance(next, 0.7);
    const raw = !active || chance(next, 0.5);
    if (chance(next, 0.5)) {
      const narrow = chance(next, 0.5) ? channels : Math.ceil(channels / 2);
      this.tensor(w.RESIDUAL, { ...float, shape: [narrow, height, width], border: integer(next, 0, 1) }, value);
      block.integer(w.RESIDUAL_CHANNELS, narrow);
      const inPlace = raw && narrow === channels && chance(next, 0.5);
      if (inPlace) block.words.copyWithin(w.RAW, w.RESIDUAL, w.RESIDUAL_CHANNELS);
      else if (raw) this.tensor(w.RAW, { ...float, border: integer(next, 0, 2) });
    } else if (raw) this.tensor(w.RAW, { ...float, border: integer(next, 0, 2) });
    if (!active) return;
    this.constants(w.FACTOR, () => next() + 0.5, channels);
    this.constants(w.SHIFT, () => next() * 20 - 10, channels);
    block.real(w.FLOOR, [0, -1, Number.NEGATIVE_INFINITY][integer(next, 0, 2)] as number);
    const quantizes = chance(next, 0.5);
    this.tensor(w.ACTIVE, { ...float, size: quantizes ? 1 : 4, border: integer(next, 0, 2) });
    if (!quantizes) return;
    block.real(w.ACTIVE_STEP, 0.05 + next());
    block.integer(w.ACTIVE_ZERO, [0, 3, 128, 255][integer(next, 0, 3)] as number);
  }

  sizes(inputs: number, [channels, height, width]: Shape): void {
    for (const [word, value] of [
      [w.INPUT_CHANNELS, inputs],
      [w.CHANNELS, channels],
      [w.HEIGHT, height],
      [w.WIDTH, width],
    ] as const)
      this.block.integer(word, value);
  }

  /** Runs the kernel in `shares` shares and the twin at once; both memories must be the same in the end. */
  compare(kernel: KernelName, shares = 1): void {
    const { words, address } = this.block;
    const tiles = this.images * tilesOf(kernel, words);
    const scratchBytes = scratchLength(kernel, words);
    const scratch = this.arena.take(scratchBytes);
    const memory = new WebAssembly.Memory({ initial: Math.ceil(this.arena.bytes / PAGE) });
    const bytes = new Uint8Array(memory.buffer);
    for (let i = 0; i < bytes.length; i++) bytes[i] = Math.floor(this.next() * 256);
    this.arena.fill(memory.buffer);
    for (const fill of this.#fills) fill(memory.buffer);
    const expected = new Uint8Array(memory.buffer.slice(0));
    twin(expected.buffer)[kernel](address, 0, tiles, scratch);
    const run = new WebAssembly.Instance(compiled, { env: { memory } }).exports as unknown as Kernels;
    const before = bytes.slice();
    for (let s = 0; s < shares; s++)
      run[kernel](address, Math.floor((tiles * s) / shares), Math.floor((tiles * (s + 1)) / shares), scratch);
    expect(Buffer.compare(before, bytes), 'the kernel writes').not.toBe(0);
    for (const each of [bytes, expected]) each.fill(0, scratch, scratch + scratchBytes);
    const different = bytes.findIndex((byte, i) => byte !== expected[i]);
    expect(different, `first different byte; words ${words}`).toBe(-1);
  }
}

interface Conv {
  readonly inputs: number;
  readonly outputs: number;
  readonly height: number;
  readonly width: number;
  readonly stride: number;
  readonly pads: readonly [number, number, number, number];
}

function outputShape({ outputs, height, width, stride, pads: [top, left, bottom, right] }: Conv, window: number): Shape {
  return [outputs, Math.floor((height + top + bottom - window) / stride) + 1, Math.floor((width + left + right - window) / stride) + 1];
}

function randomConv(next: Next, window: number): Conv {
  const pads = [0, 0, 0, 0].map(() => integer(next, 0, Math.min(window - 1, 2))) as unknown as Conv['pads'];
  // A side of up to 40 pixels, the other short: the twin is slow.
  const sides = [integer(next, window, 9), integer(next, window, chance(next, 0.5) ? 12 : 40)];
  const [height, width] = (chance(next, 0.8) ? sides : sides.reverse()) as [number, number];
  // Few and many output channels have different tables.
  const [inputs, outputs] = chance(next, 0.2) ? [integer(next, 1, 9), integer(next, 46, 49)] : [integer(next, 1, 33), integer(next, 1, 9)];
  return { inputs, outputs, height, width, stride: integer(next, 1, 2), pads };
}

/** A one-bit convolution: `pixel` gives the values of its input, `sign` its weights. */
function signs(bench: Bench, conv: Conv, planes: Pick<Planes, 'size' | 'fill'>, pixel: () => number, sign: () => boolean): Int32Array {
  const { block } = bench;
  const { inputs, outputs, height, width, stride, pads } = conv;
  bench.tensor(w.INPUT, { shape: [inputs, height, width], border: Math.max(...pads), ...planes }, pixel, [pads[0], pads[1]]);
  bench.sizes(inputs, outputShape(conv, 3));
  block.integer(w.STRIDE, stride);
  const bits = new Uint8Array(Math.ceil((outputs * inputs * 9) / 8));
  const sums = new Int32Array(outputs);
  for (let k = 0; k < outputs * inputs * 9; k++) {
    const plus = sign();
    if (plus) bits[k >> 3] = (bits[k >> 3] as number) | (128 >> (k & 7));
    const o = Math.floor(k / (inputs * 9));
    sums[o] = (sums[o] as number) + (plus ? 1 : -1);
  }
  const bytes = signsLength(outputs, inputs);
  block.weights(bytes, (memory, address) => prepareSigns(bits, outputs, inputs, stride, new Uint8Array(memory, address, bytes)));
  return sums;
}

/** The words of uint8 convolutions: levels spread over the range that sums of `spread` have. */
function levels({ block, next }: Bench, { outputs }: Conv, zero: number, sums: Int32Array, spread: number): void {
  block.constants(
    w.SCALE,
    Float32Array.from({ length: outputs }, () => (100 / spread) * (0.5 + next())),
  );
  block.constants(
    w.BIAS,
    sums.map((sum) => integer(next, -100, 100) - zero * sum),
  );
  block.integer(w.ZERO, [0, 3, 128, 255][integer(next, 0, 3)] as number);
  block.real(w.STEP, 0.01 + next());
}

describe('signsByte', () => {
  test.each(Array.from({ length: 80 }, (_, seed) => seed))('random call %i', (seed) => {
    const next = random(seed + 1);
    const bench = new Bench(next, integer(next, 1, 2));
    const conv = randomConv(next, 3);
    const zero = [0, 1, 128, 255][integer(next, 0, 3)] as number;
    const sums = signs(
      bench,
      conv,
      { size: 1, fill: zero },
      () => integer(next, 0, 255),
      () => chance(next, 0.5),
    );
    levels(bench, conv, zero, sums, 100 * Math.sqrt(9 * conv.inputs));
    bench.block.integer(w.PARTS, Math.min(integer(next, 1, 3), conv.outputs));
    const shape = outputShape(conv, 3);
    if (chance(next, 0.5)) {
      bench.block.integer(w.DIRECT, 1);
      bench.tensor(w.ACTIVE, { shape, border: integer(next, 0, 2), size: 1, fill: 0 });
    } else bench.epilogue(shape);
    bench.compare('signsByte', integer(next, 1, 4));
  });

  // The largest sums there are: every pixel at one end, every sign the same. 24 to 32 channels: where 16 bits end.
  const extremes = [1, 2, 3, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 47, 48, 49, 56, 57, 64, 96, 97].flatMap((inputs) =>
    [0, 255].flatMap((pixel) => [true, false].map((plus) => ({ inputs, pixel, plus }))),
  );
  test.each(extremes)('$inputs channels of $pixel, all signs plus: $plus', ({ inputs, pixel, plus }) => {
    // Few and many output channels have different tables.
    for (const [outputs, stride] of [
      [2, 1],
      [2, 2],
      [48, 1],
    ] as const) {
      const next = random(inputs);
      const bench = new Bench(next, 1);
      const conv: Conv = { inputs, outputs, height: 5, width: 9, stride, pads: [1, 1, 1, 1] };
      const sums = signs(
        bench,
        conv,
        { size: 1, fill: 255 - pixel },
        () => pixel,
        () => plus,
      );
      levels(bench, conv, 255 - pixel, sums, 255 * 9 * inputs);
      bench.block.integer(w.PARTS, 1);
      bench.block.integer(w.ZERO, 128);
      bench.block.integer(w.DIRECT, 1);
      bench.tensor(w.ACTIVE, { shape: outputShape(conv, 3), border: 0, size: 1, fill: 0 });
      bench.compare('signsByte');
    }
  });

  test.each(Array.from({ length: 40 }, (_, i) => i + 1))('images %i pixels wide', (width) => {
    const next = random(width);
    const bench = new Bench(next, 1);
    const conv: Conv = { inputs: 3, outputs: 2, height: 3, width, stride: 1, pads: [1, 1, 1, 1] };
    const sums = signs(
      bench,
      conv,
      { size: 1, fill: 7 },
      () => integer(next, 0, 255),
      () => chance(next, 0.5),
    );
    levels(bench, conv, 7, sums, 500);
    bench.block.integer(w.PARTS, 1);
    bench.block.integer(w.DIRECT, 1);
    bench.tensor(w.ACTIVE, { shape: outputShape(conv, 3), border: 1, size: 1, fill: 0 });
    bench.compare('signsByte');
  });
});

// Pixels are whole numbers, so that no order of additions rounds.
test.each(Array.from({ length: 80 }, (_, seed) => seed))('signsFloat: random call %i', (seed) => {
  const next = random(seed + 1001);
  const bench = new Bench(next, integer(next, 1, 2));
  const conv = randomConv(next, 3);
  signs(
    bench,
    conv,
    { size: 4, fill: 0 },
    () => integer(next, -500, 500),
    () => chance(next, 0.5),
  );
  bench.constants(w.SCALE, () => next() / 100, conv.outputs);
  bench.block.integer(w.PARTS, Math.min(integer(next, 1, 3), conv.outputs));
  bench.epilogue(outputShape(conv, 3));
  bench.compare('signsFloat', integer(next, 1, 4));
});

describe.each(['floats', 'fusedFloats'] as const)('%s', (kernel) => {
  test.each(Array.from({ length: 60 }, (_, seed) => seed))('random call %i', (seed) => {
    const next = random(seed + 2001);
    const bench = new Bench(next, integer(next, 1, 2));
    const window = [1, 3, 7][integer(next, 0, 2)] as number;
    const any = randomConv(next, window);
    const conv = kernel === 'floats' ? any : { ...any, stride: 1 };
    const { inputs, outputs, height, width, stride, pads } = conv;
    // The order of additions is part of what fusedFloats promises: its numbers are no whole ones.
    const value = (size: number) => (kernel === 'floats' ? integer(next, -size, size) : (next() - 0.5) * size);
    bench.tensor(w.INPUT, { shape: [inputs, height, width], border: Math.max(...pads), size: 4, fill: 0 }, () => value(50), [
      pads[0],
      pads[1],
    ]);
    const shape = outputShape(conv, window);
    bench.sizes(inputs, shape);
    bench.block.integer(w.STRIDE, stride);
    bench.block.integer(w.WINDOW, window);
    const length = floatsLength(outputs, inputs, window);
    const values = Float32Array.from({ length: outputs * inputs * window * window }, () => value(9));
    bench.block.weights(4 * length, (memory, address) =>
      prepareFloats((index) => values[index] as number, outputs, inputs, window, new Float32Array(memory, address, length).fill(0)),
    );
    bench.constants(w.SCALE, () => next() / 10, outputs);
    bench.epilogue(shape);
    bench.compare(kernel, integer(next, 1, 4));
  });
});

test.each(Array.from({ length: 60 }, (_, seed) => seed))('map: random call %i', (seed) => {
  const next = random(seed + 3001);
  const bench = new Bench(next, integer(next, 1, 2));
  const shape: Shape = [integer(next, 1, 5), integer(next, 1, 40), integer(next, 1, 40)];
  bench.tensor(w.INPUT, { shape, border: integer(next, 0, 1), size: 4, fill: 0 }, () => next() * 100 - 50);
  bench.sizes(shape[0], shape);
  bench.constants(w.SCALE, () => next(), shape[0]);
  bench.epilogue(shape);
  bench.compare('map', integer(next, 1, 3));
});

describe.each(['averagePool', 'maxPool'] as const)('%s', (kernel) => {
  test.each(Array.from({ length: 60 }, (_, seed) => seed))('random call %i', (seed) => {
    const next = random(seed + 4001);
    const bench = new Bench(next, integer(next, 1, 2));
    const { inputs: channels, ...conv } = randomConv(next, 3);
    // Every window sees at least one pixel.
    const pads = conv.pads.map((pad) => Math.min(pad, 1)) as unknown as Conv['pads'];
    const shape = outputShape({ ...conv, inputs: channels, outputs: channels, pads }, 3);
    const border = integer(next, 0, 1);
    bench.tensor(w.INPUT, { shape: [channels, conv.height, conv.width], border, size: 4, fill: 99 }, () => next() - 0.5);
    bench.sizes(channels, shape);
    for (const [word, value] of [
      [w.STRIDE, conv.stride],
      [w.WINDOW, 3],
      [w.INPUT_HEIGHT, conv.height],
      [w.INPUT_WIDTH, conv.width],
      [w.TOP, pads[0]],
      [w.LEFT, pads[1]],
      [w.COUNTS_PADS, integer(next, 0, 1)],
    ] as const)
      bench.block.integer(word, value);
    bench.tensor(w.RAW, { shape, border: integer(next, 0, 1), size: 4, fill: 0 });
    bench.compare(kernel, integer(next, 1, 3));
  });
});

test.each(Array.from({ length: 30 }, (_, seed) => seed))('globalPool: random call %i', (seed) => {
  const next = random(seed + 5001);
  const bench = new Bench(next, integer(next, 1, 3));
  const [channels, height, width] = [integer(next, 1, 11), integer(next, 1, 12), integer(next, 1, 12)];
  bench.tensor(w.INPUT, { shape: [channels, height, width], border: integer(next, 0, 1), size: 4, fill: 99 }, () => integer(next, -99, 99));
  bench.sizes(channels, [channels, 1, 1]);
  bench.block.integer(w.INPUT_HEIGHT, height);
  bench.block.integer(w.INPUT_WIDTH, width);
  bench.constants(w.SCALE, () => 1 / 4, channels);
  bench.tensor(w.RAW, { shape: [channels, 1, 1], border: 0, size: 4, fill: 0 });
  bench.compare('globalPool', integer(next, 1, 2));
});
