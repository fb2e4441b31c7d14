import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import protobuf, { type Field, type Type } from 'protobufjs';
import { describe, expect, test } from 'vitest';
import { decodeModel, encodeModel, type ModelProto, toNumber } from '../../proto/onnx.ts';
import { InputError } from '../../src/errors.ts';

/** Smallest thing that `decodeModel` takes: an empty graph and one operator set. */
const minimal = (extra: ModelProto = {}): ModelProto => ({ graph: {}, opset_import: [{ domain: '', version: 17 }], ...extra });
const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
const hex = (data: Uint8Array) => Buffer.from(data).toString('hex');

/** A field that holds bytes or a message in protobuf's wire format: key, length, content. */
function nest(key: number, content: Uint8Array): Uint8Array {
  const varint: number[] = [];
  for (let rest = content.length; ; rest >>>= 7) {
    varint.push(rest > 127 ? (rest & 127) | 128 : rest);
    if (rest <= 127) break;
  }
  return Buffer.concat([Uint8Array.of(key, ...varint), content]);
}

describe('wire format', () => {
  // Written by hand from the encoding rules of protobuf: key = field number << 3 | wire type.
  test('field numbers and wire types of a small model', () => {
    const model = minimal({
      ir_version: 8,
      graph: { node: [{ input: ['x'], output: ['y'], op_type: 'Relu' }], name: 'g' },
      metadata_props: [{ key: 'k', value: 'v' }],
    });
    const node = '0a0178 120179 220452656c75';
    expect(hex(encodeModel(model))).toBe(hex(bytes(`0808 3a11 0a0c ${node} 120167 4204 0a00 1011 7206 0a016b 120176`)));
  });

  test('repeated integers are read packed and unpacked', () => {
    const graph = (dims: string) =>
      bytes(
        `3a${(dims.length / 2 + 4).toString(16).padStart(2, '0')} 2a${(dims.length / 2).toString(16).padStart(2, '0')} ${dims} 1200 42020a00`,
      );
    for (const dims of ['08030804', '0a020304']) {
      expect(decodeModel(graph(dims)).graph?.initializer?.[0]?.dims?.map((d) => toNumber(d))).toEqual([3, 4]);
    }
  });

  test.each([2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n), -1n])('int64 %s is kept exactly', (value) => {
    let rest = BigInt.asUintN(64, value);
    const varint: number[] = [];
    for (; rest > 127n; rest >>= 7n) varint.push(Number(rest & 127n) | 128);
    varint.push(Number(rest));
    const file = Buffer.concat([nest(0x3a, new Uint8Array()), bytes('42020a00'), Uint8Array.of(0x28, ...varint)]);
    const model = decodeModel(file);
    expect(String(model.model_version)).toBe(String(value));
    expect(String(decodeModel(encodeModel(model)).model_version)).toBe(String(value));
    if (value !== -1n)
      expect(() => toNumber(model.model_version, 'model_version')).toThrow('onnx model_version: expected an integer below 2^53');
  });
});

let choices = 0;

/** Every field of every message filled, messages that contain themselves down to `depth`; the members of a choice (oneof) in turn. */
function filled(type: Type, depth: number): Record<string, unknown> {
  const value = (field: Field, i: number): unknown => {
    const resolved = field.resolve().resolvedType;
    if (resolved instanceof protobuf.Type) return depth > 0 ? filled(resolved, depth - 1) : {};
    if (resolved instanceof protobuf.Enum) return Object.values(resolved.values).at(-1);
    if (field.type === 'string') return `${field.name} ${i}`;
    if (field.type === 'bytes') return Uint8Array.of(0, 255, i);
    if (field.type === 'float' || field.type === 'double') return i + 0.5;
    return field.id * 100 + i;
  };
  const chosen = new Map(type.oneofsArray.map((oneof) => [oneof, oneof.fieldsArray[choices++ % oneof.fieldsArray.length]]));
  return Object.fromEntries(
    type.fieldsArray.flatMap((field) => {
      if (field.partOf && field !== chosen.get(field.partOf)) return [];
      return [[field.name, field.repeated ? [value(field, 1), value(field, 2)] : value(field, 1)]];
    }),
  );
}

