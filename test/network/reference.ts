/**
 * The network interpreted naively in double precision, straight from the definitions: the independent answer that
 * every lowering and every runtime is compared with. Slow: for small networks.
 */
import type { Model } from '../../src/network/model.ts';
import { signAt } from '../../src/network/sign.ts';
import { type ConvLayer, IMAGES, type Layer, LOGITS, layers, type PoolLayer, type Shape } from '../../src/network/topology.ts';

/** One image-shaped activation of one image. */
interface Plane {
  readonly shape: Shape;
  readonly data: Float64Array;
}

/**
 * Every activation by layer name, and `logits`, of `count` images one after the other.
 * @param images raw pixels, shape [count, channels, height, width]
 */
export function reference(model: Model, images: ArrayLike<number>, count: number): Map<string, Float64Array> {
  const { channels, height, width } = model.config.input;
  const size = channels * height * width;
  const network = layers(model.config);
  const outputs = new Map<string, number[]>();
  for (let n = 0; n < count; n++) {
    const image = Float64Array.from({ length: size }, (_, i) => images[n * size + i] as number);
    const planes = new Map<string, Plane>([[IMAGES, { shape: [channels, height, width], data: image }]]);
    for (const layer of network) {
      const inputs = layer.inputs.map((name) => planes.get(name) as Plane);
      const data = run(model, layer, inputs);
      planes.set(layer.name, { shape: layer.shape, data });
      outputs.set(layer.name, [...(outputs.get(layer.name) ?? []), ...data]);
    }
  }
  outputs.set(LOGITS, outputs.get(network.at(-1)?.name as string) as number[]);
  return new Map([...outputs].map(([name, values]) => [name, Float64Array.from(values)]));
}

/** Norm of the difference over the norm of the reference. */
export function relativeError(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (got.length !== expected.length) return Number.POSITIVE_INFINITY;
  let [difference, norm] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    difference += ((got[i] as number) - (expected[i] as number)) ** 2;
    norm += (expected[i] as number) ** 2;
  }
  return Math.sqrt(difference / norm);
}

function run(model: Model, layer: Layer, inputs: readonly Plane[]): Float64Array {
  const [first, second] = inputs as [Plane, Plane | undefined];
  const [channels, height, width] = layer.shape;
  const perChannel = (f: (x: number, c: number) => number) => first.data.map((x, i) => f(x, Math.floor(i / (height * width))));
  const parameter = (field: string, c: number) => model.tensors.get(`${layer.name}.${field}`)?.data[c];
  switch (layer.op) {
    case 'norm':
      return perChannel((x, c) => {
        const [mean, variance] = [parameter('mean', c) as number, parameter('variance', c) as number];
        return ((x - mean) / Math.sqrt(variance + layer.epsilon)) * (parameter('gamma', c) ?? 1) + (parameter('beta', c) ?? 0);
      });
    case 'standardize':
      return perChannel((x, c) => (x - (layer.mean[c] as number)) / (layer.std[c] as number));
    case 'relu':
      return first.data.map((x) => Math.max(0, x));
    case 'shiftedRelu':
      return first.data.map((x) => Math.max(-1, x));
    case 'divide':
      return first.data.map((x) => x / layer.divisor);
    case 'add':
      return first.data.map((x, i) => x + (second?.data[i] as number));
    case 'widen':
      return Float64Array.from({ length: channels * height * width }, (_, i) => first.data[i] ?? 0);
    case 'globalPool':
      return Float64Array.from({ length: channels }, (_, c) => mean(window(first, c, { top: 0, left: 0, size: Infinity })));
    case 'maxPool':
      return grid(layer.shape, (c, y, x) => Math.max(...window(first, c, corner(layer, y, x))));
    case 'averagePool':
      return grid(layer.shape, (c, y, x) => {
        const values = window(first, c, corner(layer, y, x));
        return layer.countsPads ? values.reduce((a, b) => a + b, 0) / layer.kernel ** 2 : mean(values);
      });
    case 'conv':
      return convolve(model, layer, first);
  }
}

function convolve(model: Model, layer: ConvLayer, input: Plane): Float64Array {
  const kernel = model.tensors.get(`${layer.name}.kernel`);
  const scale = model.tensors.get(`${layer.name}.scale`)?.data;
  const weight = (o: number, i: number, ky: number, kx: number) => {
    const at = ((o * layer.inputChannels + i) * layer.kernel + ky) * layer.kernel + kx;
    if (kernel?.dtype !== 'bits') return kernel?.data[at] as number;
    return signAt(kernel.data, at) * (scale?.[scale.length === 1 ? 0 : o] as number);
  };
  const [channels, height, width] = input.shape;
  return grid(layer.shape, (o, y, x) => {
    const { top, left } = corner(layer, y, x);
    let sum = 0;
    for (let i = 0; i < channels; i++)
      for (let ky = 0; ky < layer.kernel; ky++)
        for (let kx = 0; kx < layer.kernel; kx++) {
          const [row, column] = [top + ky, left + kx];
          if (row < 0 || row >= height || column < 0 || column >= width) continue;
          sum += weight(o, i, ky, kx) * (input.data[(i * height + row) * width + column] as number);
        }
    return sum;
  });
}

function grid([channels, height, width]: Shape, value: (c: number, y: number, x: number) => number): Float64Array {
  return Float64Array.from({ length: channels * height * width }, (_, i) =>
    value(Math.floor(i / (height * width)), Math.floor(i / width) % height, i % width),
  );
}

/** Where the window of output pixel (y, x) begins in the input; negative in the padding. */
function corner({ stride, pads, kernel }: ConvLayer | PoolLayer, y: number, x: number) {
  return { top: y * stride - pads[0], left: x * stride - pads[1], size: kernel };
}

/** The pixels of channel c inside the window; padding is not among them. */
function window({ shape, data }: Plane, c: number, { top, left, size }: { top: number; left: number; size: number }): number[] {
  const [, height, width] = shape;
  const pixels: number[] = [];
  for (let y = Math.max(0, top); y < Math.min(height, top + size); y++)
    for (let x = Math.max(0, left); x < Math.min(width, left + size); x++) pixels.push(data[(c * height + y) * width + x] as number);
  return pixels;
}

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}
