import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isSafetensors, readSafetensors, type StoredTensor, writeSafetensors } from '../../src/formats/safetensors.ts';
import { folderWith } from '../data/crafted.ts';
import { type Environment, hasPython, python, SET_UP_TIMEOUT } from '../interop/environment.ts';

// safetensors.numpy.save (0.8.0) of matrix [[1.5, -2], [0, 3]], bytes [1, 2, 255], an empty and a scalar array, with metadata.
const official = Buffer.from(
  'IAEAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJfX3Byb3RvX18iOiJrZXB0IiwiZm9ybWF0IjoibnAifSwic2NhbGFyIjp7ImR0eXBlIjoiSTY0Iiwic2hhcGUi' +
    'OltdLCJkYXRhX29mZnNldHMiOlswLDhdfSwiZW1wdHkiOnsiZHR5cGUiOiJGNjQiLCJzaGFwZSI6WzAsNF0sImRhdGFfb2Zmc2V0cyI6WzgsOF19LCJtYXRy' +
    'aXgiOnsiZHR5cGUiOiJGMzIiLCJzaGFwZSI6WzIsMl0sImRhdGFfb2Zmc2V0cyI6WzgsMjRdfSwiYnl0ZXMiOnsiZHR5cGUiOiJVOCIsInNoYXBlIjpbM10s' +
    'ImRhdGFfb2Zmc2V0cyI6WzI0LDI3XX19ICAHAAAAAAAAAAAAwD8AAADAAAAAAAAAQEABAv8=',
  'base64',
);

test('a file of the official library', () => {
  const { metadata, tensors } = readSafetensors(official);
  expect(isSafetensors(official)).toBe(true);
  expect([...metadata]).toEqual([
    ['__proto__', 'kept'],
    ['format', 'np'],
  ]);
  expect(new Map([...tensors].map(([name, { dtype, shape }]) => [name, [dtype, shape]]))).toEqual(
    new Map([
      ['scalar', ['I64', []]],
      ['empty', ['F64', [0, 4]]],
      ['matrix', ['F32', [2, 2]]],
      ['bytes', ['U8', [3]]],
    ]),
  );
  expect(new Float32Array(tensors.get('matrix')?.bytes.slice().buffer as ArrayBuffer)).toEqual(Float32Array.of(1.5, -2, 0, 3));
  expect(tensors.get('bytes')?.bytes).toEqual(Uint8Array.of(1, 2, 255));
});

const bytes = (length: number) => Uint8Array.from({ length }, (_, i) => i);
const tensors = new Map<string, StoredTensor>([
  ['b', { dtype: 'U8', shape: [3], bytes: bytes(3) }],
  ['__proto__', { dtype: 'F32', shape: [1, 2], bytes: bytes(8) }],
  ['ä', { dtype: 'F64', shape: [], bytes: bytes(8) }],
  ['none', { dtype: 'F32', shape: [0, 7], bytes: bytes(0) }],
]);
const file = { metadata: new Map([['__proto__', '"\n']]), tensors };

test('what is written is read: names, order, shapes and bytes', () => {
  const written = writeSafetensors(file);
  const again = readSafetensors(written);
  expect([...again.metadata]).toEqual([...file.metadata]);
  expect([...again.tensors]).toEqual([...tensors]);
  expect(written).toEqual(writeSafetensors(file));
  expect(Number(new DataView(written.buffer).getBigUint64(0, true)) % 8).toBe(0);
});

