/** Kinds of one-bit weights that other people's files hold; onnxruntime says what each weight is, before and after. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Float16Array } from '@petamoriken/float16';
import { afterAll, describe, expect, test } from 'vitest';
import { inspect } from '../../../../converters/inspect/inspect.ts';
import { type PackOptions, packOnnx } from '../../../../converters/onnx/pack/pack.ts';
import { unpackOnnx } from '../../../../converters/onnx/pack/unpack.ts';
import { verifyPack } from '../../../../eval/verify/pack.ts';
import { AttributeType, DataType, decodeModel, encodeModel, type ModelProto, type TensorProto } from '../../../../proto/onnx.ts';
import { externalReader } from '../../../../src/cli/shared/model-files.ts';
import { testWith } from '../../../shared.ts';
import { Float, file, floats, int64s, model, node, noise, type Parts, scalar, signs, value } from '../foreign-model.ts';

const folder = mkdtempSync(join(tmpdir(), 'wrn-pack-kinds-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Packs in both ways and unpacks; each file is compared with the original. Gives the packed file with functions. */
async function packed(original: Uint8Array, options: PackOptions = {}) {
  const [before, after] = [join(folder, 'before.onnx'), join(folder, 'after.onnx')];
  writeFileSync(before, original);
  let result = packOnnx(original, { ...options, inline: true });
  for (const inline of [true, false]) {
    result = packOnnx(original, { ...options, inline });
    writeFileSync(after, result.model);
    await verifyPack(after, { original: before, packed: result.packed });
  }
  writeFileSync(after, unpackOnnx(result.model).model);
  await verifyPack(after, { original: before, packed: result.packed });
  return result;
}

const rows = value('x', ['batch', 64]);
const image = value('x', ['batch', 8, 9, 9]);
const values = ({ raw_data }: TensorProto) => new Float32Array(Uint8Array.from(raw_data ?? []).buffer);
const bytes = (array: { buffer: ArrayBufferLike }) => new Uint8Array(array.buffer as ArrayBuffer);
const w = signs('w', [64, 32]);
const matmul = node('MatMul', ['x', 'w'], 'y');
const asFloat = (to: number = DataType.FLOAT) => node('Cast', ['v'], 'w', { to });

describe('types of weights', () => {
  const brain = Uint16Array.from(new Uint32Array(values(w).buffer), (word) => word >>> 16);
  test.each<{ title: string } & Parts>([
    {
      title: 'float16 behind a Cast',
      nodes: [asFloat(), matmul],
      tensors: [{ name: 'v', dims: [64, 32], data_type: DataType.FLOAT16, raw_data: bytes(Float16Array.from(values(w))) }],
      inputs: [rows],
    },
    {
      title: 'float16 in int32_data',
      nodes: [asFloat(), matmul],
      tensors: [
        { name: 'v', dims: [64, 32], data_type: DataType.FLOAT16, int32_data: [...new Uint16Array(Float16Array.from(values(w)).buffer)] },
      ],
      inputs: [rows],
    },
    {
      title: 'bfloat16 behind a Cast',
      nodes: [asFloat(), matmul],
      tensors: [{ name: 'v', dims: [64, 32], data_type: DataType.BFLOAT16, raw_data: bytes(brain) }],
      inputs: [rows],
    },
    {
      title: 'float16 throughout',
      nodes: [matmul],
      tensors: [{ name: 'w', dims: [64, 32], data_type: DataType.FLOAT16, raw_data: bytes(Float16Array.from(values(w))) }],
      inputs: [value('x', ['batch', 64], DataType.FLOAT16)],
      outputs: [value('y', [], DataType.FLOAT16)],
    },
    {
      title: 'float64, of a scale that is no float32',
      nodes: [matmul],
      tensors: [{ name: 'w', dims: [64, 32], data_type: DataType.DOUBLE, raw_data: bytes(Float64Array.from(values(w), (x) => x * 0.2)) }],
      inputs: [value('x', ['batch', 64], DataType.DOUBLE)],
      outputs: [value('y', [], DataType.DOUBLE)],
    },
    {
      title: 'int8 behind DequantizeLinear, a scale for each channel',
      nodes: [node('DequantizeLinear', ['v', 's'], 'w', { axis: 1 }), matmul],
      tensors: [
        { name: 'v', dims: [64, 32], data_type: DataType.INT8, raw_data: bytes(Int8Array.from(values(w), Math.sign)) },
        {
          ...floats(
            [32],
            Float32Array.from({ length: 32 }, (_, i) => 0.1 + i),
          ),
          name: 's',
        },
      ],
      inputs: [rows],
    },
    {
      title: 'int4 and a zero point behind DequantizeLinear',
      nodes: [node('DequantizeLinear', ['v', 's', 'z'], 'w'), matmul],
      tensors: [
        {
          name: 'v',
          dims: [64, 32],
          data_type: DataType.UINT4,
          raw_data: Uint8Array.from({ length: 1024 }, (_, i) => [0x20, 0x02, 0x22, 0][i % 4] as number),
        },
        scalar('s', 0.5),
        { name: 'z', dims: [], data_type: DataType.UINT4, raw_data: Uint8Array.of(1) },
      ],
      inputs: [rows],
      opset: 21,
      irVersion: 10,
    },
  ])('$title', async (parts) => {
    const result = await packed(file(parts));
    expect(result.packed).toMatchObject([{ tensor: 'w', error: 0 }]);
  });

  test('a network in 8 bits keeps its 8-bit weights', async () => {
    const parts: Parts = {
      nodes: [
        node('QuantizeLinear', ['x', 'sx', 'zx'], 'q'),
        node('DequantizeLinear', ['q', 'sx', 'zx'], 'xd'),
        node('DequantizeLinear', ['w8', 's'], 'w'),
        node('Conv', ['xd', 'w'], 'y'),
      ],
      tensors: [
        {
          name: 'w8',
          dims: [16, 8, 3, 3],
          data_type: DataType.INT8,
          raw_data: bytes(Int8Array.from(values(signs('', [16, 8, 3, 3])), Math.sign)),
        },
        scalar('s', 0.25),
        scalar('sx', 1 / 128),
        { name: 'zx', dims: [], data_type: DataType.UINT8, raw_data: Uint8Array.of(128) },
      ],
      inputs: [image],
    };
    const { packed: done, model: written } = await packed(file(parts));
    expect(done).toMatchObject([{ tensor: 'w8', op: 'Conv' }]);
    expect(decodeModel(written).graph?.node?.filter(({ op_type }) => op_type === 'DequantizeLinear')).toHaveLength(2);
  });
});

