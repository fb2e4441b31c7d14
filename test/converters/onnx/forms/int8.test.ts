/** The int8 form against integers computed here, and against the float network. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import { planInt8, type QuantizedTensor } from '../../../../converters/onnx/forms/int8/plan.ts';
import { quantizationOf, type Range, roundTrip } from '../../../../converters/onnx/forms/int8/quantization.ts';
import { toInt8Onnx, toInt8Proto } from '../../../../converters/onnx/forms/int8/to-int8.ts';
import { decodeModel, encodeModel } from '../../../../proto/onnx.ts';
import { InputError } from '../../../../src/errors.ts';
import type { Model } from '../../../../src/network/model.ts';
import type { BitTensor } from '../../../../src/network/tensor.ts';
import { layers, type Shape } from '../../../../src/network/topology.ts';
import { randomImages, randomModel, variants } from '../../../network/random-model.ts';
import { reference, relativeError } from '../../../network/reference.ts';
import { accumulate } from '../integer-convolution.ts';

const IMAGES = 4;

/** Ranges of all values that the naive interpreter finds, times `factor`. */
function rangesOf(model: Model, pixels: Uint8Array, factor = 1): Map<string, Range> {
  const values = reference(model, pixels, IMAGES);
  return new Map(
    planInt8(model).tensors.map(({ name }) => {
      const seen = values.get(name) as Float64Array;
      return [name, { low: Math.min(...seen) * factor, high: Math.max(...seen) * factor }];
    }),
  );
}

/** Runs a file with these inner tensors as outputs, too. */
async function run(file: Uint8Array, model: Model, pixels: Uint8Array, names: readonly string[], level: 'all' | 'disabled' = 'all') {
  const proto = decodeModel(file);
  const output = [...(proto.graph?.output ?? []), ...names.map((name) => ({ name }))];
  const session = await InferenceSession.create(encodeModel({ ...proto, graph: { ...proto.graph, output } }), {
    graphOptimizationLevel: level,
  });
  try {
    const { channels, height, width } = model.config.input;
    return await session.run({ images: new Tensor('float32', Float32Array.from(pixels), [IMAGES, channels, height, width]) });
  } finally {
    await session.release();
  }
}

interface Quantized {
  readonly data: Uint8Array;
  readonly scale: number;
  readonly zeroPoint: number;
}

describe.each([
  ['all values in range', 1],
  ['most values beyond the range: saturation at both ends', 0.05],
])('%s', (_, factor) => {
  test.each(['plain block', 'norm folded'])('a convolution equals its integers: %s', async (kind) => {
    const model = randomModel({ affine: 'all', width: 1 }, 5);
    for (const [name, { data }] of model.tensors) if (name.endsWith('gamma')) data.set(data.map(Math.abs));
    const pixels = randomImages(model.config, IMAGES);
    const name = kind === 'norm folded' ? 'group1.block0.conv0' : 'group1.block0.conv1';
    const conv = planInt8(model).convs.get(name);
    if (!conv) throw new Error(`${name} does not run in integers`);
    const output = conv.folded?.activation ?? name;
    expect(conv.folded !== undefined).toBe(kind === 'norm folded');

    const ranges = rangesOf(model, pixels, factor);
    const file = toInt8Onnx(model, { ranges });
    const tensors = new Map(planInt8(model).tensors.map((tensor) => [tensor.name, tensor]));
    const results = await run(file, model, pixels, [`${conv.input}.q`, `${output}.q`]);
    const stored = (of: string): Quantized => ({
      data: results[`${of}.q`]?.data as Uint8Array,
      ...quantizationOf(tensors.get(of) as QuantizedTensor, ranges.get(of) as Range),
    });
    const [x, got] = [stored(conv.input), stored(output)];
    const [channels, height, width] = conv.layer.shape;
    const inputShape = layers(model.config).find((layer) => layer.name === conv.input)?.shape as Shape;
    const sums = accumulate(x.data, x.zeroPoint, inputShape, conv.layer, model.tensors.get(`${name}.kernel`) as BitTensor, IMAGES);
    const value = (field: string, c: number) => model.tensors.get(`${conv.folded?.norm?.name}.${field}`)?.data[c] as number;
    const scale = model.tensors.get(`${name}.scale`)?.data[0] as number;
    let exact = 0;
    for (let n = 0, i = 0; n < IMAGES; n++) {
      for (let c = 0; c < channels; c++) {
        const factor = conv.folded ? value('gamma', c) / Math.sqrt(value('variance', c) + 1e-5) : 1;
        const offset = conv.folded ? value('beta', c) - value('mean', c) * factor : 0;
        const unit = scale * factor * x.scale;
        const bias = Math.round(offset / unit);
        for (let y = 0; y < height; y++) {
          for (let z = 0; z < width; z++, i++) {
            const real = (((sums[i] as number) + bias) * unit) / got.scale + got.zeroPoint;
            const q = Math.min(255, Math.max(0, real));
            // within half a step; the runtime multiplies in float32
            expect(Math.abs((got.data[i] as number) - q)).toBeLessThan(0.5 + 1e-3);
            if (got.data[i] === 0 || got.data[i] === 255) exact++;
          }
        }
      }
    }
    const clipped = exact / got.data.length;
    if (factor < 1) expect(clipped).toBeGreaterThan(0.2);
    else expect(clipped).toBeLessThan(kind === 'norm folded' ? 0.7 : 0.05); // ReLU makes half of the values 0
  });
});

