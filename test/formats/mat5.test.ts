import { createHash, type Hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { deflateSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { type MatArray, type NumericData, readMat5 } from '../../src/formats/mat5.ts';
import { models, testWith } from '../shared.ts';
import { type MatFileOptions, matFile, numeric, type Value, Writer } from './mat5-file.ts';

const fixture = (name: string) => readFileSync(new URL(`fixtures/${name}`, import.meta.url));
const rows = ({ data }: { data: NumericData }) => Array.from(data);

const layouts: readonly MatFileOptions[] = [
  { littleEndian: true },
  { littleEndian: false },
  { littleEndian: true, compressed: true },
  { littleEndian: false, compressed: true },
];

describe.each(layouts)('%o', (layout) => {
  const read = (value: Value) => readMat5(matFile({ before: numeric([1, 1], Uint8Array.of(9)), x: value }, layout)).get('x');

  test.each<NumericData>([
    Float64Array.of(0.5, -1e300, 3),
    Float32Array.of(0.5, -1.25, 3),
    Int8Array.of(-1, 2, -128),
    Uint8Array.of(0, 1, 255),
    Int16Array.of(-1, 2, -32768),
    Uint16Array.of(0, 1, 65535),
    Int32Array.of(-1, 2, -(2 ** 31)),
    Uint32Array.of(0, 1, 2 ** 32 - 1),
  ])('%o', (data) => {
    const array = read(numeric([3, 1], data));
    expect(array).toEqual({ kind: 'numeric', dims: [3, 1], data });
  });

  test('cells, structs, text, empty arrays and small elements', () => {
    const one = numeric([1, 1], Float32Array.of(1.5));
    const none = numeric([0, 3], new Float64Array());
    const cell: Value = { kind: 'cell', dims: [1, 3], cells: [one, none, { kind: 'char', text: 'naïve' }] };
    const struct: Value = { kind: 'struct', dims: [1, 2], fields: { a: [one, none], b: [none, cell] } };
    const cells = [one, none, { kind: 'char', dims: [1, 5], text: 'naïve' }];
    expect(read(struct)).toEqual({
      kind: 'struct',
      dims: [1, 2],
      fields: new Map([
        ['a', [one, none]],
        ['b', [none, { kind: 'cell', dims: [1, 3], cells }]],
      ]),
    });
  });

  test('logical arrays are numbers', () => {
    expect(read({ kind: 'numeric', dims: [1, 2], data: Uint8Array.of(1, 0), logical: true })).toMatchObject({ data: Uint8Array.of(1, 0) });
  });
});

test('a file of scipy', () => {
  const file = readMat5(fixture('scipy.mat'));
  const numbers = (name: string) => {
    const array = file.get(name);
    return array?.kind === 'numeric' ? [array.dims, rows(array)] : array;
  };
  expect([...file.keys()]).toEqual(['doubles', 'ints', 'wide', 'flags', 'text', 'cells', 'record', 'complex', 'sparse']);
  expect(numbers('doubles')).toEqual([
    [2, 3],
    [0, 3, 1, 4, 2, 5],
  ]);
  expect(numbers('ints')).toEqual([
    [2, 2],
    [1, 300, -2, -70000],
  ]);
  expect(numbers('wide')).toEqual([
    [1, 2],
    [2 ** 40, -5],
  ]);
  expect(numbers('flags')).toEqual([
    [1, 3],
    [1, 0, 1],
  ]);
  expect(file.get('text')).toMatchObject({ kind: 'char', text: 'naïve' });
  expect(file.get('cells')).toMatchObject({ kind: 'cell', cells: [{ data: Uint8Array.of(7) }, { kind: 'char', text: 'ab' }] });
  const record = file.get('record');
  expect(record?.kind === 'struct' && record.fields.get('a')).toMatchObject([{ data: Float32Array.of(1.5) }]);
  expect(record?.kind === 'struct' && record.fields.get('b')).toMatchObject([{ dims: [0, 3] }]);
  expect(file.get('complex')).toEqual({ kind: 'unsupported', dims: [1, 1], className: 'complex' });
  expect(file.get('sparse')).toEqual({ kind: 'unsupported', dims: [2, 2], className: 'sparse' });
});

/** Sizes, then the elements as float64 in column-major order; see digests.py. */
function feed(digest: Hash, array: MatArray): void {
  if (array.kind === 'char') return void digest.update(array.text);
  digest.update(`${array.dims.join('x')};`);
  if (array.kind === 'numeric') digest.update(new Uint8Array(Float64Array.from(array.data).buffer));
  if (array.kind === 'cell') for (const cell of array.cells) feed(digest, cell);
  if (array.kind === 'struct') {
    for (const [name, values] of array.fields) {
      digest.update(`${name}:`);
      for (const value of values) feed(digest, value);
    }
  }
}

// Digests of what scipy.io.loadmat reads: test/converters/digests.py.
describe("the author's files hold what scipy reads", () => {
  const digests = {
    keras: 'a9a15e82220768763fb75e1383a9e8e2525f8ec4e0e6b71b8d3064827ec619ce',
    matlab: '2ba5b23da7e2f39fcaa6130d5dece2e95bf33ac13b95d0d5086faf3c1a1f7c21',
  };
  for (const dialect of ['keras', 'matlab'] as const) {
    testWith(models[dialect], dialect, async (path) => {
      const digest = createHash('sha256');
      for (const [name, array] of readMat5(await readFile(path))) {
        digest.update(`${name}=`);
        feed(digest, array);
      }
      expect(digest.digest('hex')).toBe(digests[dialect]);
    });
  }
});

describe('what is not read', () => {
  const one = numeric([1, 1], Uint8Array.of(1));
  const little = new Writer(true);
  const header = (version: number, mark = 0x4d49) => Buffer.concat([Buffer.alloc(124, ' '), little.words(2, [version, mark])]);
  const file = (...elements: Uint8Array[]) => Buffer.concat([header(0x0100), ...elements]);
  const raw = (classAndFlags: number, dims: readonly number[], body: Uint8Array = Buffer.alloc(0)) =>
    matFile({ x: { kind: 'raw', classAndFlags, dims, body } });

  test.each([
    ['sparse', 5],
    ['object', 3],
    ['function handle', 16],
    ['opaque', 17],
    ['complex', 6 + 0x800],
  ])('%s arrays are reported as such', (className, classAndFlags) => {
    expect(readMat5(raw(classAndFlags, [2, 2])).get('x')).toMatchObject({ kind: 'unsupported', className });
  });

  test.each<[string, Uint8Array, string]>([
    ['text', Buffer.from('no MAT file'.padEnd(200)), 'mat5 header: expected a MAT 5 file, got no endian indicator (IM or MI)'],
    [
      'MAT 7.3',
      header(0x0200),
      "mat5 header: expected a MAT 5 file, got MAT 7.3, which is HDF5. Save it again in MATLAB with the option '-v7'",
    ],
    ['a later version', header(0x0300), 'mat5 header: expected version 256, got 768'],
    ['an element that is no variable', file(little.element(2, Buffer.alloc(8))), 'expected a variable, got element type 2'],
    [
      'a compressed element that is no array',
      file(little.tagged(15, deflateSync(little.element(2, Buffer.alloc(8))))),
      'got element type 2',
    ],
    ['compressed data that is not zlib', file(little.tagged(15, Buffer.alloc(9, 7))), 'mat5 compressed variable: expected zlib data'],
    ['a name twice', Buffer.concat([matFile({ x: one }), matFile({ x: one }).subarray(128)]), 'variable x: expected it once, got it twice'],
    ['an unknown class', raw(18, [1, 1]), 'expected an array class from 1 to 17, got 18'],
    ['a negative size', raw(6, [-1, 1]), 'expected at least two sizes, got [-1, 1]'],
    ['one size', raw(6, [1]), 'expected at least two sizes, got [1]'],
    ['sizes beyond 2^53', raw(6, Array(9).fill(65535)), 'expected at least two sizes'],
    ['too few numbers', raw(6, [2, 2], little.element(9, Buffer.alloc(24))), 'expected 4 numbers, got 3'],
    ['a number cut', raw(6, [1, 1], little.element(9, Buffer.alloc(7))), 'expected a multiple of 8 bytes, got 7'],
    ['numbers of an unknown type', raw(6, [1, 1], little.element(8, Buffer.alloc(8))), 'expected numbers, got element type 8'],
    ['text of an unknown type', raw(4, [1, 1], little.element(9, Buffer.alloc(8))), 'expected characters, got element type 9'],
    ['more cells than bytes', raw(1, [2 ** 20, 2 ** 10]), 'expected 1073741824 arrays, got 0 bytes left'],
    ['a cell that is no array', raw(1, [1, 1], little.element(9, Buffer.alloc(8))), 'expected an array, got element type 9'],
    ['a small element of 5 bytes', file(little.words(4, [5 * 0x10000 + 2, 0])), 'expected a small element of at most 4 bytes, got 5'],
    [
      'a length beyond the file',
      file(little.words(4, [14, 100])),
      'mat5 at byte 136: expected 100 bytes of an element, got 0 left in the file',
    ],
    [
      'names of no length',
      raw(2, [1, 1], Buffer.concat([little.element(5, little.words(4, [0])), little.element(1, Buffer.alloc(8))])),
      'field names of 0 bytes',
    ],
  ])('%s', (_, bytes, message) => {
    expect(() => readMat5(bytes)).toThrow(message);
  });

  test('nesting without end', () => {
    let value: Value = one;
    for (let depth = 0; depth < 17; depth++) value = { kind: 'cell', dims: [1, 1], cells: [value] };
    expect(() => readMat5(matFile({ x: value }))).toThrow('expected at most 16 nested arrays, got more');
  });

  test.each<[string, Uint8Array, string]>([
    ['sizes', raw(6, Array(33).fill(1)), 'expected at most 32 sizes, got 33'],
    ['text', matFile({ x: { kind: 'char', text: 'x'.repeat(2 ** 20 + 1) } }), 'expected at most 1048576 bytes of text, got 1048577'],
    ['a name', matFile({ ['x'.repeat(2 ** 20 + 1)]: one }), 'expected at most 1048576 bytes of text, got 1048577'],
    [
      'fields',
      raw(2, [0, 0], Buffer.concat([little.element(5, little.words(4, [1])), little.element(1, Buffer.alloc(100_001))])),
      'expected at most 100000 arrays and fields, got more',
    ],
  ])('%s without end', (_, bytes, message) => {
    expect(() => readMat5(bytes)).toThrow(message);
  });

  test('arrays without end', () => {
    const many: Value = { kind: 'cell', dims: [1, 100_000], cells: Array(100_000).fill(one) };
    expect(() => readMat5(matFile({ x: many }))).toThrow('expected at most 100000 arrays and fields, got more');
  });

  test('a decompression bomb stops at its limit, of one variable and of many', () => {
    const zeros = numeric([1, 2 ** 20], new Uint8Array(2 ** 20));
    const names = [...'abcdefgh'];
    const whole = matFile({ x: numeric([1, 2 ** 28], new Uint8Array(2 ** 28)) }, { compressed: true });
    const parts = matFile(Object.fromEntries(names.map((name) => [name, zeros])), { compressed: true });
    for (const bomb of [whole, parts])
      expect(() => readMat5(bomb)).toThrow('mat5 compressed variable: expected at most 64 times the file size after inflation, got more');
    expect(readMat5(matFile({ x: zeros }, { compressed: true })).size).toBe(1);
  });
});

test('names of Object.prototype are names like others', () => {
  const one = numeric([1, 1], Uint8Array.of(1));
  const fields = JSON.parse('{"__proto__": 1}') as Record<string, readonly Value[]>;
  Object.defineProperty(fields, '__proto__', { value: [one], enumerable: true });
  const variables = Object.defineProperty({ constructor: { kind: 'struct', dims: [1, 1], fields } as Value }, '__proto__', {
    value: one,
    enumerable: true,
  });
  const file = readMat5(matFile(variables));
  expect([...file.keys()]).toEqual(['constructor', '__proto__']);
  expect(file.get('constructor')).toMatchObject({ fields: new Map([['__proto__', [one]]]) });
  expect(Object.keys(Object.prototype)).toEqual([]);
});