describe('what exporters write around weights', () => {
  const v = noise('v', [16, 8, 3, 3]);
  const conv = node('Conv', ['x', 'w'], 'y');
  const sign = (scale: string) => [node('Sign', ['v'], 'sign'), node('Mul', ['sign', scale], 'w'), conv];
  test.each<{ title: string; scales: number } & Parts>([
    {
      title: 'attributes that state their default',
      scales: 16,
      nodes: [node('Abs', ['v'], 'a'), node('ReduceMean', ['a', 'axes'], 'm', { noop_with_empty_axes: 0, keepdims: 1 }), ...sign('m')],
      tensors: [v, { ...int64s([1, 2, 3]), name: 'axes' }],
      inputs: [image],
      opset: 18,
    },
    {
      title: 'Squeeze, Unsqueeze, Concat, Reshape with allowzero',
      scales: 16,
      nodes: [
        node('Abs', ['v'], 'a'),
        node('ReduceMean', ['a', 'axes'], 'm'),
        node('Squeeze', ['m'], 'flat'),
        node('Shape', ['v'], 'shape'),
        node('Gather', ['shape', 'zero'], 'channels'),
        node('Unsqueeze', ['channels', 'zero1'], 'head'),
        node('Concat', ['head', 'ones'], 'to', { axis: 0 }),
        node('Reshape', ['flat', 'to'], 'scale', { allowzero: 1 }),
        ...sign('scale'),
      ],
      tensors: [
        v,
        { ...int64s([1, 2, 3]), name: 'axes' },
        { ...int64s([0]), name: 'zero', dims: [] },
        { ...int64s([0]), name: 'zero1' },
        { ...int64s([1, 1, 1]), name: 'ones' },
      ],
      inputs: [image],
      opset: 18,
    },
    {
      title: 'a power of two: Log, Round, Pow',
      scales: 1,
      nodes: [
        node('Abs', ['v'], 'a'),
        node('ReduceMean', ['a'], 'm', { keepdims: 0 }),
        node('Log', ['m'], 'l'),
        node('Div', ['l', 'ln2'], 'b'),
        node('Round', ['b'], 'r'),
        node('Pow', ['two', 'r'], 'scale'),
        ...sign('scale'),
      ],
      tensors: [v, scalar('ln2', Math.LN2), scalar('two', 2)],
      inputs: [image],
    },
    {
      title: 'the root of the mean square: Sqrt',
      scales: 1,
      nodes: [node('Mul', ['v', 'v'], 'q'), node('ReduceMean', ['q'], 'm'), node('Sqrt', ['m'], 'scale'), ...sign('scale')],
      tensors: [v],
      inputs: [image],
    },
    {
      title: 'a hard sigmoid, rounded: BinaryConnect',
      scales: 1,
      nodes: [
        node('HardSigmoid', ['v'], 'h', { alpha: new Float(0.5), beta: new Float(0.5) }),
        node('Round', ['h'], 'r'),
        node('Mul', ['r', 'two'], 'd'),
        node('Sub', ['d', 'one'], 'w'),
        conv,
      ],
      tensors: [v, scalar('two', 2), scalar('one', 1)],
      inputs: [image],
    },
    {
      title: 'Split, Tile, Softplus',
      scales: 16,
      nodes: [
        { ...node('Split', ['v2'], 'v', { axis: 0 }), output: ['rest', 'v'] },
        node('Softplus', ['a'], 'p'),
        node('Tile', ['p', 'times'], 'scale'),
        ...sign('scale'),
      ],
      tensors: [noise('v2', [32, 8, 3, 3]), noise('a', [16, 1, 1, 1]), { ...int64s([1, 8, 3, 3]), name: 'times' }],
      inputs: [image],
    },
    {
      title: 'Clip with one bound, Slice and Constant numbers',
      scales: 1,
      nodes: [
        node('Constant', [], 'low', { value_float: new Float(-0.5) }),
        node('Clip', ['u', 'low'], 'c'),
        node('Slice', ['c', 'from', 'to'], 'v'),
        node('Sign', ['v'], 'w'),
        conv,
      ],
      tensors: [noise('u', [20, 8, 3, 3]), { ...int64s([4]), name: 'from' }, { ...int64s([2 ** 40]), name: 'to' }],
      inputs: [image],
    },
  ])('$title', async ({ scales, ...parts }) => {
    const result = await packed(file(parts));
    expect(result.packed).toMatchObject([{ tensor: 'w', scales }]);
    expect(result.kept).toEqual([]);
  });
});