const environment: Environment = { name: 'safetensors', packages: ['numpy==2.4.6', 'safetensors==0.8.0'] };
test.skipIf(!hasPython)(
  `the official library reads what is written${hasPython ? '' : ' [needs Python 3.11 with venv]'}`,
  async () => {
    const folder = await folderWith();
    await writeFile(join(folder, 'x'), writeSafetensors(file));
    const script = `import json, safetensors
with safetensors.safe_open('x', 'np') as f: print(json.dumps([f.metadata(), {k: [str(f.get_tensor(k).dtype), f.get_tensor(k).shape, f.get_tensor(k).tobytes().hex()] for k in f.keys()}]))`;
    const [metadata, read] = JSON.parse(execFileSync(await python(environment), ['-c', script], { cwd: folder, encoding: 'utf8' }));
    expect(Object.entries(metadata)).toEqual([...file.metadata]);
    expect(new Map(Object.entries(read))).toEqual(
      new Map([
        ['b', ['uint8', [3], '000102']],
        ['__proto__', ['float32', [1, 2], '0001020304050607']],
        ['ä', ['float64', [], '0001020304050607']],
        ['none', ['float32', [0, 7], '']],
      ]),
    );
  },
  SET_UP_TIMEOUT,
);

describe('what does not add up', () => {
  /** A file of this header, whatever it says. */
  const crafted = (header: unknown, data = 4) => {
    const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    return Buffer.concat([length, text, Buffer.alloc(data)]);
  };
  const entry = (change: object) => ({ x: { dtype: 'F32', shape: [1], data_offsets: [0, 4], ...change } });
  const nested = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;

  test.each<[string, Uint8Array, string]>([
    ['no length', Buffer.alloc(7), 'safetensors header: expected at least 8 bytes, got 7'],
    ['a length beyond the file', Buffer.from('ffffffffffffffff7b7d', 'hex'), 'safetensors header: expected a length of at most 2, got'],
    ['no JSON', crafted('{'), 'safetensors header: expected JSON in UTF-8, got something else'],
    ['no UTF-8', crafted('{"\xff":1}'.replace('\xff', '')).fill(0xff, 9, 10), 'safetensors header: expected JSON in UTF-8'],
    ['a list', crafted([1, 'a']), 'safetensors header: expected a JSON object, got [1,"a"]'],
    ['a tensor that is no object', crafted({ x: 3 }), 'safetensors tensor x: expected a JSON object, got 3'],
    ['metadata that is no text', crafted({ __metadata__: { a: [1] } }), 'safetensors metadata a: expected text, got [1]'],
    ['an unknown type', crafted(entry({ dtype: 'F8' })), 'safetensors tensor x: expected dtype BOOL, U8,'],
    ['a negative size', crafted(entry({ shape: [-1] })), 'expected shape of whole numbers, got [-1]'],
    ['sizes beyond all', crafted(entry({ shape: Array(40).fill(2 ** 53 - 1) })), 'expected data_offsets'],
    ['one offset', crafted(entry({ data_offsets: [0] })), 'expected data_offsets of two whole numbers, got [0]'],
    ['offsets beyond the file', crafted(entry({ data_offsets: [0, 8] })), 'expected data_offsets within 4 bytes, got [0,8]'],
    ['offsets turned round', crafted(entry({ data_offsets: [4, 0] })), 'expected data_offsets within 4 bytes, got [4,0]'],
    ['offsets that do not fit the shape', crafted(entry({ shape: [2] })), 'expected data_offsets 8 bytes apart, got [0,4]'],
    ['a hole', crafted(entry({ data_offsets: [4, 8] }), 8), 'safetensors data: expected the next tensor at offset 0, got 4'],
    [
      'two tensors in one place',
      crafted({ ...entry({}), y: entry({}).x }),
      'safetensors data: expected the next tensor at offset 4, got 0',
    ],
    ['bytes left over', crafted(entry({}), 5), 'safetensors data: expected 4 bytes, got 5'],
    ['a type nested without end', crafted(`{"x":{"dtype":${nested}}}`), 'got an array of 1'],
    ['metadata nested without end', crafted(`{"__metadata__":{"a":${nested}}}`), 'expected text, got an array of 1'],
    ['a tensor nested without end', crafted(`{"x":${nested}}`), 'expected a JSON object, got an array of 1'],
  ])('%s', (_, data, message) => {
    expect(() => readSafetensors(data)).toThrow(message);
  });
});
