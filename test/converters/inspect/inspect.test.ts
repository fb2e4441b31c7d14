import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { inspect } from '../../../converters/inspect/inspect.ts';
import { type FormName, forms } from '../../../converters/onnx/forms/table.ts';
import { packOnnx } from '../../../converters/onnx/pack/pack.ts';
import { toOnnx } from '../../../converters/onnx/write.ts';
import { encodeModel, type TensorProto } from '../../../proto/onnx.ts';
import { writeModelFile } from '../../../src/network/model-file.ts';
import type { LayerSummary } from '../../../src/network/summary.ts';
import { randomModel } from '../../network/random-model.ts';
import { models, testWith } from '../../shared.ts';
import * as foreign from '../onnx/foreign-model.ts';

const model = randomModel({ affine: 'first' });
const exported = (form: FormName) => inspect(toOnnx(model, { form, input: 'nchw-float' }));

describe('a network of this project', () => {
  // Worked out by hand: depth 8 has one block per group; 4, 8, 16 channels on 8x8, 4x4, 2x2 pixels.
  test('layers', () => {
    const rows = new Map(exported('packed').layers.map((row) => [row.name, row]));
    expect(rows.get('stem.conv')).toEqual({
      name: 'stem.conv',
      op: 'conv',
      kernel: [3, 3],
      stride: [1, 1],
      inputChannels: 3,
      outputChannels: 4,
      output: [8, 8],
      weights: 108,
      bits: 1,
      multiplyAccumulates: 108 * 64,
      bytes: 14 + 32 + 4, // bits, shape, scale
      float32Bytes: 432,
    });
    expect(rows.get('group2.block0.conv0')).toMatchObject({
      stride: [2, 2],
      inputChannels: 8,
      outputChannels: 16,
      output: [2, 2],
      weights: 1152,
    });
    expect(rows.get('group1.block0.pool')).toMatchObject({
      kernel: [3, 3],
      stride: [2, 2],
      output: [4, 4],
      weights: 0,
      bits: null,
      bytes: 0,
    });
    expect(rows.get('input.norm')).toMatchObject({ bytes: 48, float32Bytes: 48, multiplyAccumulates: 0 });
  });

  const convolutions = [108, 144, 144, 288, 576, 1152, 2304, 160];
  const pixels = [64, 64, 64, 16, 16, 4, 4, 4];
  const weights = convolutions.reduce((a, b) => a + b);

  test.each(Object.keys(forms) as FormName[])('totals of %s', (form) => {
    const { totals, bytes, network, kind } = exported(form);
    expect({ network, kind }).toEqual({ network: 'WRN-8-0.25', kind: form });
    expect(totals).toMatchObject({
      weights,
      oneBitWeights: weights,
      multiplyAccumulates: convolutions.reduce((sum, n, i) => sum + n * (pixels[i] as number), 0),
      bitsPerWeight: (bytes * 8) / weights,
    });
    expect(totals.float32Bytes).toBe(4 * (weights + 2 * (3 + 4 + 4 + 4 + 8 + 8 + 16 + 16 + 10) + 6));
  });

  test('a full-precision network has no one-bit weights and is not compressed', () => {
    const { totals } = inspect(toOnnx(randomModel({ bits: 32, endBits: 32 }), { form: 'dense', input: 'nchw-float' }));
    expect(totals).toMatchObject({ weights, oneBitWeights: 0, oneBitMultiplyAccumulates: 0 });
    expect(totals.bytes).toBeGreaterThanOrEqual(totals.float32Bytes);
  });

  test('a model file tells the same as its exported file', () => {
    const file = writeModelFile(model);
    const { config, about, onnx, totals } = inspect(file);
    expect({ config, about, onnx }).toEqual({ config: model.config, about: model.about, onnx: null });
    expect(totals.weights).toBe(weights);
    expect(totals.bytes).toBe(convolutions.reduce((sum, n) => sum + Math.ceil(n / 8) + 4, 0) + 4 * (2 * 73 + 6));
  });

  testWith(models.keras, "the author's CIFAR-10 network", async (path) => {
    const { network, kind, totals } = inspect(await readFile(path));
    expect({ network, kind, weights: totals.weights, oneBit: totals.oneBitWeights }).toEqual({
      network: 'WRN-20-10',
      kind: 'keras',
      weights: 26_737_120,
      oneBit: 26_737_120,
    });
    const wide = 9 * 160 * 160 * 32 * 32; // a 3x3 convolution that keeps the size costs the same in every group
    expect(totals.multiplyAccumulates).toBe(9 * 3 * 160 * 32 * 32 + 6 * wide + 2 * (wide / 2 + 5 * wide) + 640 * 10 * 8 * 8);
  });
});

