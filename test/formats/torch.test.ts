import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { PickleValue } from '../../src/formats/pickle.ts';
import { isTorch, readTorch, TorchTensor } from '../../src/formats/torch.ts';
import { type Lie, Tensor, torchLegacy, torchZip } from './torch-file.ts';
import { zipFile } from './zip-file.ts';

type Dict = Map<PickleValue, PickleValue>;

// What fixtures/make.py put in.
describe.each(['torch-1.13-zip', 'torch-1.13-legacy', 'torch-2.15-zip', 'torch-2.15-legacy'])('%s', (name) => {
  const bytes = readFileSync(new URL(`fixtures/${name}.pt`, import.meta.url));
  const checkpoint = readTorch(bytes) as Dict;
  const state = checkpoint.get('state_dict') as Dict;

  test('is recognised', () => {
    expect(isTorch(bytes)).toBe(true);
  });

  test.each<[string, string, number[], number[]]>([
    ['transposed', 'float32', [3, 2], [0, 3, 1, 4, 2, 5]],
    ['bytes', 'uint8', [2], [1, 255]],
    ['scalar', 'int64', [], [5]],
    ['double', 'float64', [1], [0.1]],
    ['parameter', 'float32', [2], [1.5, -2]],
    ['part', 'float32', [2], [2, 3]],
  ])('%s', (key, type, shape, values) => {
    const tensor = state.get(key);
    if (!(tensor instanceof TorchTensor)) throw new Error(`${key} is no tensor`);
    expect([tensor.type, tensor.shape, [...tensor.values()]]).toEqual([type, shape, values]);
  });

  test('plain values; a NumPy scalar is null', () => {
    expect([...checkpoint].slice(1)).toEqual([
      ['epoch', 300],
      ['big', 2 ** 40],
      ['best', null],
      ['rates', [0.1, true, null]],
      ['one', [-1]],
    ]);
  });
});

const data = Float32Array.of(1, 2, 3, 4);
const layouts = { zip: torchZip, legacy: torchLegacy };

describe.each(Object.entries(layouts))('%s', (layout, write) => {
  const read = (shape: readonly number[], lie: Lie = {}) => (readTorch(write(new Tensor(shape, data, lie))) as TorchTensor).values();

  test('a tensor, and one that repeats a value', () => {
    expect([...read([2, 2])]).toEqual([1, 2, 3, 4]);
    expect([...read([2, 2], { strides: [0, 1] })]).toEqual([1, 2, 1, 2]);
  });

  test.each<[string, readonly number[], Lie, string]>([
    ['beyond its storage', [3, 2], {}, 'storage 0: expected at least 6 values, got 4'],
    ['that repeats a value without end', [2 ** 30, 2 ** 30], { strides: [0, 0] }, `storage 0: expected at least ${2 ** 60} values, got 4`],
    ['of negative size', [-1, 2], {}, 'tensor: expected a storage, an offset, sizes and strides, got a list'],
    ['of more sizes than strides', [2, 2], { strides: [1] }, 'tensor: expected a storage, an offset, sizes and strides, got a list'],
    ['of unknown type', [4], { type: 'QuintStorage' }, 'persistent id: expected a storage type, got torch.QuintStorage'],
    [
      'of a type that is none',
      [4],
      { type: '_utils\n_rebuild_tensor' },
      'expected an opcode for tensors or plain values, got "_". Save the parameters alone: torch.save(',
    ],
    ['of no storage', [4], { persistentId: 'module' }, 'persistent id: expected a storage, got a list'],
    ['of a negative count', [4], { count: -1 }, 'persistent id: expected a key and a count, got a string'],
    ['of another count', [4], { count: 5 }, `storage 0: expected ${layout === 'zip' ? '20 bytes, got 16' : '5 values, got 4'}`],
    [
      'of another type',
      [4],
      { type: 'DoubleStorage' },
      layout === 'zip' ? 'storage 0: expected 32 bytes, got 16' : 'expected 32 bytes of storage 0, got 16',
    ],
  ])('a tensor %s', (_, shape, lie, message) => {
    expect(() => read(shape, lie)).toThrow(message);
  });
});

test.each<[string, Uint8Array, string]>([
  [
    'an archive without a pickle',
    zipFile([{ name: 'a/b', data: Buffer.from('c') }]),
    'pytorch archive: expected a member data.pkl, got none',
  ],
  [
    'big-endian data',
    zipFile([
      { name: 'a/data.pkl', data: Buffer.from('N.') },
      { name: 'a/byteorder', data: Buffer.from('big') },
    ]),
    'pytorch archive: expected little-endian data, got big',
  ],
  [
    'a stream of another magic',
    Buffer.from('\x80\x02\x8a\x0a0123456789.N.', 'latin1'),
    'pytorch header: expected the magic number and protocol 1001, got other values',
  ],
  ['a storage that is not there', without(torchLegacy(new Tensor([4], data))), 'pytorch storage 0: expected it in the file, got nothing'],
])('%s', (_, bytes, message) => {
  expect(() => readTorch(bytes)).toThrow(message);
});

/** A stream of one tensor whose list of storages is empty, and so are its storages. */
function without(stream: Buffer): Buffer {
  const keys = stream.lastIndexOf(Buffer.from('\x80\x02](X', 'latin1'));
  return Buffer.concat([stream.subarray(0, keys), Buffer.from('\x80\x02].', 'latin1')]);
}
