/** Packing of anybody's model, and back; the judge is onnxruntime, which runs the file before and after. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { signTable } from '../../../../converters/onnx/forms/unpack-signs.ts';
import { packOnnx } from '../../../../converters/onnx/pack/pack.ts';
import { unpackOnnx } from '../../../../converters/onnx/pack/unpack.ts';
import { readOnnxModel } from '../../../../converters/onnx/read.ts';
import { toFlatProto, toOnnx } from '../../../../converters/onnx/write.ts';
import { verifyPack } from '../../../../eval/verify/pack.ts';
import { AttributeType, DataType, decodeModel, encodeModel, type ModelProto } from '../../../../proto/onnx.ts';
import { readMetadata } from '../../../../src/network/file-metadata.ts';
import { randomModel } from '../../../network/random-model.ts';
import { file, floats, int64s, model, node, noise, type Parts, scalar, signs, value } from '../foreign-model.ts';

const folder = mkdtempSync(join(tmpdir(), 'wrn-pack-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Packs in both ways, runs both files beside the original, unpacks, runs again; returns the packed file. */
async function packed(original: Uint8Array) {
  const [before, after] = [join(folder, 'before.onnx'), join(folder, 'after.onnx')];
  writeFileSync(before, original);
  for (const inline of [true, false]) {
    const result = packOnnx(original, { inline });
    writeFileSync(after, result.model);
    const { relError, weights } = await verifyPack(after, { original: before, packed: result.packed });
    expect(relError).toBeLessThan(2e-6);
    expect(weights.difference).toBeLessThan(1e-3);
    writeFileSync(after, unpackOnnx(result.model).model);
    expect((await verifyPack(after, { original: before, packed: result.packed })).relError).toBeLessThan(2e-6);
    if (!inline) return result;
  }
  throw new Error('unreachable');
}

const ops = (bytes: Uint8Array) => decodeModel(bytes).graph?.node?.map(({ op_type }) => op_type);
const image = value('x', ['batch', 8, 9, 9]);
const rows = value('x', ['batch', 64]);
const perOutput = (dims: readonly number[]) => {
  const size = dims.slice(1).reduce((a, b) => a * b, 1);
  return (i: number) => 0.1 * (1 + Math.floor(i / size));
};

/** The layers that pack knows, with the axis of the output channels. */
const layers = [
  { op: 'Conv', dims: [16, 8, 3, 3], axis: 0, input: image },
  { op: 'ConvTranspose', dims: [8, 16, 3, 3], axis: 1, input: image },
  { op: 'Gemm', dims: [64, 32], axis: 1, input: rows },
  { op: 'MatMul', dims: [64, 32], axis: 1, input: rows },
];
const QONNX = 'qonnx.custom_op.general';
/** How others store weights w = a sign(v): the nodes that make w, and the domains of those that are not standard. */
const storages: readonly { readonly title: string; readonly nodes: Parts['nodes']; readonly domains?: string[] }[] = [
  { title: 'dense', nodes: [] },
  { title: 'Sign', nodes: [node('Sign', ['v'], 's'), node('Mul', ['s', 'a'], 'w')] },
  {
    title: 'Where',
    nodes: [node('GreaterOrEqual', ['v', 'zero'], 'c'), node('Neg', ['a'], 'n'), node('Where', ['c', 'a', 'n'], 'w')],
  },
  { title: 'BipolarQuant', nodes: [node('BipolarQuant', ['v', 'a'], 'w', {}, QONNX)], domains: [QONNX] },
];