describe('scales by blocks', () => {
  const scaleOf = (block: number) => 0.01 * (1 + block);
  test.each([
    { title: 'a scale for every 128 rows', dims: [256, 32], at: (i: number) => scaleOf(Math.floor(i / 32 / 128)), scales: 2 },
    {
      title: 'a scale for every 32 rows of each column',
      dims: [128, 32],
      at: (i: number) => scaleOf(32 * Math.floor(i / 32 / 32) + (i % 32)),
      scales: 128,
    },
  ])('$title', async ({ dims, at, scales }) => {
    const original = file({ nodes: [matmul], tensors: [signs('w', dims, at)], inputs: [value('x', ['batch', dims[0] as number])] });
    const result = await packed(original);
    expect(result.packed).toMatchObject([{ scales, shape: dims }]);
    expect(result.model.length).toBeLessThan(original.length / 3.5);
  });

  test('a grouped ConvTranspose, a scale for each output channel', async () => {
    const at = (i: number) => scaleOf(16 * Math.floor(i / (16 * 9 * 8)) + (Math.floor(i / 9) % 16));
    const parts: Parts = {
      nodes: [node('ConvTranspose', ['x', 'w'], 'y', { group: 4 })],
      tensors: [signs('w', [32, 16, 3, 3], at)],
      inputs: [value('x', [1, 32, 5, 5])],
    };
    expect((await packed(file(parts))).packed).toMatchObject([{ scales: 64 }]);
  });
});

test('weights within rounding of two values: packed where a tolerance is asked for, and the error is said', async () => {
  const near = file({ nodes: [matmul], tensors: [signs('w', [64, 32], (i) => 0.5 * (1 + (i % 5) * 1e-7))], inputs: [rows] });
  expect(() => packOnnx(near)).toThrow(/within 1\.\d\de-7 of two opposite values: pack with --tolerance 1e-6/);
  const {
    packed: [row],
  } = await packed(near, { tolerance: 1e-6 });
  expect(row?.error).toBeGreaterThan(1e-7);
  expect(row?.error).toBeLessThan(3e-7);
  const far = file({ nodes: [matmul], tensors: [signs('w', [64, 32], (i) => 0.5 * (1 + (i % 5) * 1e-5))], inputs: [rows] });
  expect(() => packOnnx(far, { tolerance: 1e-6 })).toThrow(/pack with --tolerance 0\.0001/);
});

