import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { inspect } from '../../../converters/inspect/inspect.ts';
import { type FormName, forms } from '../../../converters/onnx/forms/table.ts';
import { fromOnnx, readOnnxModel } from '../../../converters/onnx/read.ts';
import { toOnnx, toOnnxProto } from '../../../converters/onnx/write.ts';
import { decodeModel, encodeModel, type ModelProto, type TensorProto } from '../../../proto/onnx.ts';
import { InputError } from '../../../src/errors.ts';
import { randomModel } from '../../network/random-model.ts';

const model = randomModel({ width: 1 / 16 });
const exported = (form: FormName = 'packed') => toOnnxProto(model, { form, input: 'nchw-float' });

/** The exported file with one initializer or one line of metadata changed. */
function changed({ name, key, ...change }: { name?: string; key?: string } & Partial<TensorProto> & { value?: string }): ModelProto {
  const proto = exported(name?.endsWith('.kernel') ? 'dense' : 'packed');
  for (const tensor of proto.graph?.initializer ?? []) if (tensor.name === name) Object.assign(tensor, change);
  for (const entry of proto.metadata_props ?? []) if (entry.key === key) Object.assign(entry, change);
  return proto;
}

describe('a file that is not what it says', () => {
  test('a parameter is missing', () => {
    const proto = exported();
    const initializer = proto.graph?.initializer?.filter((tensor) => tensor.name !== 'head.norm.mean') ?? [];
    expect(() => fromOnnx({ ...proto, graph: { ...proto.graph, initializer } })).toThrow(
      'onnx head.norm.mean: expected float32 [4], got nothing',
    );
  });

  test.each<[string, Parameters<typeof changed>[0], string]>([
    ['other shape of moments', { name: 'head.norm.mean', dims: [2, 2] }, 'onnx tensor head.norm.mean: expected shape [4], got [2, 2]'],
    ['other type of moments', { name: 'head.norm.mean', data_type: 11 }, 'onnx tensor head.norm.mean: expected float32, got double'],
    [
      'too few bytes of moments',
      { name: 'head.norm.mean', raw_data: new Uint8Array(8) },
      'onnx tensor head.norm.mean: expected 4 values, got 2',
    ],
    [
      'moments in another file',
      { name: 'head.norm.mean', external_data: [{ key: 'location', value: '/etc/passwd' }] },
      'got a reference to another file',
    ],
    [
      'a variance below zero',
      { name: 'head.norm.variance', raw_data: new Uint8Array(Float32Array.of(1, -1, 1, 1).buffer) },
      'expected non-negative variances',
    ],
    ['too few bits', { name: 'stem.conv.bits', dims: [3], raw_data: new Uint8Array(3) }, 'onnx stem.conv.kernel: expected 4 values, got 3'],
    ['bits of another type', { name: 'stem.conv.bits', data_type: 3 }, 'onnx tensor stem.conv.bits: expected uint8, got int8'],
    [
      'another shape of a kernel',
      { name: 'stem.conv.shape', raw_data: new Uint8Array(BigInt64Array.of(3n, 1n, 3n, 3n).buffer) },
      'onnx tensor stem.conv.shape: expected shape [1, 3, 3, 3], got [3, 1, 3, 3]',
    ],
    [
      'a scale that is not a number',
      { name: 'stem.conv.scale', raw_data: new Uint8Array(Float32Array.of(Number.NaN).buffer) },
      'onnx stem.conv.scale: expected finite values',
    ],
    [
      'weights of several magnitudes in one channel',
      { name: 'stem.conv.kernel', raw_data: new Uint8Array(Float32Array.from({ length: 27 }, (_, i) => i + 1).buffer) },
      'onnx stem.conv.scale: expected finite values',
    ],
    ['a configuration that is no JSON', { key: 'wrn.config', value: '{' }, 'onnx metadata wrn.config: expected JSON'],
    [
      'a configuration of another network',
      { key: 'wrn.config', value: JSON.stringify({ ...model.config, depth: 20 }) },
      'onnx group0.block1.conv0: expected the weights',
    ],
    [
      'a hostile configuration',
      { key: 'wrn.config', value: '{"__proto__":{"depth":20}}' },
      'configuration root.__proto__: expected no such field',
    ],
    ['another version', { key: 'wrn.format_version', value: '3' }, 'onnx metadata wrn.format_version: expected 1 or 2, got 3'],
    ...['toString', 'unpacked'].map((value): [string, object, string] => [
      `the form ${value}`,
      { key: 'wrn.form', value },
      `onnx metadata wrn.form: expected packed or inline or dense or qonnx or int8 or int8-amx or fp16, got ${value}`,
    ]),
    [
      'an unknown layout',
      { key: 'wrn.input_layout', value: 'chw' },
      'onnx metadata wrn.input_layout: expected nchw-float or nhwc-uint8, got chw',
    ],
  ])('%s', (_, change, message) => {
    expect(() => fromOnnx(changed(change))).toThrow(InputError);
    expect(() => fromOnnx(changed(change))).toThrow(message);
  });

  test('class labels and accuracy that do not fit', () => {
    const about = (value: object) =>
      fromOnnx(toOnnxProto({ ...model, about: { dialect: 'x', ...value } }, { form: 'packed', input: 'nchw-float' }));
    expect(() => about({ classLabels: ['cat'] })).toThrow('onnx metadata wrn.class_labels: expected a list of 10, got ["cat"]');
    expect(() => about({ testAccuracy: 96.25 })).toThrow('onnx metadata wrn.test_accuracy: expected a number from 0 to 1, got 96.25');
  });

  test('a file of someone else', () => {
    expect(() => fromOnnx({ ...exported(), metadata_props: [] })).toThrow('onnx metadata: expected a file exported by wrn-onnx');
  });

  test('a form that rounds its numbers', () => {
    const proto = exported();
    for (const entry of proto.metadata_props ?? []) if (entry.key === 'wrn.form') entry.value = 'int8';
    expect(() => fromOnnx(proto)).toThrow(/onnx metadata wrn.form: expected a form that keeps every number \(packed, .*\), got int8/);
  });
});