describe.each(layers)('$op', ({ op, dims, axis, input }) => {
  const channels = dims[axis] as number;
  const perChannel = noise(
    'a',
    dims.map((_, i) => (i === axis ? channels : 1)),
  );
  const absolute = Float32Array.from(new Float32Array(Uint8Array.from(perChannel.raw_data ?? []).buffer), Math.abs);
  const scales = [
    { of: 'the tensor', count: 1, scale: scalar('a', 0.3), at: () => Math.fround(0.3) },
    {
      of: 'each channel',
      count: channels,
      scale: { ...perChannel, raw_data: new Uint8Array(absolute.buffer) },
      at: (i: number) => absolute[Math.floor(i / dims.slice(axis + 1).reduce((x, y) => x * y, 1)) % channels] as number,
    },
  ];
  const latent = noise('v', dims);
  const values = new Float32Array(Uint8Array.from(latent.raw_data ?? []).buffer);
  const cases = scales.flatMap((row) => storages.map((storage) => ({ ...row, ...storage })));
  test.each(cases)('$title, a scale of $of', async ({ count, scale, at, nodes, domains = [] }) => {
    const weights = Float32Array.from(values, (v, i) => Math.sign(v) * at(i));
    const stored = nodes.length === 0 ? [{ ...floats(dims, weights), name: 'w' }] : [latent, scale, scalar('zero', 0)];
    const original = file({ nodes: [...nodes, node(op, ['x', 'w'], 'y')], tensors: stored, inputs: [input], domains });
    const result = await packed(original);
    expect(result.packed).toMatchObject([{ tensor: 'w', op, shape: dims, scales: count }]);
    expect(result.kept).toEqual([]);
    const back = decodeModel(unpackOnnx(result.model).model).graph;
    expect(back?.node?.map(({ op_type }) => op_type)).toEqual([op]);
    expect(back?.initializer?.find(({ name }) => name === 'w')).toMatchObject({ raw_data: floats(dims, weights).raw_data });
  });
});

const single: readonly ({ readonly title: string; readonly scales: number } & Parts)[] = [
  {
    title: 'Conv, a count that is no multiple of eight',
    scales: 1,
    nodes: [node('Conv', ['x', 'w'], 'y')],
    tensors: [signs('w', [17, 8, 3, 3])],
    inputs: [image],
  },
  {
    title: 'grouped Conv, a scale for each channel',
    scales: 32,
    nodes: [node('Conv', ['x', 'w'], 'y', { group: 4 })],
    tensors: [signs('w', [32, 2, 5, 5], perOutput([32, 2, 5, 5]))],
    inputs: [image],
  },
  {
    title: 'Gemm, transposed weights',
    scales: 32,
    nodes: [node('Gemm', ['x', 'w'], 'y', { transB: 1 })],
    tensors: [signs('w', [32, 64], perOutput([32, 64]))],
    inputs: [rows],
  },
  {
    title: 'MatMul, weights on the left',
    scales: 1,
    nodes: [node('MatMul', ['w', 'x'], 'y')],
    tensors: [signs('w', [64, 64])],
    inputs: [value('x', [64, 3])],
  },
  {
    title: 'MatMul of a stack of matrices',
    scales: 1,
    nodes: [node('MatMul', ['x', 'w'], 'y')],
    tensors: [signs('w', [2, 64, 32])],
    inputs: [value('x', [2, 5, 64])],
  },
  {
    title: 'a Constant node',
    scales: 1,
    nodes: [node('Constant', [], 'w', { value: signs('', [64, 32]) }), node('MatMul', ['x', 'w'], 'y')],
    tensors: [],
    inputs: [rows],
  },
  {
    title: 'Transpose of a tensor',
    scales: 32,
    nodes: [node('Transpose', ['v'], 'w', { perm: [1, 0] }), node('MatMul', ['x', 'w'], 'y')],
    tensors: [signs('v', [32, 64], perOutput([32, 64]))],
    inputs: [rows],
  },
  ...['finn.custom_op.general', 'onnx.brevitas'].map((domain) => ({
    title: `BipolarQuant of ${domain}`,
    scales: 1,
    nodes: [node('BipolarQuant', ['v', 'a'], 'w', {}, domain), node('Conv', ['x', 'w'], 'y')],
    tensors: [noise('v', [16, 8, 3, 3]), scalar('a', 0.25)],
    inputs: [image],
    domains: [domain],
  })),
  {
    title: 'Sign of clipped weights',
    scales: 1,
    nodes: [node('Clip', ['v', 'low', 'high'], 'c'), node('Sign', ['c'], 'w'), node('Conv', ['x', 'w'], 'y')],
    tensors: [noise('v', [16, 8, 3, 3]), scalar('low', -0.5), scalar('high', 0.5)],
    inputs: [image],
  },
  {
    title: 'Sign times the sum of |w| over the count, as XNOR-Net scales',
    scales: 16,
    nodes: [
      node('ReduceL1', ['v'], 'l', { axes: [3] }),
      node('ReduceSum', ['l', 'axes'], 'm'),
      node('Div', ['m', 'n'], 'a'),
      node('Sign', ['v'], 's'),
      node('Mul', ['s', 'a'], 'w'),
      node('Conv', ['x', 'w'], 'y'),
    ],
    tensors: [noise('v', [16, 8, 3, 3]), { ...int64s([1, 2]), name: 'axes' }, scalar('n', 72)],
    inputs: [image],
  },
  {
    title: '2 (w > 0) - 1',
    scales: 1,
    nodes: [
      node('Greater', ['v', 'zero'], 'c'),
      node('Cast', ['c'], 'f', { to: DataType.FLOAT }),
      node('Mul', ['f', 'two'], 'd'),
      node('Sub', ['d', 'one'], 'w'),
      node('Conv', ['x', 'w'], 'y'),
    ],
    tensors: [noise('v', [16, 8, 3, 3]), scalar('zero', 0), scalar('two', 2), scalar('one', 1)],
    inputs: [image],
  },
  {
    title: 'names that packing would use are taken',
    scales: 1,
    nodes: [node('Conv', ['x', 'w'], 'w.sign'), node('Add', ['w.sign', 'w.bits'], 'sign_table'), node('Relu', ['sign_table'], 'y')],
    tensors: [signs('w', [16, 8, 3, 3]), scalar('w.bits', 3)],
    inputs: [image],
  },
];

