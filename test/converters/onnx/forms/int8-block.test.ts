/**
 * One block of the int8 form against integers, to the last bit. All scales are powers of two, so that a runtime's float32
 * has nothing to round, and many sums fall exactly between two levels.
 */
import * as node from 'onnxruntime-node';
import * as web from 'onnxruntime-web';
import { describe, expect, test } from 'vitest';
import { planInt8, type QuantizedTensor } from '../../../../converters/onnx/forms/int8/plan.ts';
import { quantizationOf, type Range, roundTrip } from '../../../../converters/onnx/forms/int8/quantization.ts';
import { toInt8Proto } from '../../../../converters/onnx/forms/int8/to-int8.ts';
import { DataType, encodeModel } from '../../../../proto/onnx.ts';
import type { Model } from '../../../../src/network/model.ts';
import { type BitTensor, floatTensor } from '../../../../src/network/tensor.ts';
import { type ConvLayer, type Layer, layers, type Shape } from '../../../../src/network/topology.ts';
import { randomImages, randomModel } from '../../../network/random-model.ts';
import { accumulate } from '../integer-convolution.ts';

const IMAGES = 3;
web.env.wasm.numThreads = 1;

const runtimes = {
  'onnxruntime-node, QLinearConv': { ort: node, level: 'all' },
  'onnxruntime-node, as written': { ort: node, level: 'disabled' },
  'onnxruntime-web, QLinearConv': { ort: web, level: 'all' },
} as const;

type Outputs = Readonly<Record<string, { readonly data: ArrayLike<number> }>>;

/** Runs the int8 form with inner tensors as outputs. */
async function run(runtime: keyof typeof runtimes, model: Model, ranges: ReadonlyMap<string, Range>, names: readonly string[]) {
  const { ort, level } = runtimes[runtime];
  const proto = toInt8Proto(model, { ranges });
  const output = [...(proto.graph?.output ?? []), ...names.map((name) => ({ name }))];
  const file = encodeModel({ ...proto, graph: { ...proto.graph, output } });
  const session = await ort.InferenceSession.create(file, { graphOptimizationLevel: level });
  try {
    const { channels, height, width } = model.config.input;
    const images = Float32Array.from(randomImages(model.config, IMAGES));
    return (await session.run({ images: new ort.Tensor('float32', images, [IMAGES, channels, height, width]) })) as unknown as Outputs;
  } finally {
    await session.release();
  }
}

function roundHalfToEven(x: number): number {
  const below = Math.floor(x);
  if (x - below !== 0.5) return Math.floor(x + 0.5);
  return below % 2 === 0 ? below : below + 1;
}

const saturate = (q: number) => Math.min(255, Math.max(0, q));

interface Integers {
  readonly q: readonly number[];
  /** Sums between two levels, and results clipped at either end. */
  readonly ties: number;
  readonly low: number;
  readonly high: number;
}

/**
 * The 8-bit output of a convolution.
 * @param sums of the accumulator, shape [count, ...shape]
 * @param bias of the accumulator, a channel
 * @param step what one unit of the accumulator is in levels of the output, a channel
 */
function requantize(
  sums: Int32Array,
  [channels, height, width]: Shape,
  { bias, step, outputZero }: { bias(channel: number): number; step(channel: number): number; outputZero: number },
): Integers {
  let [ties, low, high] = [0, 0, 0];
  const q = Array.from(sums, (sum, i) => {
    const channel = Math.floor(i / (height * width)) % channels;
    const level = (sum + bias(channel)) * step(channel);
    const whole = roundHalfToEven(level) + outputZero;
    if (Math.abs(level % 1) === 0.5) ties++;
    if (whole < 0) low++;
    if (whole > 255) high++;
    return saturate(whole);
  });
  return { q, ties, low, high };
}

/** How activations are stored: ReLU from 0, the shifted ReLU from -1. */
const activation = {
  'norm-relu': { range: { low: 0, high: 255 / 32 }, scale: 1 / 32, zeroPoint: 0 },
  'shifted-relu': { range: { low: -1, high: 255 / 64 - 1 }, scale: 1 / 64, zeroPoint: 64 },
} as const;
/** How outputs of convolutions are stored; those of narrow networks are smaller, and should reach both ends, too. */
const sumOf = (width: number) => {
  const scale = width < 1 ? 1 / 512 : 1 / 128;
  return { range: { low: -64 * scale, high: 191 * scale }, scale, zeroPoint: 64 };
};
const KERNEL_SCALE = 1 / 16;
/** Of norms, by channel: their product with the other scales is a power of two. */
const GAMMA = [0.5, 1, 2, 4];

/** A random network whose inner kernels and norms scale by powers of two. */
function powersOfTwo(kind: keyof typeof activation, width: number): Model {
  const model = randomModel({ activation: kind, affine: 'all', epsilon: 0, width }, 5);
  const tensors = new Map(model.tensors);
  for (const [name, { shape, data }] of model.tensors) {
    if (!name.startsWith('group')) continue;
    const set = (value: (i: number) => number) =>
      tensors.set(
        name,
        floatTensor(
          shape,
          Float32Array.from(data, (_, i) => value(i)),
        ),
      );
    if (name.endsWith('scale')) set(() => KERNEL_SCALE);
    if (name.endsWith('variance')) set(() => 1);
    if (name.endsWith('gamma')) set((i) => GAMMA[i % GAMMA.length] as number);
  }
  return { ...model, tensors };
}

