/** The kernels as plain loops: the specification that the compiled ones are compared with. Too slow for anything else. */
import { type Kernels, LANES } from './kernel.ts';
import { ROWS, VECTOR } from './tile.ts';
import { channelsPerGroup, channelsPerTable, LANE, placeOf, rowsUnder } from './weights.ts';
import * as w from './words.ts';

/** Kernels over the given memory. */
export function twin(memory: ArrayBufferLike): Kernels {
  const view = new DataView(memory);
  const byte = (address: number) => view.getUint8(address);
  const float = (address: number) => view.getFloat32(address, true);
  const integer = (address: number) => view.getInt32(address, true);
  const f = Math.fround;

  /** The words of a block: integers by `of`, floats by `real`. */
  const block = (address: number) => ({
    of: (word: number) => integer(address + 4 * word),
    real: (word: number) => float(address + 4 * word),
  });
  type Block = ReturnType<typeof block>;

  /** Address of a pixel of the tensor whose address stands in word `tensor` and its strides behind it. */
  const at = ({ of }: Block, tensor: number, image: number, channel: number, y: number, x: number, size: number) =>
    of(tensor) + image * of(tensor + 3) + channel * of(tensor + 2) + y * of(tensor + 1) + x * size;

  const clip = (x: number) => Math.min(255, Math.max(0, x));

  /** `words.ts` has the formulas. */
  const finish = (b: Block, image: number, o: number, y: number, x: number, sum: { acc: number; integer: boolean }) => {
    const scale = float(b.of(w.SCALE) + 4 * o);
    let v = f(sum.acc * scale);
    if (sum.integer) {
      const q = clip(roundHalfToEven(f(f(sum.acc + integer(b.of(w.BIAS) + 4 * o)) * scale)) + b.of(w.ZERO));
      if (b.of(w.DIRECT)) return view.setUint8(at(b, w.ACTIVE, image, o, y, x, 1), q);
      v = f((q - b.of(w.ZERO)) * b.real(w.STEP));
    }
    if (b.of(w.RESIDUAL) && o < b.of(w.RESIDUAL_CHANNELS)) v = f(v + float(at(b, w.RESIDUAL, image, o, y, x, 4)));
    if (b.of(w.RAW)) view.setFloat32(at(b, w.RAW, image, o, y, x, 4), v, true);
    if (!b.of(w.ACTIVE)) return;
    const a = Math.max(f(f(v * float(b.of(w.FACTOR) + 4 * o)) + float(b.of(w.SHIFT) + 4 * o)), b.real(w.FLOOR));
    const step = b.real(w.ACTIVE_STEP);
    if (step > 0) view.setUint8(at(b, w.ACTIVE, image, o, y, x, 1), clip(roundHalfToEven(f(a / step)) + b.of(w.ACTIVE_ZERO)));
    else view.setFloat32(at(b, w.ACTIVE, image, o, y, x, 4), a, true);
  };

  /** Every pixel of the tiles of a one-bit convolution, with the output channels of their part. */
  function* tiles(b: Block, kernel: keyof typeof LANES, from: number, to: number) {
    const [channels, height, width, parts] = [b.of(w.CHANNELS), b.of(w.HEIGHT), b.of(w.WIDTH), b.of(w.PARTS)];
    const across = Math.ceil(width / LANES[kernel]);
    const places = across * Math.ceil(height / ROWS);
    for (let t = from; t < to; t++) {
      const [image, place, part] = [Math.floor(t / (places * parts)), Math.floor(t / parts) % places, t % parts];
      const outputs = [Math.floor((part * channels) / parts), Math.floor(((part + 1) * channels) / parts)] as const;
      const [top, left] = [Math.floor(place / across) * ROWS, (place % across) * LANES[kernel]];
      for (let y = top; y < Math.min(top + ROWS, height); y++)
        for (let x = left; x < Math.min(left + LANES[kernel], width); x++) yield { image, y, x, outputs };
    }
  }

  /** The sign of position k of the 3x3 kernel from input i to output o: `prepareSigns` has the layout. */
  const sign = (b: Block, o: number, i: number, k: number) => {
    const [outputs, inputs, stride, row] = [b.of(w.CHANNELS), b.of(w.INPUT_CHANNELS), b.of(w.STRIDE), Math.floor(k / 3)];
    const [channels, entry] = [channelsPerTable(outputs), VECTOR * rowsUnder(stride)];
    const group = channelsPerGroup(outputs);
    const start = i - (i % group);
    const tables = Math.ceil(Math.min(group, inputs - start) / channels);
    const table = Math.floor((i - start) / channels);
    const index = 3 * ((start / channels) * outputs + o * tables + table) + row;
    const at = view.getUint16(b.of(w.WEIGHTS) + 4 * outputs + 2 * index, true) - VECTOR * placeOf(row, stride);
    const signs = at / entry - 8 ** channels * table;
    return (signs >> (3 * (i % channels) + (k % 3))) & 1 ? 1 : -1;
  };

  const signs = (kernel: keyof typeof LANES, size: 1 | 4) => (address: number, from: number, to: number) => {
    const b = block(address);
    const stride = b.of(w.STRIDE);
    const read = size === 1 ? byte : float;
    for (const { image, y, x, outputs } of tiles(b, kernel, from, to)) {
      for (let o = outputs[0]; o < outputs[1]; o++) {
        let acc = 0;
        for (let i = 0; i < b.of(w.INPUT_CHANNELS); i++)
          for (let k = 0; k < 9; k++)
            acc += sign(b, o, i, k) * read(at(b, w.INPUT, image, i, y * stride + Math.floor(k / 3), x * stride + (k % 3), size));
        finish(b, image, o, y, x, { acc, integer: size === 1 });
      }
    }
  };

  const planes = (each: (b: Block, image: number, channel: number) => void) => (address: number, from: number, to: number) => {
    const b = block(address);
    const channels = b.of(w.CHANNELS);
    for (let t = from; t < to; t++) each(b, Math.floor(t / channels), t % channels);
  };

  const pixels = (value: (b: Block, image: number, channel: number, y: number, x: number) => number) =>
    planes((b, image, c) => {
      for (let y = 0; y < b.of(w.HEIGHT); y++)
        for (let x = 0; x < b.of(w.WIDTH); x++) finish(b, image, c, y, x, { acc: value(b, image, c, y, x), integer: false });
    });

  /** Values of the window of output pixel (y, x) that lie in the image; the others are padding. */
  const window = (b: Block, image: number, c: number, y: number, x: number) => {
    const values: number[] = [];
    const [height, width, size] = [b.of(w.INPUT_HEIGHT), b.of(w.INPUT_WIDTH), b.of(w.WINDOW)];
    const [top, left] = [y * b.of(w.STRIDE) - b.of(w.TOP), x * b.of(w.STRIDE) - b.of(w.LEFT)];
    for (let r = Math.max(0, top); r < Math.min(height, top + size); r++)
      for (let s = Math.max(0, left); s < Math.min(width, left + size); s++) values.push(float(at(b, w.INPUT, image, c, r, s, 4)));
    return values;
  };

  const pool = (value: (b: Block, values: readonly number[]) => number) =>
    planes((b, image, c) => {
      for (let y = 0; y < b.of(w.HEIGHT); y++)
        for (let x = 0; x < b.of(w.WIDTH); x++) {
          view.setFloat32(at(b, w.RAW, image, c, y, x, 4), value(b, window(b, image, c, y, x)), true);
        }
    });
  const sum = (values: readonly number[]) => values.reduce((total, value) => f(total + value), 0);

  interface Term {
    /** Of the input. */
    readonly channel: number;
    readonly weight: number;
    readonly x: number;
  }

  /** Rows of a convolution with float32 weights. @param acc of the terms of a window, in order of channels, rows and columns */
  const rows = (acc: (terms: readonly Term[]) => number) => (address: number, from: number, to: number) => {
    const b = block(address);
    const [channels, height, width] = [b.of(w.CHANNELS), b.of(w.HEIGHT), b.of(w.WIDTH)];
    const [inputs, side, stride] = [b.of(w.INPUT_CHANNELS), b.of(w.WINDOW), b.of(w.STRIDE)];
    for (let t = from; t < to; t++) {
      const [image, y] = [Math.floor(t / height), t % height];
      for (let x = 0; x < width; x++) {
        for (let o = 0; o < channels; o++) {
          const terms: Term[] = [];
          for (let channel = 0; channel < inputs; channel++)
            for (let k = 0; k < side * side; k++) {
              const weight = b.of(w.WEIGHTS) + 4 * (((Math.floor(o / LANE) * inputs + channel) * side * side + k) * LANE + (o % LANE));
              const pixel = at(b, w.INPUT, image, channel, y * stride + Math.floor(k / side), x * stride + (k % side), 4);
              terms.push({ channel, weight: float(weight), x: float(pixel) });
            }
          finish(b, image, o, y, x, { acc: acc(terms), integer: false });
        }
      }
    }
  };

  return {
    signsByte: signs('signsByte', 1),
    signsFloat: signs('signsFloat', 4),
    floats: rows((terms) => terms.reduce((acc, { weight, x }) => acc + weight * x, 0)),
    fusedFloats: rows((terms) => {
      let acc = 0;
      for (let channel = 0, k = 0; k < terms.length; channel++) {
        let sum = 0;
        for (; terms[k]?.channel === channel; k++) sum = f(sum + (terms[k] as Term).weight * (terms[k] as Term).x);
        acc = f(acc + sum);
      }
      return acc;
    }),
    map: pixels((b, image, c, y, x) => float(at(b, w.INPUT, image, c, y, x, 4))),
    averagePool: pool((b, values) => f(sum(values) / (b.of(w.COUNTS_PADS) ? b.of(w.WINDOW) ** 2 : values.length))),
    maxPool: pool((_, values) => Math.max(...values)),
    globalPool: planes((b, image, c) => {
      let total = 0;
      for (let y = 0; y < b.of(w.INPUT_HEIGHT); y++)
        for (let x = 0; x < b.of(w.INPUT_WIDTH); x++) total += float(at(b, w.INPUT, image, c, y, x, 4));
      const mean = total / (b.of(w.INPUT_HEIGHT) * b.of(w.INPUT_WIDTH));
      view.setFloat32(at(b, w.RAW, image, c, 0, 0, 4), mean * float(b.of(w.SCALE) + 4 * c), true);
    }),
  };
}

/** The nearest integer; of two nearest, the even one. */
function roundHalfToEven(x: number): number {
  const up = Math.round(x); // of two nearest, the larger
  return up - x === 0.5 && up % 2 !== 0 ? up - 1 : up;
}