const oneBit = Object.keys(variants).filter((name) => variants[name]?.bits !== 32);

describe.each(oneBit)('%s', (variant) => {
  const model = randomModel(variants[variant]);
  const pixels = randomImages(model.config, IMAGES);

  test('logits are the float network’s but for rounding, optimized or not', async () => {
    const expected = reference(model, pixels, IMAGES).get('logits') as Float64Array;
    const file = toInt8Onnx(model, { ranges: rangesOf(model, pixels) });
    for (const level of ['all', 'disabled'] as const) {
      const { logits } = await run(file, model, pixels, [], level);
      expect(relativeError(logits?.data as Float32Array, expected)).toBeLessThan(0.05);
    }
  });

  test('every inner convolution reads and makes 8 bits, none is left in float32', () => {
    const nodes = toInt8Proto(model, { ranges: rangesOf(model, pixels) }).graph?.node ?? [];
    const makerOf = new Map(nodes.map((node) => [node.output?.[0], node]));
    const inner = layers(model.config).filter((layer) => layer.op === 'conv' && !/^(stem|head)\./.test(layer.name));
    const integer = nodes.filter(
      (node) => node.op_type === 'Conv' && node.input?.every((name) => makerOf.get(name)?.op_type === 'DequantizeLinear'),
    );
    expect(integer).toHaveLength(inner.length);
  });
});

/** What a channel of almost no scale gives: its offset; in units of its scale that is far beyond int32. */
test.each([
  { gamma: 1e-9, beta: 0.5, mean: 0, value: 0.5 },
  { gamma: 1e-9, beta: -0.5, mean: 0, value: 0 },
  { gamma: 1e-30, beta: 0.25, mean: 0, value: 0.25 },
  { gamma: 1e-44, beta: 0.5, mean: 0, value: 0.5 }, // its product with the scales is 0 in float32
  { gamma: 1e-44, beta: 0, mean: 0, value: 0 },
  { gamma: 1, beta: 0, mean: 1e12, value: 0 },
])('a folded norm of scale $gamma, offset $beta, mean $mean gives $value', async ({ value, ...fields }) => {
  const model = randomModel({ affine: 'all' });
  for (const [field, x] of Object.entries(fields)) model.tensors.get(`group0.block0.norm1.${field}`)?.data.set([x]);
  const output = 'group0.block0.relu1';
  expect(planInt8(model).convs.get('group0.block0.conv0')?.folded?.activation).toBe(output);
  const pixels = randomImages(model.config, IMAGES);
  const ranges = rangesOf(model, pixels);
  const { scale } = quantizationOf({ name: output, floor: 0 }, ranges.get(output) as Range);
  const file = toInt8Onnx(model, { ranges });
  for (const level of ['all', 'disabled'] as const) {
    const got = (await run(file, model, pixels, [output], level))[output] as Tensor;
    const [, channels, height, width] = got.dims as [number, number, number, number];
    const first = Array.from(got.data as Float32Array).filter((_, i) => i % (channels * height * width) < height * width);
    for (const x of first) expect(Math.abs(x - value)).toBeLessThan(0.51 * scale + 1e-6);
  }
});

test('a norm with a negative factor is not folded', () => {
  const model = randomModel({ affine: 'all' });
  const gamma = model.tensors.get('group0.block0.norm1.gamma')?.data as Float32Array;
  expect(planInt8(model).convs.get('group0.block0.conv0')?.folded).toBeDefined();
  gamma[0] = -1;
  expect(planInt8(model).convs.get('group0.block0.conv0')?.folded).toBeUndefined();
});

test('a network without one-bit weights is refused', () => {
  expect(() => planInt8(randomModel({ bits: 32, endBits: 32 }))).toThrow(
    new InputError('model', 'form int8', 'expected one-bit convolutions, got none between the first and the last'),
  );
});