test.each(single)('$title', async ({ scales, ...parts }) => {
  const original = file(parts);
  const result = await packed(original);
  expect(result.packed).toMatchObject([{ tensor: 'w', scales }]);
  expect(result.kept).toEqual([]);
  expect(result.model.length).toBeLessThan(original.length / 2 + 1400); // the functions take 1.2 kB
  expect(decodeModel(result.model).graph?.initializer?.map(({ name }) => name)).not.toContain('w');
});

test('float_data is read as raw_data is', async () => {
  const { raw_data, ...w } = signs('w', [16, 8, 3, 3]);
  const values = new Float32Array(Uint8Array.from(raw_data ?? []).buffer);
  const parts = { nodes: [node('Conv', ['x', 'w'], 'y')], tensors: [{ ...w, float_data: [...values] }], inputs: [image] };
  expect((await packed(file(parts))).packed).toHaveLength(1);
});

test.each([10, 11, 13, 15, 17, 18, 19, 21])('operator set %i', async (opset) => {
  const parts = { nodes: [node('Conv', ['x', 'w'], 'y')], tensors: [signs('w', [16, 8, 3, 3])], inputs: [image], opset, irVersion: 5 };
  const { model: bytes } = await packed(file(parts));
  const { ir_version, functions, opset_import } = decodeModel(bytes);
  expect(Number(ir_version)).toBe(8);
  expect(functions?.map(({ opset_import: own }) => Number(own?.[0]?.version))).toEqual([opset, opset]);
  expect(opset_import?.map(({ domain }) => domain)).toEqual(['', 'wrn.onebit']);
});

test('stored tensors among the inputs: constants before IR version 4, defaults since', async () => {
  const parts = {
    nodes: [node('Conv', ['x', 'w', 'b'], 'y')],
    tensors: [signs('w', [16, 8, 3, 3]), noise('b', [16])],
    inputs: [image, value('w', [16, 8, 3, 3]), value('b', [16])],
  };
  const old = await packed(file({ ...parts, irVersion: 3 }));
  expect(decodeModel(old.model).graph?.input?.map(({ name }) => name)).toEqual(['x']);
  const new4 = await packed(file(parts));
  expect(decodeModel(new4.model).graph?.input?.map(({ name }) => name)).toEqual(['x', 'b']);
  expect(() => packOnnx(file(parts), { keepDefaults: true })).toThrow(/y: an input of the graph, which callers may override/);
});

test('a tensor that two layers share, and that the graph gives out, keeps its name', async () => {
  const parts = {
    nodes: [node('Conv', ['x', 'w'], 'h'), node('Relu', ['h'], 'r'), node('Conv', ['r', 'w'], 'y'), node('Mul', ['w', 'two'], 'z')],
    tensors: [signs('w', [8, 8, 3, 3]), scalar('two', 2)],
    inputs: [image],
    outputs: [value('y', []), value('w', []), value('z', [])],
  };
  const { packed: rowsPacked, model: bytes } = await packed(file(parts));
  expect(rowsPacked).toHaveLength(1);
  expect(ops(bytes)).toEqual(['UnpackSign', 'Scale', 'Conv', 'Relu', 'Conv', 'Mul']);
});

