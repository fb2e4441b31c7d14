import { describe, expect, test } from 'vitest';
import { toFp16Onnx } from '../../converters/onnx/forms/fp16/to-fp16.ts';
import { planInt8 } from '../../converters/onnx/forms/int8/plan.ts';
import { toInt8Onnx } from '../../converters/onnx/forms/int8/to-int8.ts';
import { toOnnx } from '../../converters/onnx/write.ts';
import { decodeModel, encodeModel, type TensorProto } from '../../proto/onnx.ts';
import { InputError } from '../../src/errors.ts';
import { readOneBitFile } from '../../src/onebit/file.ts';
import { plan } from '../../src/onebit/plan.ts';
import { random, randomModel } from '../network/random-model.ts';

const model = randomModel();
const input = 'nchw-float';
const packed = toOnnx(model, { form: 'packed', input });
const ranges = new Map(planInt8(model).tensors.map(({ name }) => [name, { low: -3, high: 3 }]));
const int8 = toInt8Onnx(model, { ranges, input });

/** Everything that happens to a file before there is memory. */
const open = (file: Uint8Array, batch = 1) => plan(readOneBitFile(file), { threads: 1, batch });

test.each([
  [
    'dense',
    toOnnx(model, { form: 'dense', input }),
    'metadata wrn.form: expected packed, inline, int8, int8-amx, got dense. Export the model',
  ],
  ['qonnx', toOnnx(model, { form: 'qonnx', input }), 'got qonnx. Export the model'],
  ['fp16', toFp16Onnx(model, { input }), 'got fp16. Export the model'],
  [
    'without one-bit weights',
    toOnnx(randomModel({ bits: 32, endBits: 32 }), { form: 'packed', input }),
    'expected one-bit weights, got 32',
  ],
  ['of others', encodeModel({ graph: {}, opset_import: [{ version: 17 }] }), 'got none of its metadata. Run it with onnxruntime'],
  ['that is empty', new Uint8Array(), 'got none of its metadata'],
  ['that is text', new TextEncoder().encode('<!doctype html>'), 'onnx model, byte'],
])('a file %s is refused with what to do', (_, file, message) => {
  expect(() => open(file)).toThrow(InputError);
  expect(() => open(file)).toThrow(message);
});

/** The file with one tensor changed. */
function changed(file: Uint8Array, name: string, change: (tensor: TensorProto) => Partial<TensorProto> | undefined): Uint8Array {
  const proto = decodeModel(file);
  if (proto.graph) {
    proto.graph.initializer = (proto.graph.initializer ?? []).flatMap((tensor) => {
      const fields = tensor.name === name ? change(tensor) : {};
      return fields ? [{ ...tensor, ...fields }] : [];
    });
  }
  return encodeModel(proto);
}

const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);

test.each([
  ['missing bits', packed, 'stem.conv.bits', () => undefined, 'tensor stem.conv.bits: expected'],
  [
    'another shape',
    packed,
    'stem.conv.shape',
    () => ({ raw_data: new Uint8Array(32) }),
    'tensor stem.conv.shape: expected [4, 3, 3, 3], got [0',
  ],
  ['another type', packed, 'stem.conv.scale', () => ({ data_type: 10 }), 'tensor stem.conv.scale: expected float32, got data type 10'],
  ['other sizes', packed, 'stem.conv.scale', () => ({ dims: [7] }), 'tensor stem.conv.scale: expected 1 or 4 values, got 7'],
  ['fewer bytes', packed, 'stem.conv.scale', () => ({ raw_data: new Uint8Array(3) }), 'tensor stem.conv.scale: expected 4 bytes, got 3'],
  ['no number', packed, 'stem.conv.scale', () => ({ raw_data: floats(Number.NaN) }), 'expected finite values, got NaN at index 0'],
  [
    'a negative variance',
    packed,
    'input.norm.variance',
    () => ({ raw_data: floats(1, -1, 1) }),
    'expected variances of at least 0, got -1 at',
  ],
  ['a scale of 0', int8, 'group0.block0.relu0.q_scale', () => ({ raw_data: floats(0) }), 'expected a scale above 0, got 0'],
  [
    'a missing norm',
    int8,
    'group0.block0.norm0.mean',
    () => undefined,
    'tensor group0.block0.norm0.mean: expected 4 values of float32, got',
  ],
])('%s is an error that names the tensor', (_, file, name, change, message) => {
  const bad = changed(file, name, change);
  expect(() => open(bad)).toThrow(InputError);
  expect(() => open(bad)).toThrow(message);
});

test('the bytes may be a part of a larger Buffer', () => {
  const inside = Buffer.concat([Buffer.alloc(3), packed, Buffer.alloc(5)]).subarray(3, 3 + packed.length);
  expect(open(inside).bytes).toBe(open(packed).bytes);
  expect(readOneBitFile(inside).floats('stem.conv.scale', 1)).toEqual(readOneBitFile(packed).floats('stem.conv.scale', 1));
});

test('a network beyond what memory there can be is refused before there is any', () => {
  const proto = decodeModel(packed);
  for (const pair of proto.metadata_props ?? []) {
    if (pair.key === 'wrn.config') pair.value = (pair.value ?? '').replace(/"height":\d+,"width":\d+/, '"height":4096,"width":4096');
  }
  expect(() => open(encodeModel(proto), 8)).toThrow('expected a network of at most 2 GiB');
});

describe.each([
  ['packed', packed],
  ['int8', int8],
])('hostile %s', (_, file) => {
  const opens = (bytes: Uint8Array) => {
    try {
      open(bytes);
    } catch (error) {
      expect(error).toBeInstanceOf(InputError);
    }
  };

  test('cut off anywhere', () => {
    for (let length = 0; length < file.length; length += 7) opens(file.subarray(0, length));
  });

  test('with bytes that are others', () => {
    const next = random(5);
    for (let i = 0; i < 500; i++) {
      const bytes = file.slice();
      bytes[Math.floor(next() * bytes.length)] = Math.floor(next() * 256);
      opens(bytes);
    }
  });
});
