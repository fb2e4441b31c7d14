/** HDF5 and MATLAB 7.3: values that h5py and MATLAB store, and what a lying file may cost. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { InputError } from '../../src/errors.ts';
import { type HdfArray, type HdfGroup, prepareHdf5, readHdf5 } from '../../src/formats/hdf5.ts';
import type { MatFile } from '../../src/formats/mat5.ts';
import { readMat73 } from '../../src/formats/mat73.ts';
import { mat73Members } from '../converters/foreign-files.ts';
import { folderWith } from '../data/crafted.ts';
import { hdf5File, mat73File } from './hdf5-file.ts';
import { numeric } from './mat5-file.ts';

const fixture = (name: string) => new Uint8Array(readFileSync(new URL(`fixtures/${name}`, import.meta.url)));

async function hdf5(bytes: Uint8Array): Promise<HdfGroup> {
  await prepareHdf5(bytes);
  return readHdf5(bytes);
}

async function mat73(bytes: Uint8Array): Promise<MatFile> {
  await prepareHdf5(bytes);
  return readMat73(bytes);
}

test('float16, with its largest, its smallest and a negative zero', async () => {
  const { shape, value } = (await hdf5(fixture('half.h5'))).members.get('half') as HdfArray;
  expect(shape).toEqual([2, 3]);
  expect(value).toEqual(Float32Array.of(0.5, -2, 65504, 2 ** -24, -0, 0.333251953125));
});

test('bfloat16, which has as many bits, is not taken for it', async () => {
  await expect(hdf5(fixture('bfloat16.h5'))).rejects.toThrow(
    'hdf5 /brain: expected float16, float32 or float64, got bfloat16. Save it as float32',
  );
});

describe('MATLAB 7.3', () => {
  const data = Float64Array.of(1, 2, 3, 4, 5, 6);
  test('numbers keep their order, cells may hold cells, text and nothing', async () => {
    const inner = { kind: 'cell', dims: [1, 2], cells: [numeric([2, 1], Float32Array.of(7, 8)), { kind: 'char', text: 'ab' }] } as const;
    const cells = {
      kind: 'cell',
      dims: [3, 1],
      cells: [numeric([2, 3], data), inner, { kind: 'cell', dims: [1, 1], cells: [inner] }],
    } as const;
    const file = await mat73(
      await mat73File(mat73Members({ cells, flags: { kind: 'numeric', dims: [1, 2], data: Uint8Array.of(1, 0), logical: true } })),
    );
    const read = {
      kind: 'cell',
      dims: [1, 2],
      cells: [numeric([2, 1], Float32Array.of(7, 8)), { kind: 'char', dims: [1, 2], text: 'ab' }],
    };
    expect([...file.keys()].sort()).toEqual(['cells', 'flags']);
    expect(file.get('cells')).toEqual({
      kind: 'cell',
      dims: [3, 1],
      cells: [numeric([2, 3], data), read, { kind: 'cell', dims: [1, 1], cells: [read] }],
    });
    expect(file.get('flags')).toEqual(numeric([1, 2], Uint8Array.of(1, 0)));
  });

  test('an empty array stores its dimensions instead of numbers', async () => {
    const empty = { MATLAB_class: 'double', MATLAB_empty: Uint8Array.of(1) };
    const file = await mat73(await mat73File({ none: { data: BigUint64Array.of(0n, 3n), shape: [2], attributes: empty } }));
    expect(file.get('none')).toEqual({ kind: 'numeric', dims: [0, 3], data: new Float64Array(0) });
  });

  test('a cell that names a variable instead of a content is refused', async () => {
    const bytes = await mat73File({
      a: { data, shape: [6], attributes: { MATLAB_class: 'double' } },
      c: { data: ['/a'], references: true, shape: [1, 1], attributes: { MATLAB_class: 'cell' } },
    });
    await expect(mat73(bytes)).rejects.toThrow('mat 7.3 c{1}: expected an array, got another variable');
  });
});

/** Reads copies of a file in each of which 8 bytes lie; prints by how much memory grew. */
const LIES = `
  const { prepareHdf5, readHdf5 } = await import(process.argv[1]);
  const bytes = (await import('node:fs')).readFileSync(process.argv[2]);
  await prepareHdf5(bytes);
  const before = process.memoryUsage.rss();
  for (const lie of [0x7fffffffn, 2n ** 40n])
    for (let at = 0; at < bytes.length - 8; at += 8) {
      const damaged = Buffer.from(bytes);
      damaged.writeBigUInt64LE(lie, at);
      await prepareHdf5(damaged);
      try {
        readHdf5(damaged);
      } catch (error) {
        if (error.code !== 'WRN_INPUT') throw error;
      }
    }
  console.log(process.memoryUsage.rss() - before);`;

test('lengths that lie cost no memory, and print nothing', async () => {
  const bytes = await hdf5File({
    attributes: { names: ['a', 'b'] },
    members: { group: { members: { a: { data: new Float32Array(100), shape: [20, 5] } } } },
  });
  const path = join(await folderWith({ 'file.h5': bytes }), 'file.h5');
  const built = new URL('../../dist/src/formats/hdf5.js', import.meta.url).href;
  // another process, in which nothing else has loaded the library
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', LIES, built, path], { encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(Number(stdout)).toBeLessThan(400 * 2 ** 20);
});

test('a group under many names, each of which is read: stopped after a while, and the next file is read', async () => {
  const names = (count: number) => Array.from({ length: count }, (_, i) => `n${i}`);
  const attributes = Object.fromEntries(names(1500).map((name) => [name, 'a']));
  const links = Object.fromEntries(names(3000).map((name) => [name, '/group']));
  const [slow, whole] = [await hdf5File({ members: { group: { members: {}, attributes } }, links }), fixture('half.h5')];
  const results = await Promise.allSettled([hdf5(slow), hdf5(whole)]);
  expect(results[0]).toMatchObject({ reason: new InputError('hdf5', 'file', SLOW) });
  expect(results[1]).toMatchObject({ value: { kind: 'group' } });
});

const SLOW = 'expected a file that is read within 11 s, got one that takes longer. It is damaged';

test('strings whose heap starts at no multiple of 8: a lying length is found at once', async () => {
  const odd = { data: Uint8Array.of(1, 2, 3), shape: [3] };
  const bytes = Buffer.from(await hdf5File({ members: { odd, text: { ...odd, attributes: { class: ['double'] } } } }));
  const heap = bytes.indexOf('GCOL');
  expect(heap % 8).not.toBe(0);
  bytes.writeUInt16LE(0x806, heap + 24); // the length of its first text, which was 6
  await expect(hdf5(bytes)).rejects.toThrow(`hdf5 heap at byte ${heap}: expected strings that fill it`);
});