test('latent weights that something else reads stay', async () => {
  const parts = {
    nodes: [node('Sign', ['v'], 'w'), node('Conv', ['x', 'w'], 'y'), node('Identity', ['v'], 'z')],
    tensors: [noise('v', [16, 8, 3, 3])],
    inputs: [image],
    outputs: [value('y', []), value('z', [])],
  };
  const { model: bytes } = await packed(file(parts));
  expect(ops(bytes)).toEqual(['UnpackSign', 'Scale', 'Conv', 'Identity']);
  expect(decodeModel(bytes).graph?.initializer?.map(({ name }) => name)).toContain('v');
});

function withIf(): ModelProto {
  const branch = (name: string, weights: string, own: Parts['tensors']) => ({
    name,
    node: [node('Conv', ['x', weights], `${name}.y`)],
    initializer: [...own],
    output: [{ name: `${name}.y`, type: { tensor_type: { elem_type: DataType.FLOAT } } }],
  });
  const choose = node('If', ['c'], 'z');
  choose.attribute = [
    { name: 'then_branch', type: AttributeType.GRAPH, g: branch('then', 'w', []) },
    { name: 'else_branch', type: AttributeType.GRAPH, g: branch('else', 'inner', [signs('inner', [16, 8, 3, 3])]) },
  ];
  return model({
    nodes: [node('Conv', ['x', 'w'], 'y'), choose],
    tensors: [signs('w', [16, 8, 3, 3])],
    inputs: [image, value('c', [], DataType.BOOL)],
    outputs: [value('y', []), value('z', [])],
  });
}

test('layers of graphs inside nodes are packed where their weights are stored: inside, or around', async () => {
  const { packed: done, kept, model: bytes } = await packed(encodeModel(withIf()));
  expect(done.map(({ layer, tensor }) => [layer, tensor])).toEqual([
    ['y', 'w'],
    ['else.y', 'inner'],
  ]);
  expect(kept).toEqual([]);
  const inner = decodeModel(bytes)
    .graph?.node?.find(({ op_type }) => op_type === 'If')
    ?.attribute?.map(({ g }) => g?.node?.map(({ op_type }) => op_type));
  expect(inner).toEqual([['Conv'], ['UnpackSign', 'Scale', 'Conv']]);
});

test('weights that operators of others read are left alone, and said; those that functions store are packed', async () => {
  const body = [node('Constant', [], 'k', { value: signs('', [16, 16]) }), node('MatMul', ['a', 'k'], 'b')];
  const proto = model({
    nodes: [
      node('MatMul', ['x', 'w'], 'h'),
      node('FusedMatMul', ['h', 'v'], 'i', {}, 'com.microsoft'),
      node('Dense', ['i'], 'y', {}, 'my.layers'),
    ],
    tensors: [signs('w', [64, 32]), signs('v', [32, 16])],
    inputs: [rows],
    domains: ['com.microsoft', 'my.layers'],
  });
  proto.functions = [
    { name: 'Dense', domain: 'my.layers', input: ['a'], output: ['b'], node: body, opset_import: [{ domain: '', version: 13 }] },
  ];
  const { packed: done, kept } = await packed(encodeModel(proto));
  expect(done.map(({ tensor, layer }) => [tensor, layer])).toEqual([
    ['w', 'h'],
    ['Dense/k', 'y/b'],
  ]);
  expect(kept).toEqual([{ tensor: 'v', layer: 'i', op: 'FusedMatMul', reason: 'read by an operator of com.microsoft' }]);
});

test('what a deep network computes of its inputs is no weight', async () => {
  const relus = Array.from({ length: 80 }, (_, i) => node('Relu', [i === 0 ? 'x' : `r${i}`], `r${i + 1}`));
  const parts = { nodes: [...relus, node('MatMul', ['r80', 'w'], 'y')], tensors: [signs('w', [64, 32])], inputs: [rows] };
  expect((await packed(file(parts))).kept).toEqual([]);
});

