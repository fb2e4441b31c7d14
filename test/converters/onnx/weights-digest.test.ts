/** The digest of all weights, computed here as docs/format.md says. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { inspect } from '../../../converters/inspect/inspect.ts';
import { toFp16Proto } from '../../../converters/onnx/forms/fp16/to-fp16.ts';
import { packOnnx } from '../../../converters/onnx/pack/pack.ts';
import { unpackOnnx } from '../../../converters/onnx/pack/unpack.ts';
import { toOnnx } from '../../../converters/onnx/write.ts';
import { decodeModel, encodeModel, type TensorProto } from '../../../proto/onnx.ts';
import { readModelFile, writeModelFile } from '../../../src/network/model-file.ts';
import { randomModel } from '../../network/random-model.ts';
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
  const proto = decodeModel(bytes);
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
  test('a file without it is read', () => {
    const proto = decodeModel(bytes);
    proto.metadata_props = proto.metadata_props?.filter(({ key }) => key !== KEY) ?? [];
    expect(inspect(encodeModel(proto)).kind).toBe(form);
  });
});

test('float16 keeps every bit, and so the digest', () => {
  expect(stated(encodeModel(toFp16Proto(model)))).toBe(expected(model));
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