describe('quantization', () => {
  test.each([
    ['ReLU', 0, { low: 0, high: 5.1 }, { scale: 0.02, zeroPoint: 0 }],
    ['a signed tensor', undefined, { low: -1.28, high: 1.27 }, { scale: 0.01, zeroPoint: 128 }],
    ['a tensor above 0 still holds 0', undefined, { low: 1, high: 2.55 }, { scale: 0.01, zeroPoint: 0 }],
    ['shifted ReLU: q = 0 is -1 exactly', -1, { low: -1, high: 4.1 }, { scale: 0.02, zeroPoint: 50 }],
  ] as const)('%s', (_, floor, range, expected) => {
    const got = quantizationOf({ name: 'x', floor }, range);
    expect(got.zeroPoint).toBe(expected.zeroPoint);
    expect(got.scale).toBeCloseTo(expected.scale, 7);
    expect(Math.fround(got.scale)).toBe(got.scale);
  });

  const highs = [1e-3, 0.5, 1, 2.7, 4, 41.5, 70, 100, 126.9, 127.1, 200, 253.9, 254.1, 300, 509, 511, 1e4];
  test.each([
    { floor: 0, lows: [0] },
    { floor: -1, lows: [-1] },
    { floor: undefined, lows: [0.01, 0, -0.3, -1, -70, -500] },
  ] as const)('every value of the range is stored to half a level, floor $floor', ({ floor, lows }) => {
    for (const low of lows)
      for (const high of highs.filter((x) => x > low)) {
        const quantization = quantizationOf({ name: 'x', floor }, { low, high });
        const start = Math.min(low, 0);
        const inside = Array.from({ length: 1001 }, (_, i) => start + ((high - start) * i) / 1000);
        const below = floor === undefined ? [] : [-1.2, -1.9, -30]; // there the layer gives the floor
        const errors = [...inside, ...below].map((x) => Math.abs(roundTrip(x, quantization) - Math.max(x, floor ?? x)));
        expect(Math.max(...errors) / quantization.scale, `${low} to ${high}`).toBeLessThan(0.5 + 1e-4);
      }
  });

  test.each([
    [0, { low: 0, high: 0 }],
    [0, { low: 0, high: 1e-44 }],
    [-1, { low: -1, high: -1 }],
    [undefined, { low: 0, high: 0 }],
  ] as const)('constant activations are refused: floor %s', (floor, range) => {
    expect(() => quantizationOf({ name: 'group0.block0.relu0', floor }, range)).toThrow(
      /group0.block0.relu0: expected activations that vary/,
    );
  });
});

test.each([{ width: 1 }, { width: 3 / 16 }])('bits unpacked by a product give the same logits, without a Cast: %o', async (changes) => {
  const model = randomModel({ depth: 8, ...changes });
  const pixels = randomImages(model.config, IMAGES);
  const ranges = rangesOf(model, pixels);
  const byProduct = toInt8Proto(model, { ranges, indices: 'product' });
  const ofIntegers = new Set([...planInt8(model).convs.keys()].map((name) => `${name}.index`));
  const made = byProduct.graph?.node?.filter(({ output }) => ofIntegers.has(output?.[0] ?? '')) ?? [];
  expect(made.map(({ op_type }) => op_type)).toEqual([...ofIntegers].map(() => 'MatMulInteger'));
  const [expected, got] = [toInt8Onnx(model, { ranges }), encodeModel(byProduct)].map((file) => run(file, model, pixels, []));
  expect((await got)?.['logits']?.data).toEqual((await expected)?.['logits']?.data);
});

describe.each([{ width: 1 }, { width: 3 / 16 }, { affine: 'all' as const }])('kernels behind a zero point of 1: %o', (changes) => {
  const model = randomModel({ depth: 8, ...changes });
  const pixels = randomImages(model.config, IMAGES);
  const ranges = rangesOf(model, pixels);
  const [zero, one] = ([0, 1] as const).map((zeroPoint) => toInt8Onnx(model, { ranges, zeroPoint })) as [Uint8Array, Uint8Array];
  const convs = [...planInt8(model).convs.keys()];

  test('they are stored as 0 and 2, and the file says so', () => {
    const { graph, metadata_props } = decodeModel(one);
    expect(metadata_props).toContainEqual({ key: 'wrn.form', value: 'int8-amx' });
    const initializers = new Map(graph?.initializer?.map((tensor) => [tensor.name, tensor]));
    const table = Int8Array.from(initializers.get('shifted_sign_table')?.raw_data as Uint8Array);
    for (let i = 0; i < 2048; i++) expect(table[i]).toBe((Math.floor(i / 8) >> (7 - (i % 8))) & 1 ? 2 : 0);
    for (const name of convs) {
      const kernel = graph?.node?.find(({ output }) => output?.[0] === `${name}.kernel`);
      const zeroPoints = Int8Array.from(initializers.get(kernel?.input?.[2] as string)?.raw_data as Uint8Array);
      expect(new Set(zeroPoints)).toEqual(new Set([1]));
    }
  });

  test('every 8-bit tensor and the logits equal those of the int8 file bit for bit, optimized or not', async () => {
    const names = planInt8(model).tensors.map(({ name }) => `${name}.q`);
    for (const level of ['all', 'disabled'] as const) {
      const [expected, got] = [await run(zero, model, pixels, names, level), await run(one, model, pixels, names, level)];
      for (const name of [...names, 'logits']) expect(got[name]?.data, name).toEqual(expected[name]?.data);
    }
  });

  test('onnxruntime makes integer convolutions of all of them', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'wrn-onnx-amx-'));
    try {
      const optimizedModelFilePath = join(folder, 'optimized.onnx');
      const session = await InferenceSession.create(one, { optimizedModelFilePath, graphOptimizationLevel: 'extended' });
      await session.release();
      const nodes = decodeModel(await readFile(optimizedModelFilePath)).graph?.node ?? [];
      expect(nodes.filter(({ op_type }) => op_type === 'QLinearConv')).toHaveLength(convs.length);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