describe('ONNX files of other makers', () => {
  const stored = (name: string, dims: number[], data_type = 1): TensorProto => {
    const size = data_type === 1 ? 4 : 1;
    return { name, dims, data_type, raw_data: new Uint8Array(size * dims.reduce((a, b) => a * b, 1)) };
  };
  const file = encodeModel({
    ir_version: 8,
    opset_import: [
      { domain: '', version: 13 },
      { domain: 'com.example', version: 2 },
    ],
    metadata_props: [{ key: '__proto__', value: 'kept' }],
    graph: {
      input: [{ name: 'x' }, { name: 'w' }],
      output: [{ name: 'z', type: { tensor_type: { elem_type: 1, shape: { dim: [{ dim_param: 'n' }, { dim_value: 5 }] } } } }],
      value_info: [
        { name: 'y', type: { tensor_type: { elem_type: 1, shape: { dim: [1, 6, 7, 7].map((dim_value) => ({ dim_value })) } } } },
      ],
      initializer: [stored('w', [6, 2, 3, 3]), stored('q', [5, 294], 3), stored('s', [])],
      node: [
        { name: 'conv', op_type: 'Conv', input: ['x', 'w'], output: ['y'], attribute: [{ name: 'group', type: 2, i: 2 }] },
        { op_type: 'DequantizeLinear', input: ['q', 's'], output: ['d'] },
        { op_type: 'Gemm', input: ['y', 'd'], output: ['g'], attribute: [{ name: 'transB', type: 2, i: 1 }] },
        { op_type: 'Mystery', domain: 'com.example', input: ['g'], output: ['m'] },
        { op_type: 'If', input: ['c'], output: ['z'], attribute: [{ name: 'then_branch', type: 5, g: { node: [{ op_type: 'Relu' }] } }] },
      ],
    },
  });

  test('what multiplies, with its weights found behind quantizers', () => {
    const { layers, totals, network, config } = inspect(file);
    expect({ network, config }).toEqual({ network: null, config: null });
    expect(layers).toEqual([
      expect.objectContaining({
        name: 'conv',
        kernel: [3, 3],
        inputChannels: 4,
        outputChannels: 6,
        output: [7, 7],
        weights: 108,
        bits: 32,
        multiplyAccumulates: 108 * 49,
      }),
      expect.objectContaining({ name: 'd', op: 'DequantizeLinear', weights: 0, bytes: 5 * 294 + 4 }),
      expect.objectContaining({
        name: 'g',
        inputChannels: 294,
        outputChannels: 5,
        weights: 1470,
        bits: 8,
        multiplyAccumulates: 1470,
        bytes: 0,
      }),
    ]);
    expect(totals).toMatchObject({ weights: 1578, bitsPerWeight: null });
  });

  test('operators, domains, inputs and metadata', () => {
    const { onnx } = inspect(file);
    expect(onnx).toMatchObject({
      irVersion: 8,
      opsets: { 'ai.onnx': 13, 'com.example': 2 },
      inputs: [{ name: 'x', type: 'a value of an unstated type', shape: null }],
      outputs: [{ name: 'z', type: 'float32', shape: ['n', 5] }],
      nodes: 6,
      ops: { Conv: 1, Relu: 1, 'com.example::Mystery': 1 },
      unknownDomains: ['com.example'],
      initializers: { count: 3, bytes: 432 + 1470 + 4, external: 0, sparse: 0 },
    });
    expect(Object.entries(onnx?.metadata ?? {})).toEqual([['__proto__', 'kept']]);
  });

  test('tensors in other files count as such', () => {
    const external = { ...stored('w', [1000, 1000]), raw_data: new Uint8Array(), external_data: [{ key: 'location', value: 'w.bin' }] };
    const { onnx } = inspect(encodeModel({ ir_version: 8, opset_import: [{ version: 13 }], graph: { initializer: [external] } }));
    expect(onnx?.initializers).toEqual({ count: 1, bytes: 0, external: 1, sparse: 0 });
  });

  test.each([{ inline: false }, { inline: true }])(
    'packed: the layers are those of the file before, in one bit; inline: $inline',
    ({ inline }) => {
      const dense = foreign.file({
        nodes: [foreign.node('Conv', ['x', 'w'], 'h'), foreign.node('Conv', ['h', 'v'], 'y')],
        tensors: [foreign.signs('w', [16, 8, 3, 3]), foreign.signs('v', [8, 16, 3, 3])],
        inputs: [foreign.value('x', ['batch', 8, 9, 9])],
      });
      const packed = packOnnx(dense, { inline }).model;
      const [before, after] = [inspect(dense), inspect(packed)];
      const shapeOf = ({ name, op, kernel, weights, float32Bytes }: LayerSummary) => ({ name, op, kernel, weights, float32Bytes });
      expect(after.layers.map(shapeOf)).toEqual(before.layers.map(shapeOf));
      expect(after.layers.map(({ bits }) => bits)).toEqual([1, 1]);
      expect(after.totals).toMatchObject({
        weights: 2304,
        oneBitWeights: 2304,
        float32Bytes: 4 * 2304,
        bytes: after.onnx?.initializers.bytes,
      });
    },
  );

  test('a cycle of nodes ends', () => {
    const node = [
      { op_type: 'Cast', input: ['b'], output: ['a'] },
      { op_type: 'Cast', input: ['a'], output: ['b'] },
      { op_type: 'MatMul', input: ['x', 'a'], output: ['y'] },
    ];
    expect(inspect(encodeModel({ ir_version: 8, opset_import: [{ version: 13 }], graph: { node } })).layers).toEqual([]);
  });

  test('an operator named as what every object has is one that is not known', () => {
    const node = [
      { op_type: '__proto__', input: ['bytes'], output: ['w'] },
      { op_type: 'MatMul', input: ['x', 'w'], output: ['y'] },
    ];
    const graph = { node, initializer: [stored('bytes', [8], 2)] };
    const { layers } = inspect(encodeModel({ ir_version: 8, opset_import: [{ version: 13 }], graph }));
    expect(layers.map(({ name, op, bytes }) => ({ name, op, bytes }))).toEqual([{ name: 'w', op: '__proto__', bytes: 8 }]);
  });

  test('what is no model at all', () => {
    expect(() => inspect(Buffer.from('hello world\n'))).toThrow('expected an ONNX model, or a source that export reads');
  });
});

