/** The digest of all weights, computed here as docs/format.md says. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { inspect } from '../../../converters/inspect/inspect.ts';
import { toFp16Proto } from '../../../converters/onnx/forms/fp16/to-fp16.ts';
import { toInt8Onnx } from '../../../converters/onnx/forms/int8/to-int8.ts';
import { packOnnx } from '../../../converters/onnx/pack/pack.ts';
import { unpackOnnx } from '../../../converters/onnx/pack/unpack.ts';
import { toOnnx } from '../../../converters/onnx/write.ts';
import { decodeModel, encodeModel, type TensorProto } from '../../../proto/onnx.ts';
import { InputError } from '../../../src/errors.ts';
import { readModelFile, writeModelFile } from '../../../src/network/model-file.ts';
import { randomImages, randomModel } from '../../network/random-model.ts';
import { rangesOf } from '../../onebit/ranges.ts';
import { file, node, signs, value } from './foreign-model.ts';

const model = randomModel();
const KEY = 'wrn.weights_sha256';

function stated(bytes: Uint8Array): string | undefined {
  return decodeModel(bytes).metadata_props?.find(({ key }) => key === KEY)?.value ?? undefined;
}

/** The formula of docs/format.md, over the kernels of a model. */
function expected({ tensors }: typeof model): string {
  const hash = createHash('sha256');
  for (const [name, { dtype, shape, data }] of tensors)
    if (name.endsWith('.kernel'))
      hash
        .update(`${name.replace('.kernel', '')} ${shape.join('x')} ${dtype}\n`)
        .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return hash.digest('hex');
}

/** The same file with one bit of one stored tensor flipped. */
function flipped(bytes: Uint8Array, name: string, at: number, bit: number): Uint8Array {
  const proto = decodeModel(bytes.slice()); // tensors are views
  const raw = proto.graph?.initializer?.find((tensor: TensorProto) => tensor.name === name)?.raw_data as Uint8Array;
  raw[at] = (raw[at] as number) ^ bit;
  return encodeModel(proto);
}

describe.each([
  ['packed', 'group1.block0.conv1.bits', 5, 1],
  ['inline', 'group1.block0.conv1.bits', 5, 1],
  ['dense', 'group1.block0.conv1.kernel', 7, 0x80],
  ['qonnx', 'group1.block0.conv1.sign', 7, 0x80],
] as const)('%s', (form, tensor, at, bit) => {
  const bytes = toOnnx(model, { form, input: 'nchw-float' });
  test('states the digest of the kernels', () => expect(stated(bytes)).toBe(expected(model)));
  test('one flipped sign is found', () => {
    expect(inspect(bytes).kind).toBe(form);
    expect(() => inspect(flipped(bytes, tensor, at, bit))).toThrow(
      /metadata wrn\.weights_sha256: expected weights with the digest [0-9a-f]{64}, got/,
    );
  });
  test('so is one flipped bit of any other number, in a batch norm for example', () => {
    const norm = decodeModel(bytes).graph?.initializer?.find(({ name }) => /norm/.test(name ?? ''))?.name as string;
    expect(() => inspect(flipped(bytes, norm, 0, 1))).toThrow(/metadata wrn\.tensors_sha256: expected stored numbers with the digest/);
  });
  test('tensors that another program has renamed are its own affair', () => {
    const proto = decodeModel(bytes);
    const norm = proto.graph?.initializer?.find(({ name }) => /norm/.test(name ?? '')) as TensorProto;
    for (const node of proto.graph?.node ?? []) node.input = node.input?.map((name) => (name === norm.name ? 'other' : name)) ?? [];
    norm.name = 'other';
    expect(inspect(encodeModel(proto)).kind).toBe(form);
  });
  test('a file without it is read', () => {
    const proto = decodeModel(bytes);
    proto.metadata_props = proto.metadata_props?.filter(({ key }) => !/_sha256$/.test(key ?? '')) ?? [];
    expect(inspect(encodeModel(proto)).kind).toBe(form);
  });
});

test('float16 keeps every bit, and so the digest', () => {
  expect(stated(encodeModel(toFp16Proto(model)))).toBe(expected(model));
});

test('the ranges of int8 activations and the scales of their kernels', () => {
  for (const zeroPoint of [0, 1] as const) {
    const bytes = toInt8Onnx(model, { ranges: rangesOf(model, randomImages(model.config, 2), 2), zeroPoint });
    expect(inspect(bytes).kind).toBe(zeroPoint ? 'int8-amx' : 'int8');
    for (const { name, raw_data } of decodeModel(bytes).graph?.initializer ?? [])
      if (raw_data?.length) expect(() => inspect(flipped(bytes, name as string, raw_data.length - 1, 1)), name ?? '').toThrow(InputError);
  }
});

test('kernels of 32 bits', () => {
  const float = randomModel({ endBits: 32 });
  expect(stated(toOnnx(float, { form: 'packed', input: 'nchw-float' }))).toBe(expected(float));
});

test('a model file states it, and is refused when a bit is another', () => {
  const bytes = writeModelFile(model);
  expect(Buffer.from(bytes).toString('latin1')).toContain(`"${KEY}":"${expected(model)}"`);
  const { tensors } = readModelFile(bytes);
  const kernel = tensors.get('stem.conv.kernel')?.data as Uint8Array;
  const at = Buffer.from(bytes).indexOf(Buffer.from(kernel));
  bytes[at] = (bytes[at] as number) ^ 1;
  expect(() => readModelFile(bytes)).toThrow('expected weights with the digest');
});

test('a file of others that pack wrote: names of its tensors, in the order of its nodes; gone when it is unpacked', () => {
  const [v, w] = [signs('v', [64, 32]), signs('w', [32, 64])];
  const original = file({
    nodes: [node('MatMul', ['x', 'v'], 'h'), node('MatMul', ['h', 'w'], 'y')],
    tensors: [w, v],
    inputs: [value('x', ['n', 64])],
  });
  const { model: bytes } = packOnnx(original);
  const bits = (name: string) =>
    decodeModel(bytes).graph?.initializer?.find((tensor) => tensor.name === `${name}.bits`)?.raw_data as Uint8Array;
  const hash = createHash('sha256').update('v 64x32 bits\n').update(bits('v')).update('w 32x64 bits\n').update(bits('w'));
  expect(stated(bytes)).toBe(hash.digest('hex'));
  expect(stated(packOnnx(original, { inline: true }).model)).toBe(stated(bytes));
  expect(() => inspect(flipped(bytes, 'v.bits', 3, 16))).toThrow('The file was changed or damaged');
  expect(stated(unpackOnnx(bytes).model)).toBeUndefined();
});