test('a sign of 26 thousand that is another is found, though no output shows it', async () => {
  const original = file({
    nodes: [matmul, node('Mul', ['y', 'tiny'], 'z')],
    tensors: [w, scalar('tiny', 1e-30)],
    inputs: [rows],
    outputs: [value('z', [])],
  });
  const result = packOnnx(original);
  const proto = decodeModel(result.model);
  const bits = proto.graph?.initializer?.find(({ name }) => name === 'w.bits')?.raw_data as Uint8Array;
  bits[100] = (bits[100] as number) ^ 4;
  writeFileSync(join(folder, 'original.onnx'), original);
  writeFileSync(join(folder, 'flipped.onnx'), encodeModel(proto));
  const checking = verifyPack(join(folder, 'flipped.onnx'), { original: join(folder, 'original.onnx'), packed: result.packed });
  await expect(checking).rejects.toThrow('weights of y: expected the signs of the original, got 1 of 2048 different');
});

/** Weights that one branch of If makes of what stands around it. */
function latentAround(): ModelProto {
  const branch = (name: string, nodes: Parts['nodes']) => ({
    name,
    node: [...nodes, node('MatMul', ['x', `${name}.w`], `${name}.y`)],
    output: [{ name: `${name}.y`, type: { tensor_type: { elem_type: DataType.FLOAT } } }],
  });
  const choose = node('If', ['c'], 'y');
  choose.attribute = ['then', 'else'].map((name) => ({
    name: `${name}_branch`,
    type: AttributeType.GRAPH,
    g: branch(name, [node('Sign', ['v'], 's'), node('Mul', ['s', `${name}.scale`], `${name}.w`)]),
  }));
  return model({
    nodes: [choose],
    tensors: [noise('v', [64, 32]), scalar('then.scale', 0.5), scalar('else.scale', 2)],
    inputs: [rows, value('c', [], DataType.BOOL)],
  });
}

test('weights that branches make of a tensor around them: nothing of it is left', async () => {
  const original = encodeModel(latentAround());
  const { packed: done, model: written } = await packed(original);
  expect(done.map(({ tensor }) => tensor)).toEqual(['then.w', 'else.w']);
  expect(decodeModel(written).graph?.initializer ?? []).toEqual([]);
});

test('a Loop whose body multiplies with weights around it', async () => {
  const loop = node('Loop', ['count', '', 'x'], 'y');
  loop.attribute = [
    {
      name: 'body',
      type: AttributeType.GRAPH,
      g: {
        name: 'body',
        input: [value('i', [], DataType.INT64), value('go', [], DataType.BOOL), value('state', [])].map((one, k) =>
          k < 2 ? one : { name: one.name ?? '', type: { tensor_type: { elem_type: DataType.FLOAT } } },
        ),
        node: [node('MatMul', ['state', 'w'], 'next'), node('Identity', ['go'], 'goes')],
        output: [value('goes', [], DataType.BOOL), { name: 'next', type: { tensor_type: { elem_type: DataType.FLOAT } } }],
      },
    },
  ];
  const parts: Parts = { nodes: [loop], tensors: [signs('w', [64, 64]), { ...int64s([3]), name: 'count', dims: [] }], inputs: [rows] };
  expect((await packed(file(parts))).packed).toMatchObject([{ tensor: 'w' }]);
});

test('a function that takes its weights as arguments, and one that calls it', async () => {
  const proto = model({
    nodes: [node('Two', ['x', 'a', 'b'], 'y', {}, 'my')],
    tensors: [signs('a', [64, 64]), signs('b', [64, 32])],
    inputs: [rows],
    domains: ['my'],
  });
  const opset_import = [
    { domain: '', version: 13 },
    { domain: 'my', version: 1 },
  ];
  proto.functions = [
    {
      name: 'Two',
      domain: 'my',
      input: ['x', 'a', 'b'],
      output: ['y'],
      node: [node('One', ['x', 'a'], 'h', {}, 'my'), node('One', ['h', 'b'], 'y', {}, 'my')],
      opset_import,
    },
    {
      name: 'One',
      domain: 'my',
      input: ['x', 'w'],
      output: ['y'],
      node: [node('MatMul', ['x', 'w'], 'm'), node('Relu', ['m'], 'y')],
      opset_import,
    },
  ];
  const { packed: done, kept } = await packed(encodeModel(proto));
  expect(done.map(({ tensor, op }) => [tensor, op])).toEqual([
    ['a', 'MatMul'],
    ['b', 'MatMul'],
  ]);
  expect(kept).toEqual([]);
});