test('what is not packed stays as it was, fields from the future included', async () => {
  const before = model({
    nodes: [node('Conv', ['x', 'w'], 'h'), node('Conv', ['h', 'v'], 'y')],
    tensors: [signs('w', [16, 8, 3, 3]), noise('v', [8, 16, 1, 1])],
    inputs: [image],
  });
  for (const part of [before.graph, before.graph?.node?.[1], before.graph?.initializer?.[1]] as { doc_string: string }[])
    part.doc_string = 'future';
  const future = Buffer.from('9a3f03010203', 'hex'); // field 1011, three bytes
  const original = Buffer.concat([encodeModel(before), future]);
  const unused = new Map([10, 6, 12].map((docString, i) => [(docString << 3) | 2, (([9, 15, 15][i] as number) << 3) | 2])); // of graph, node, tensor
  for (let at = original.indexOf('future'); at >= 0; at = original.indexOf('future', at + 1))
    original[at - 2] = unused.get(original[at - 2] as number) as number;
  const { model: bytes, kept } = packOnnx(original);
  expect(Buffer.from(bytes).includes(future)).toBe(true);
  const counts = ['J', 'z'].map((tag) => Buffer.from(bytes).toString('latin1').split(`${tag}\x06future`).length - 1);
  expect(counts).toEqual([1, 2]);
  expect(kept).toEqual([{ tensor: 'v', layer: 'y', op: 'Conv', reason: 'takes more than three values' }]);
  const after = decodeModel(bytes).graph;
  expect(after?.initializer?.find(({ name }) => name === 'v')).toEqual(decodeModel(original).graph?.initializer?.[1]);
  expect(after?.node?.slice(2)).toEqual(decodeModel(original).graph?.node);
});

test.each([
  { title: 'three values', tensor: signs('w', [16, 8, 3, 3], (i) => (i % 2 === 0 ? 0 : 1)), reason: 'takes the values -1, 0, 1' },
  { title: 'all zero', tensor: signs('w', [16, 8, 3, 3], () => 0), reason: 'every weight is zero' },
  { title: 'not a number', tensor: signs('w', [16, 8, 3, 3], () => Number.NaN), reason: 'takes the value NaN' },
  { title: 'too few', tensor: signs('w', [4, 8, 1, 1]), reason: '32 weights are too few to gain' },
  {
    title: 'text',
    tensor: { name: 'w', dims: [1, 8, 1, 1], data_type: DataType.STRING, string_data: Array(8).fill(new Uint8Array()) },
    reason: 'stored as string',
  },
  {
    title: 'rounding of two values',
    tensor: signs('w', [16, 8, 3, 3], (i) => 0.5 + (i % 7) * 1e-8),
    reason: 'within 5.96e-8 of two opposite values: pack with --tolerance 1e-6',
  },
])('refused: $title', ({ tensor, reason }) => {
  const original = file({ nodes: [node('Conv', ['x', 'w'], 'y')], tensors: [tensor], inputs: [image] });
  expect(() => packOnnx(original)).toThrow(new RegExp(`got none \\(y: ${reason}\\)`));
});

test.each([
  {
    title: 'too few values',
    tensor: { ...signs('w', [16, 8, 3, 3]), dims: [16, 8, 3, 4] },
    message: /tensor w: expected 1536 values, got 1152/,
  },
  {
    title: 'a size beyond any file',
    tensor: { ...signs('w', [16, 8, 3, 3]), dims: [2 ** 40, 2 ** 40] },
    message: /tensor w: expected .* values, got 1152/,
  },
  { title: 'a negative size', tensor: { ...signs('w', [16, 8, 3, 3]), dims: [-16, 8, 3, 3] }, message: /tensor w: expected -1152 values/ },
  {
    title: 'external data that cannot be read',
    tensor: { ...signs('w', [16, 8, 3, 3]), raw_data: new Uint8Array(), external_data: [{ key: 'location', value: '../secret' }] },
    message: /tensor w: expected its values in the file, got a reference to ..\/secret/,
  },
])('damaged: $title', ({ tensor, message }) => {
  const original = file({ nodes: [node('Conv', ['x', 'w'], 'y')], tensors: [tensor], inputs: [image] });
  expect(() => packOnnx(original)).toThrow(message);
});