describe.each(Object.keys(runtimes) as (keyof typeof runtimes)[])('%s', (runtime) => {
  test.each(
    (['norm-relu', 'shifted-relu'] as const).flatMap((kind) =>
      // 16 channels and more take onnxruntime's symmetric kernels, 4 its general ones
      [1, 1 / 4].flatMap((width) => ['group0.block0', 'group1.block0'].map((block) => ({ kind, width, block }))),
    ),
  )('$block, $kind, width $width', async ({ kind, width, block }) => {
    const model = powersOfTwo(kind, width);
    const sum = sumOf(width);
    const network = new Map(layers(model.config).map((layer) => [layer.name, layer]));
    const layer = <Kind extends Layer = ConvLayer>(name: string) => network.get(`${block}.${name}`) as Kind;
    const ranges = new Map(
      planInt8(model).tensors.map(({ name, floor }) => [name, floor === undefined ? sum.range : activation[kind].range]),
    );
    const [shortcut] = layer<Layer>('add').inputs as [string];
    const inner = ['relu0', 'relu0.q', 'relu1.q', 'conv1.q', 'add'].map((name) => `${block}.${name}`);
    const outputs = await run(runtime, model, ranges, [...inner, shortcut]);
    const values = (name: string) => Array.from((outputs[name] ?? outputs[`${block}.${name}`])?.data ?? []);

    const { scale, zeroPoint } = activation[kind];
    expect(values('relu0.q')).toEqual(values('relu0').map((x) => saturate(roundHalfToEven(x / scale) + zeroPoint)));

    const norm = (field: string, c: number) => model.tensors.get(`${block}.norm1.${field}`)?.data[c] as number;
    const normed = kind === 'norm-relu';
    const factor = (c: number) => (normed ? norm('gamma', c) : 1);
    const sums = (of: number[], input: string, conv: string) =>
      accumulate(of, zeroPoint, layer(input).shape, layer(conv), model.tensors.get(`${block}.${conv}.kernel`) as BitTensor, IMAGES);
    const first = requantize(sums(values('relu0.q'), 'relu0', 'conv0'), layer('conv0').shape, {
      bias: (c) => (normed ? Math.round((norm('beta', c) - norm('mean', c) * factor(c)) / (factor(c) * KERNEL_SCALE * scale)) : 0),
      step: (c) => factor(c) * KERNEL_SCALE, // the scales of input and output are the same
      outputZero: zeroPoint,
    });
    expect(values('relu1.q')).toEqual(first.q);

    const second = requantize(sums([...first.q], 'relu1', 'conv1'), layer('conv1').shape, {
      bias: () => 0,
      step: () => (KERNEL_SCALE * scale) / sum.scale,
      outputZero: sum.zeroPoint,
    });
    expect(values('conv1.q')).toEqual(second.q);

    const before = values(shortcut);
    expect(values('add')).toEqual(second.q.map((q, i) => Math.fround((before[i] as number) + (q - sum.zeroPoint) * sum.scale)));

    const seen = { ties: first.ties + second.ties, low: first.low + second.low, high: first.high + second.high };
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(0);
  });
});

test.each([
  ['ReLU', 0, { low: 0, high: 255 / 32 }],
  ['a signed tensor', undefined, { low: -2, high: 5.96875 }],
  ['shifted ReLU', -1, { low: -1, high: 255 / 64 - 1 }],
  ['scales that are no power of two', undefined, { low: -0.7, high: 1.9 }],
] as const)('a stored value is what onnxruntime makes of it: %s', async (_, floor, range) => {
  const quantization = quantizationOf({ name: 'x', floor } satisfies QuantizedTensor, range);
  const { scale, zeroPoint } = quantization;
  // every level, the middle between two, and beyond both ends
  const x = Float32Array.from({ length: 700 }, (_, i) => (i / 2 - 40 - zeroPoint) * scale);
  const value = (name: string) => ({
    name,
    type: { tensor_type: { elem_type: DataType.FLOAT, shape: { dim: [{ dim_value: x.length }] } } },
  });
  const parameters = ['scale', 'zero'];
  const session = await node.InferenceSession.create(
    encodeModel({
      ir_version: 8,
      opset_import: [{ domain: '', version: 17 }],
      graph: {
        name: 'round trip',
        node: [
          { op_type: 'QuantizeLinear', input: ['x', ...parameters], output: ['q'] },
          { op_type: 'DequantizeLinear', input: ['q', ...parameters], output: ['y'] },
        ],
        initializer: [
          { name: 'scale', dims: [], data_type: DataType.FLOAT, raw_data: new Uint8Array(new Float32Array([scale]).buffer) },
          { name: 'zero', dims: [], data_type: DataType.UINT8, raw_data: new Uint8Array([zeroPoint]) },
        ],
        input: [value('x')],
        output: [value('y')],
      },
    }),
    { graphOptimizationLevel: 'disabled' },
  );
  try {
    const { y } = await session.run({ x: new node.Tensor('float32', x, [x.length]) });
    const exact = Number.isInteger(Math.log2(scale)); // else float32 and double precision disagree about the middle
    const stored = Array.from(x, (v) => Math.fround(roundTrip(v, quantization)));
    const clear = (_: number, i: number) => exact || i % 2 === 0;
    expect(stored.filter(clear)).toEqual(Array.from(y?.data as Float32Array).filter(clear));
  } finally {
    await session.release();
  }
});