describe('functions that make weights are written out where they are called', () => {
  const functionOf = (name: string, input: string[], output: string[], nodes: Parts['nodes'], attributes: string[] = []) => ({
    ...{ name, domain: 'my', input, output, node: [...nodes], attribute: attributes },
    opset_import: ['', 'my'].map((domain) => ({ domain, version: domain ? 1 : 13 })),
  });
  const binary = functionOf(
    'Binary',
    ['v'],
    ['w'],
    [node('Sign', ['v'], 's'), node('Abs', ['v'], 'a'), node('ReduceMean', ['a'], 'm', { axes: [0] }), node('Mul', ['s', 'm'], 'w')],
  );
  const dense = functionOf('Dense', ['x', 'v'], ['y'], [node('Binary', ['v'], 'w', {}, 'my'), node('MatMul', ['x', 'w'], 'y')]);
  const called = (functions: ModelProto['functions'], parts: Omit<Parts, 'domains'>) =>
    encodeModel({ ...model({ ...parts, domains: ['my'] }), functions: functions ?? [] });

  test('computed by a function; and inside one, from its argument, twice', async () => {
    const original = called([binary, dense], {
      nodes: [node('Binary', ['u'], 'w', {}, 'my'), node('MatMul', ['x', 'w'], 'h'), ...denses()],
      tensors: [noise('u', [64, 32]), noise('first', [32, 64]), noise('second', [64, 16])],
      inputs: [rows],
    });
    const { packed: done, kept, model: written } = await packed(original);
    expect(done.map(({ tensor, scales }) => [tensor, scales])).toEqual([
      ['w', 32],
      ['i/w', 64],
      ['y/w', 16],
    ]);
    expect([kept, decodeModel(written).functions?.map(({ name }) => name)]).toEqual([[], ['UnpackSign', 'Scale']]);
  });
  const denses = () => [node('Dense', ['h', 'first'], 'i', {}, 'my'), node('Dense', ['i', 'second'], 'y', {}, 'my')];

  test('stored in a function that is called twice: once in the file', async () => {
    const own = functionOf('Own', ['x'], ['y'], [node('Constant', [], 'w', { value: signs('', [64, 64]) }), matmul]);
    const nodes = [node('Own', ['x'], 'h', {}, 'my'), node('Own', ['h'], 'y', {}, 'my')];
    expect((await packed(called([own], { nodes, tensors: [], inputs: [rows] }))).packed).toMatchObject([{ tensor: 'Own/w' }]);
  });

  test('an attribute of the call, and a branch inside the function', async () => {
    const grouped = node('Conv', ['x', 'w'], 'h');
    grouped.attribute = [{ name: 'group', type: AttributeType.INT, ref_attr_name: 'groups' }];
    const choose = node('If', ['c'], 'y');
    choose.attribute = ['Relu', 'Neg'].map((op, i) => ({
      name: i === 0 ? 'then_branch' : 'else_branch',
      type: AttributeType.GRAPH,
      g: {
        name: op,
        node: [node('Conv', ['h', 'w2'], 'k'), node(op, ['k'], 'r')],
        output: [{ ...value('r', []), type: { tensor_type: { elem_type: DataType.FLOAT } } }],
      },
    }));
    const body = [node('Sign', ['v'], 'w'), grouped, node('Neg', ['w'], 'w2'), choose];
    const original = called([functionOf('Layer', ['x', 'v', 'c'], ['y'], body, ['groups'])], {
      nodes: [{ ...node('Layer', ['x', 'v', 'c'], 'y', { groups: 1 }, 'my') }],
      tensors: [noise('v', [8, 8, 3, 3])],
      inputs: [image, value('c', [], DataType.BOOL)],
    });
    expect((await packed(original)).packed.map(({ tensor }) => tensor)).toEqual(['y/w', 'y/w2']);
  });

  test('functions that double at every step stay calls', () => {
    const doubling = Array.from({ length: 24 }, (_, i) =>
      functionOf(`F${i}`, ['x'], ['y'], [node(`F${i + 1}`, ['x'], 'h', {}, 'my'), node(`F${i + 1}`, ['h'], 'y', {}, 'my')]),
    );
    const last = functionOf('F24', ['x'], ['y'], [node('Constant', [], 'w', { value: signs('', [64, 64]) }), matmul]);
    const original = called([...doubling, last], { nodes: [node('F0', ['x'], 'y', {}, 'my')], tensors: [], inputs: [rows] });
    expect(packOnnx(original).model.length).toBeLessThan(2 ** 26);
  });
});