for (const [name, expected] of [
  ['h_mm3', { weights: 8192, multiplyAccumulates: 100 * 64 * 128 }],
  ['h_ct', { weights: 8192, multiplyAccumulates: 8 * 8 * 32 * 16 * 4 * 4 }],
  ['h_ct_group', { weights: 4608, multiplyAccumulates: 8 * 8 * 32 * 16 * 3 * 3 }],
  ['h_twice', { weights: 16_384, bytes: 65_536, multiplyAccumulates: 2 * 256 * 64 }],
  ['h_if_outer', { weights: 2 * 18_432, multiplyAccumulates: 2 * 18_432 * 64 }],
  ['cond.ts', { weights: 2 * 4608, multiplyAccumulates: 2 * 4608 * 64 }],
  ['bq_act.ts.qonnx', { weights: 864 + 2304 + 5120, oneBitWeights: 864 + 2304 + 5120 }],
] as const)
  testWith(`cases/onnx/${name}.onnx`, `${name}: ${JSON.stringify(expected)}`, async (path) => {
    expect(inspect(await readFile(path)).totals).toMatchObject(expected);
  });

testWith('cases/onnx/h_ct_group.onnx', 'a grouped ConvTranspose says its channels in and out', async (path) => {
  expect(inspect(await readFile(path)).layers).toMatchObject([{ inputChannels: 32, outputChannels: 64 }]);
});