describe('hostile chains end', () => {
  /** Sums of sums, 2^depth of them. */
  const tree = (depth: number, name = 'w'): Parts['nodes'] =>
    depth === 0
      ? [node('Neg', ['v'], name)]
      : [...tree(depth - 1, `${name}0`), ...tree(depth - 1, `${name}1`), node('Add', [`${name}0`, `${name}1`], name)];
  /** Each step would hold eight times the values of the one before. */
  const signsOfSigns = [
    node('Cast', ['bytes'], 'index0', { to: DataType.INT32 }),
    ...Array.from({ length: 6 }, (_, i) => [
      node('Gather', ['table', `index${i}`], `signs${i}`),
      node('Cast', [`signs${i}`], `float${i}`, { to: DataType.FLOAT }),
      node('Abs', [`float${i}`], i === 5 ? 'w' : `index${i + 1}`),
    ]).flat(),
  ];
  const unpackings = [
    ...Array.from({ length: 6 }, (_, i) => [
      node('UnpackSign', [`bits${i}`, `shape${i}`], `ones${i}`, {}, 'wrn.onebit'),
      node('Cast', [`ones${i}`], i === 5 ? 'w' : `bits${i + 1}`, { to: DataType.UINT8 }),
    ]).flat(),
  ];
  const deep = (count: number) =>
    Array.from({ length: count }, (_, i) => node('Neg', [i === 0 ? 'v' : `n${i - 1}`], i === count - 1 ? 'w' : `n${i}`));
  test.each([
    { title: 'a circle', nodes: [node('Neg', ['b'], 'w'), node('Neg', ['w'], 'b')], reason: 'computed in a circle' },
    { title: 'depth', nodes: deep(10_000), reason: 'computed from more than 64 values' },
    {
      title: 'doubling',
      nodes: Array.from({ length: 60 }, (_, i) => node('Add', [`d${i}`, `d${i}`], i === 59 ? 'w' : `d${i + 1}`)),
      reason: 'too few',
    },
    {
      title: 'a value joined with itself again and again',
      nodes: Array.from({ length: 60 }, (_, i) => node('Concat', [`d${i}`, `d${i}`], i === 59 ? 'w' : `d${i + 1}`, { axis: 0 })),
      reason: 'computed by Concat',
    },
    { title: 'bits of bits', nodes: unpackings, reason: 'computed by wrn.onebit::UnpackSign' },
    { title: 'an outer product', nodes: [node('Mul', ['column', 'row'], 'w')], reason: 'computed by Mul' },
    { title: 'breadth', nodes: tree(7), reason: 'computed from more than 64 values' },
    { title: 'signs of signs', nodes: signsOfSigns, reason: 'computed by Gather' },
    { title: 'an operator named as what every object has', nodes: [node('__proto__', ['v'], 'w')], reason: 'computed by __proto__' },
  ])('$title', ({ nodes, reason }) => {
    const tensors = [
      ...[signs('v', [2, 2]), signs('d0', [2, 2]), signs('column', [50_000, 1]), signs('row', [1, 50_000])],
      { ...signTable(), name: 'table' },
      { name: 'bytes', dims: [8], data_type: DataType.UINT8, raw_data: new Uint8Array(8) },
      { name: 'bits0', dims: [8], data_type: DataType.UINT8, raw_data: new Uint8Array(8).fill(255) },
      ...Array.from({ length: 6 }, (_, i) => ({ ...int64s([8 ** (i + 2)]), name: `shape${i}` })),
    ];
    expect(() => packOnnx(file({ nodes: [...nodes, node('MatMul', ['x', 'w'], 'y')], tensors, inputs: [rows] }))).toThrow(reason);
  });
});