describe('layers that compute with 8-bit integers: any two values', () => {
  const eight = (name: string, dims: readonly number[], type: number, low: number, high: number): TensorProto => ({
    ...{ name, dims: [...dims], data_type: type },
    raw_data: Uint8Array.from(values(signs(name, dims)), (w) => (w > 0 ? high : low)),
  });
  const zero = (name: string, type: number, at: number): TensorProto => ({ name, dims: [], data_type: type, raw_data: Uint8Array.of(at) });
  const { INT8, UINT8, INT32 } = DataType;
  const quantized = [scalar('sx', 1 / 128), zero('zx', UINT8, 128), scalar('sw', 0.01)];
  const conv = ['q', 'sx', 'zx', 'w', 'sw', 'zw', 'sx', 'zx'];
  const around = (node: Parts['nodes'][number]) => [nodeOf('QuantizeLinear', 'x', 'q'), node, nodeOf('DequantizeLinear', 'r', 'y')];
  const nodeOf = (op: string, from: string, to: string) => node(op, [from, 'sx', 'zx'], to);
  test.each<{ title: string } & Parts>([
    {
      title: 'QLinearConv, -127 and 127',
      nodes: around(node('QLinearConv', conv, 'r')),
      tensors: [...quantized, eight('w', [16, 8, 3, 3], INT8, -127, 127), zero('zw', INT8, 0)],
      inputs: [image],
    },
    {
      title: 'QLinearConv, 0 and 255 in uint8',
      nodes: around(node('QLinearConv', conv, 'r')),
      tensors: [...quantized, eight('w', [16, 8, 3, 3], UINT8, 0, 255), zero('zw', UINT8, 127)],
      inputs: [image],
    },
    {
      title: 'ConvInteger',
      nodes: [node('ConvInteger', ['x', 'w', 'zx'], 'y')],
      tensors: [...quantized, eight('w', [16, 8, 3, 3], INT8, -1, 1)],
      inputs: [value('x', ['batch', 8, 9, 9], UINT8)],
      outputs: [value('y', [], INT32)],
    },
    {
      title: 'MatMulInteger after DynamicQuantizeLinear, 0 and 2',
      nodes: [
        { ...node('DynamicQuantizeLinear', ['x'], 'q'), output: ['q', 's', 'z'] },
        node('MatMulInteger', ['q', 'w', 'z', 'zw'], 'i'),
        node('Cast', ['i'], 'y', { to: DataType.FLOAT }),
      ],
      tensors: [eight('w', [64, 32], UINT8, 0, 2), zero('zw', UINT8, 1)],
      inputs: [rows],
    },
    {
      title: 'QLinearMatMul',
      nodes: around(node('QLinearMatMul', conv, 'r')),
      tensors: [...quantized, eight('w', [64, 32], INT8, -3, 4), zero('zw', INT8, 0)],
      inputs: [rows],
    },
  ])('$title', async (parts) => {
    const original = file(parts);
    const { packed: done, kept, model: written } = await packed(original);
    expect([done, kept]).toMatchObject([[{ tensor: 'w', scales: 0 }], []]);
    expect(inspect(written).totals).toMatchObject({ oneBitWeights: done[0]?.weights });
    const flipped = decodeModel(written);
    const bits = flipped.graph?.initializer?.find(({ name }) => name === 'w.bits')?.raw_data as Uint8Array;
    bits[7] = (bits[7] as number) ^ 1;
    expect(() => inspect(encodeModel(flipped))).toThrow('expected weights with the digest');
  });
});

