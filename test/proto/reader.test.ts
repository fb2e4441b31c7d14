import { expect, test } from 'vitest';
import { toOnnx } from '../../converters/onnx/write.ts';
import { DataType, decodeModel, encodeModel, type TensorProto } from '../../proto/onnx.ts';
import { readInitializers, readMetadataPairs } from '../../proto/reader.ts';
import { InputError } from '../../src/errors.ts';
import { randomModel } from '../network/random-model.ts';

const file = toOnnx(randomModel(), { form: 'packed', input: 'nchw-float' });

/** A file with this one tensor. */
const fileOf = (tensor: TensorProto) =>
  encodeModel({ graph: { initializer: [{ name: 't', data_type: DataType.INT64, ...tensor }] }, opset_import: [{ version: 17 }] });

test('pairs and tensors are those that the codec reads', () => {
  const proto = decodeModel(file);
  expect(readMetadataPairs(file)).toEqual(proto.metadata_props?.map(({ key, value }) => ({ key, value })));
  const tensors = readInitializers(file);
  const expected = proto.graph?.initializer ?? [];
  expect([...tensors.keys()]).toEqual(expected.map(({ name }) => name));
  for (const { name, dims, data_type, raw_data } of expected) {
    const got = tensors.get(name ?? '');
    expect(got).toMatchObject({ type: data_type, dims: (dims ?? []).map(Number) });
    expect(got?.raw).toEqual(new Uint8Array(raw_data ?? []));
    // Where it lies in the file: not a copy.
    expect(got?.raw.buffer).toBe(file.buffer);
  }
});

test.each([
  ['values in fields of their own type', { int64_data: [1] }],
  ['values in another file', { external_data: [{ key: 'location', value: 'weights' }] }],
])('%s are refused by the name of the tensor', (_, tensor) => {
  expect(() => readInitializers(fileOf(tensor))).toThrow(/onnx tensor t: expected the values in raw_data, got/);
});

test('sizes that no number holds exactly fit no tensor', () => {
  expect(readInitializers(fileOf({ dims: [-1] })).get('t')?.dims).toEqual([Number.POSITIVE_INFINITY]);
});

test('a name that stands twice is refused', () => {
  const proto = decodeModel(file);
  proto.graph?.initializer?.push(...(proto.graph.initializer ?? []));
  expect(() => readInitializers(encodeModel(proto))).toThrow(InputError);
});

test.each([
  ['a length that passes the end', [0x72, 5, 1], 'model, byte 2: expected at most 1 bytes, got a length of 5'],
  ['an integer without an end', [0x08, 0xff], 'model, byte 3: expected an integer, got the end of the message'],
  ['an integer of eleven bytes', [0x08, ...new Array(11).fill(0xff)], 'expected an integer of at most 10 bytes'],
  ['the field 0', [0x00, 0x00], 'expected a field number, got 0'],
  ['a group', [0x0b], 'expected a wire type of protobuf, got 3'],
  ['a number of fixed size without its bytes', [0x0d, 1], 'expected at most 1 bytes, got a length of 4'],
])('%s is an error that names the place', (_, bytes, message) => {
  expect(() => readMetadataPairs(Uint8Array.from(bytes))).toThrow(InputError);
  expect(() => readMetadataPairs(Uint8Array.from(bytes))).toThrow(message);
});