test('every field of the schema survives reading and writing', () => {
  const root = new protobuf.Root().loadSync(fileURLToPath(new URL('../../proto/onnx.proto', import.meta.url)), { keepCase: true });
  root.resolveAll();
  const type = root.lookupType('onnx.ModelProto');
  const file = type.encode(type.create(filled(type, 6))).finish();
  expect(file.length).toBeGreaterThan(100_000);
  expect(Buffer.compare(encodeModel(decodeModel(file)), file)).toBe(0);
});

test('fields that the schema does not know survive, in the file and in a node', () => {
  const unknown = '9a3f 03 010203 a03f 2a'; // fields 1011 (bytes) and 1012 (varint)
  const node = nest(0x0a, bytes(`2204 52656c75 ${unknown}`));
  const file = Buffer.concat([nest(0x3a, node), bytes('42020a00'), bytes(unknown)]);
  expect(hex(encodeModel(decodeModel(file)))).toBe(hex(file));
});

test('the same model gives the same bytes, and data are plain Uint8Arrays wherever they came from', () => {
  const raw = Uint8Array.of(1, 2, 3, 4);
  const model = minimal({ graph: { initializer: [{ name: 'w', dims: [4], data_type: 2, raw_data: raw }] } });
  const file = encodeModel(model);
  expect(encodeModel(model)).toEqual(file);
  for (const source of [file, Buffer.from(file)]) {
    const data = decodeModel(source).graph?.initializer?.[0]?.raw_data;
    expect(data?.constructor).toBe(Uint8Array);
    expect(data).toEqual(raw);
  }
});

describe('bad input', () => {
  const file = encodeModel(
    minimal({
      graph: {
        node: [{ op_type: 'Conv', attribute: [{ name: 'pads', type: 7, ints: [1, 1, 1, 1] }] }],
        initializer: [{ dims: [3], raw_data: bytes('010203') }],
      },
      functions: [{ name: 'f', node: [{ op_type: 'Mul' }] }],
    }),
  );

  test.each([
    ['nothing', new Uint8Array(), 'onnx graph: expected a model with a graph, got none'],
    ['no operator set', bytes('3a00'), 'onnx opset_import: expected at least one operator set, got none'],
    ['a graph longer than the file', bytes('3a7f'), 'onnx at byte'],
    ['a length of 4 GiB', bytes('3affffffff0f'), 'onnx at byte'],
    ['field number 0', bytes('0200'), 'onnx at byte'],
    ['text', Buffer.from('not an onnx file'), 'onnx at byte'],
  ])('%s', (_, data, message) => {
    expect(() => decodeModel(data)).toThrow(InputError);
    expect(() => decodeModel(data)).toThrow(message);
  });

  test('graphs nested two thousand deep', () => {
    let graph: Uint8Array = new Uint8Array();
    for (let level = 0; level < 2000; level++) graph = nest(0x0a, nest(0x2a, nest(0x32, graph))); // node, attribute, g
    expect(() => decodeModel(Buffer.concat([nest(0x3a, graph), bytes('42020a00')]))).toThrow(
      /onnx at byte \d+: expected a protobuf message, got max depth exceeded/,
    );
  });

  const survives = (data: Uint8Array) => {
    try {
      encodeModel(decodeModel(data));
    } catch (error) {
      expect(error).toBeInstanceOf(InputError);
    }
  };

  test('cut at every byte', () => {
    for (let length = 0; length < file.length; length++) survives(file.subarray(0, length));
  });

  test('any byte changed to anything', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(file.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }), (changes) => {
        const damaged = file.slice();
        for (const [at, value] of changes) damaged[at] = value;
        survives(damaged);
      }),
      { numRuns: 3000 },
    );
  });

  test('a name cannot reach the prototype of objects', () => {
    const model = decodeModel(encodeModel(minimal({ metadata_props: [{ key: '__proto__', value: 'polluted' }] })));
    expect(model.metadata_props?.[0]?.key).toBe('__proto__');
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});