describe('quantizers of QONNX', () => {
  const QONNX = 'onnx.brevitas'; // as in the QONNX model zoo, which does not import the domain
  const quant = (input: string, bits: string, output: string, attributes: Record<string, number>) =>
    node('Quant', [input, 's', 'zero', bits], output, attributes, QONNX);
  test('Quant of one bit makes weights, Quant and BipolarQuant of activations stay', async () => {
    const original = file({
      nodes: [
        quant('v', 'one', 'w', { signed: 1, narrow: 1 }),
        quant('x', 'two', 'q', { signed: 0, narrow: 0 }),
        node('MatMul', ['q', 'w'], 'h'),
        node('BipolarQuant', ['h', 's'], 'b', {}, QONNX),
        quant('u', 'two', 't', { signed: 1, narrow: 1 }),
        node('MatMul', ['b', 't'], 'y'),
      ],
      tensors: [noise('v', [64, 32]), noise('u', [32, 16]), scalar('s', 0.25), scalar('zero', 0), scalar('one', 1), scalar('two', 2)],
      inputs: [rows],
      opset: 9,
      irVersion: 6,
    });
    const { packed: done, kept } = await packed(original);
    expect(done).toMatchObject([{ tensor: 'w', scales: 1 }]);
    expect(kept).toMatchObject([{ tensor: 't', reason: 'takes the values -0.25, 0, 0.25' }]);
    expect(inspect(original).layers.filter(({ weights }) => weights > 0)).toMatchObject([{ bits: 1 }, { bits: 2 }]);
  });
});

test('every layer that reads a tensor which stays has its reason, and so has a kernel that the caller feeds', () => {
  const nodes = [
    node('MatMul', ['x', 'v'], 'a'),
    node('MatMul', ['x', 'v'], 'b'),
    node('Conv', ['i', 'k'], 'c'),
    node('MatMul', ['x', 'w'], 'y'),
  ];
  const inputs = [rows, image, value('k', [16, 8, 3, 3])].map((one, at) => (at === 1 ? { ...one, name: 'i' } : one));
  const { kept } = packOnnx(file({ nodes, tensors: [w, noise('v', [64, 32])], inputs }));
  expect(kept.map(({ layer, reason }) => [layer, reason])).toEqual([
    ['a', 'takes more than three values'],
    ['b', 'takes more than three values'],
    ['c', 'an input of the graph without a stored value'],
  ]);
});

test('an embedding that is the last layer too is stored once', async () => {
  const parts: Parts = {
    nodes: [node('Gather', ['e', 'x'], 'h'), node('Transpose', ['e'], 't'), node('MatMul', ['h', 't'], 'y')],
    tensors: [signs('e', [200, 64], (i) => 0.1 + Math.floor(i / 64))],
    inputs: [value('x', ['batch', 7], DataType.INT64)],
  };
  const original = file(parts);
  const result = await packed(original);
  expect(result.packed).toMatchObject([{ tensor: 'e', scales: 200 }]);
  expect(result.model.length).toBeLessThan(original.length / 8);
});

test('recurrent layers', async () => {
  const parts: Parts = {
    nodes: [{ ...node('LSTM', ['x', 'W', 'R'], 'y', { hidden_size: 32 }) }],
    tensors: [signs('W', [1, 128, 64]), signs('R', [1, 128, 32], (i) => 0.1 + Math.floor(i / 32))],
    inputs: [value('x', [5, 'batch', 64])],
  };
  expect((await packed(file(parts))).packed.map(({ tensor, scales }) => [tensor, scales])).toEqual([
    ['W', 1],
    ['R', 128],
  ]);
});

describe('operator sets before 10', () => {
  const conv = [
    node('Conv', ['x', 'w'], 'h'),
    node('BatchNormalization', ['h', 'one', 'zero', 'zero', 'one'], 'b'),
    node('Flatten', ['b'], 'y'),
  ];
  const sixteen = (name: string, x: number) => ({ ...floats([16], new Float32Array(16).fill(x)), name });
  const parts: Parts = { nodes: conv, tensors: [signs('w', [16, 8, 3, 3]), sixteen('one', 1), sixteen('zero', 0)], inputs: [image] };
  test.each([7, 8, 9])('%i is raised where nothing that is used has changed', async (opset) => {
    const { model: written } = await packed(file({ ...parts, opset, irVersion: 4 }));
    expect(Number(decodeModel(written).opset_import?.[0]?.version)).toBe(10);
  });
  test.each([
    ['TopK', node('TopK', ['y'], 'z', { k: 1 })],
    ['Slice', node('Slice', ['y'], 'z', { starts: [0], ends: [1] })],
    ['Upsample', node('Upsample', ['y'], 'z')],
  ])('%s has changed since', (op, changed) => {
    const old = file({ ...parts, nodes: [...conv, changed], opset: 9 });
    expect(() => packOnnx(old)).toThrow(
      `expected operator set 10 or newer, got 9 with ${op}, which has changed since. Convert it with onnx.version_converter`,
    );
  });
  test('activations of one bit below operator set 12', async () => {
    const QONNX = 'qonnx.custom_op.general';
    const nodes = [
      node('BipolarQuant', ['x', 's'], 'q', {}, QONNX),
      node('BipolarQuant', ['v', 's'], 'w', {}, QONNX),
      node('Conv', ['q', 'w'], 'y'),
    ];
    const old = file({
      nodes,
      tensors: [noise('v', [16, 8, 3, 3]), scalar('s', 1)],
      inputs: [image],
      domains: [QONNX],
      opset: 9,
      irVersion: 4,
    });
    expect((await packed(old)).packed).toMatchObject([{ tensor: 'w' }]);
  });
  test('no standard operators at all', () => {
    const proto = model({ nodes: [node('Binarizer', ['x'], 'y', {}, 'ai.onnx.ml')], tensors: [], inputs: [rows] });
    proto.opset_import = [{ domain: 'ai.onnx.ml', version: 1 }];
    expect(() => packOnnx(encodeModel(proto))).toThrow('expected layers of the standard operators, got a model of ai.onnx.ml only');
  });
});