test('a file that another tool wrote again in typed fields reads the same', () => {
  const proto = exported();
  for (const tensor of proto.graph?.initializer ?? []) {
    const raw = tensor.raw_data ?? new Uint8Array();
    if (tensor.data_type === 1) tensor.float_data = [...new Float32Array(raw.slice().buffer)];
    if (tensor.data_type === 2) tensor.int32_data = [...raw];
    if (tensor.data_type === 7) tensor.int64_data = [...new BigInt64Array(raw.slice().buffer)].map(Number);
    delete tensor.raw_data;
  }
  expect(readOnnxModel(encodeModel(proto)).tensors).toEqual(fromOnnx(exported()).tensors);
});

describe.each(Object.keys(forms) as FormName[])('damaged %s files end in an InputError or a model', (form) => {
  const file = toOnnx(model, { form, input: 'nchw-float' });

  const survives = (data: Uint8Array) => {
    for (const read of [readOnnxModel, inspect]) {
      try {
        read(data);
      } catch (error) {
        expect(error).toBeInstanceOf(InputError);
      }
    }
  };

  test('cut at every byte', () => {
    for (let length = 0; length < file.length; length += form === 'packed' ? 1 : 7) survives(file.subarray(0, length));
  });

  test('bytes changed to anything', () => {
    const change = fc.tuple(fc.nat(file.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const damaged = file.slice();
        for (const [at, value] of changes) damaged[at] = value;
        survives(damaged);
      }),
      { numRuns: 500 },
    );
  });
});

test('decoding an exported file loses nothing', () => {
  const file = toOnnx(model, { form: 'packed', input: 'nchw-float' });
  expect(Buffer.compare(encodeModel(decodeModel(file)), file)).toBe(0);
});