describe('files of this project', () => {
  const source = randomModel({ depth: 8, width: 1 });
  test.each(['dense', 'qonnx', 'inline'] as const)('%s: the packed size comes back', async (form) => {
    const original = toOnnx(source, { form, input: 'nchw-float' });
    const wanted = encodeModel(toFlatProto(source)); // a graph of any shape is packed as version 1
    if (form === 'inline') return expect(() => packOnnx(original)).toThrow('packed already');
    const result = await packed(original);
    expect(result.kept).toEqual([]);
    expect(result.model.length / wanted.length).toBeLessThan(1.15);
    expect(readOnnxModel(result.model).tensors).toEqual(source.tensors);
    expect(readOnnxModel(unpackOnnx(result.model).model).tensors).toEqual(source.tensors);
  });

  test('qonnx, packed and unpacked: the graph without its quantizers, the scales still behind the convolutions', () => {
    const original = toOnnx(source, { form: 'qonnx', input: 'nchw-float' });
    const back = unpackOnnx(packOnnx(original).model).model;
    const graphs = [original, back].map((bytes) => decodeModel(bytes).graph);
    expect(graphs[1]?.node).toEqual(graphs[0]?.node?.filter(({ op_type }) => op_type !== 'BipolarQuant'));
    const scales = graphs.map((graph) => graph?.initializer?.filter(({ name }) => name?.endsWith('.scale')));
    expect(scales[1]).toEqual(scales[0]);
  });

  test('unpacking the float layers of a form that rounds does not make it dense', () => {
    const proto = toFlatProto(source);
    for (const entry of proto.metadata_props ?? []) if (entry.key === 'wrn.form') entry.value = 'int8';
    const back = decodeModel(unpackOnnx(encodeModel(proto)).model);
    expect(readMetadata(back.metadata_props)?.form).toBe('int8');
  });

  test.each(['packed', 'inline'] as const)('unpack gives the tensors of the dense export from %s', (form) => {
    const dense = decodeModel(unpackOnnx(toOnnx(source, { form, input: 'nchw-float' })).model);
    const expected = decodeModel(toOnnx(source, { form: 'dense', input: 'nchw-float' }));
    const byName = (proto: ModelProto) => new Map(proto.graph?.initializer?.map((tensor) => [tensor.name, tensor]));
    expect(byName(dense)).toEqual(byName(expected));
    expect(dense.graph?.node).toEqual(expected.graph?.node);
    expect(dense.functions ?? []).toEqual([]);
    expect(dense.opset_import).toEqual(expected.opset_import);
    expect(() => unpackOnnx(encodeModel(dense))).toThrow('expected weights stored as bits, got none');
  });
});

test('a QONNX network, activations in one bit, too: quantizers of activations stay, and back', async () => {
  const parts: Parts = {
    nodes: [
      node('BipolarQuant', ['v', 'a'], 'w', {}, QONNX),
      node('Conv', ['x', 'w'], 'h'),
      node('BipolarQuant', ['h', 'one'], 'q', {}, QONNX),
      node('BipolarQuant', ['u', 'one'], 'w2', {}, QONNX),
      node('Conv', ['q', 'w2'], 'c'),
      node('Mul', ['c', 'b'], 'y'),
    ],
    tensors: [noise('v', [16, 8, 3, 3]), scalar('a', 0.25), scalar('one', 1), noise('u', [16, 16, 3, 3]), noise('b', [16, 1, 1])],
    inputs: [image],
    domains: [QONNX],
  };
  const { packed: done, model: bytes } = await packed(file(parts));
  expect(done.map(({ tensor, scales }) => [tensor, scales])).toEqual([
    ['w', 1],
    ['w2', 1],
  ]);
  expect(ops(bytes)).toEqual(['UnpackSign', 'Scale', 'UnpackSign', 'Scale', 'Conv', 'BipolarQuant', 'Conv', 'Mul']);
  expect(ops(unpackOnnx(bytes).model)).toEqual(['Conv', 'BipolarQuant', 'Conv', 'Mul']);
});

test('a network that PyTorch binarizes in the graph', async () => {
  const original = readFileSync(fileURLToPath(new URL('../fixtures/binary-torch.onnx', import.meta.url)));
  const result = await packed(original);
  expect(result.packed).toMatchObject([
    { op: 'Conv', weights: 1152, scales: 32 },
    { op: 'ConvTranspose', weights: 4608, scales: 1 },
    { op: 'Gemm', weights: 1024, scales: 1 },
  ]);
  expect(result.kept.map(({ tensor, reason }) => [tensor, reason])).toEqual([
    ['stem.weight', 'takes more than three values'],
    ['last.weight', 'takes more than three values'],
  ]);
  expect(result.model.length).toBeLessThan(original.length / 2.5);
});