/** Layers that are packed in each, and its size before and after in kB. */
for (const [name, layers, before, after] of [
  ['xnor.dy', 2, 234, 24],
  ['bq_act.ts.qonnx', 3, 36, 9],
  ['h_asinputs', 1, 74, 6],
  ['cond.ts', 2, 38, 7],
  ['h_if_outer', 2, 148, 9],
  ['h_ct_group', 1, 19, 5],
  ['tied.dy', 1, 52, 6],
  ['dorefa.dy', 2, 234, 24],
  ['react.ts', 2, 234, 24],
  ['h_dq_int8', 1, 19, 6],
  ['h_group128', 1, 131, 9],
  ['h_cast_fp16', 1, 37, 6],
  ['h_func_arg', 2, 74, 7],
  ['h_fp16in', 1, 17, 4],
  ['h_strin', 1, 17, 5],
  ['h_statepad', 1, 165, 137],
] as const) {
  testWith(`cases/onnx/${name}.onnx`, `${name}: ${before} to ${after} kB`, async (path) => {
    const read = externalReader(path);
    const result = packOnnx(readFileSync(path), {
      external: { read, nameData: () => 'out.onnx.data' },
      tolerance: name === 'react.ts' ? 1e-6 : 0,
    });
    expect(result.packed).toHaveLength(layers);
    const out = join(folder, 'out.onnx');
    writeFileSync(out, result.model);
    if (result.data) writeFileSync(join(dirname(out), 'out.onnx.data'), result.data);
    const { relError, weights } = await verifyPack(out, { original: path, packed: result.packed, read });
    expect(relError).toBeLessThan(1e-6);
    expect(weights.difference).toBeLessThan(2e-6);
    expect((result.model.length + (result.data?.length ?? 0)) / 1000).toBeLessThan(after);
  });
}

for (const [name, why] of [
  ['h_random', 'the model is not deterministic: two runs of the original on the same inputs differ'],
  ['h_optin', 'input s is a sequence of float32 tensors, which cannot be random'],
] as const) {
  testWith(`cases/onnx/${name}.onnx`, `${name}: weights are compared, and it is said why outputs are not`, async (path) => {
    const result = packOnnx(readFileSync(path));
    writeFileSync(join(folder, 'out.onnx'), result.model);
    expect(await verifyPack(join(folder, 'out.onnx'), { original: path, packed: result.packed })).toMatchObject({
      unproven: why,
      relError: null,
      weights: { difference: 0 },
    });
  });
}

testWith(
  'cases/onnx/h_fixedfree.onnx',
  'a length that only some values satisfy: said what was tried, and taken from the user',
  async (path) => {
    const result = packOnnx(readFileSync(path));
    const out = join(folder, 'out.onnx');
    writeFileSync(out, result.model);
    await expect(verifyPack(out, { original: path, packed: result.packed })).rejects.toThrow(
      /of n = 32, 224, .* \(choose others with --shape n=N\)/,
    );
    expect(await verifyPack(out, { original: path, packed: result.packed, sizes: { n: [77] } })).toMatchObject({
      relError: 0,
      inputs: { x: [1, 77, 64] },
    });
    expect(await verifyPack(out, { original: path, packed: result.packed, sizes: { x: [2, 77, 64] } })).toMatchObject({
      relError: 0,
      inputs: { x: [2, 77, 64] },
    });
    await expect(verifyPack(out, { original: path, packed: result.packed, sizes: { m: [77] } })).rejects.toThrow(
      '--shape m: expected an input or a dimension (x, b, n), got neither',
    );
  },
);
