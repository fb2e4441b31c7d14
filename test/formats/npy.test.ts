import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeNpy } from '../../src/formats/npy.ts';
import { folderWith } from '../data/crafted.ts';
import { testWithPython } from '../python.ts';

function npy(shape: readonly number[], values: Float32Array): Buffer {
  return Buffer.concat([...writeNpy(shape, [new Uint8Array(values.buffer)])]);
}

test('the header is a Python literal, padded to 64 bytes', () => {
  const file = npy([2, 3], Float32Array.of(1, 2, 3, 4, 5, 6));
  expect(file.length).toBe(128 + 24);
  expect(file.toString('latin1', 0, 10)).toBe('\x93NUMPY\x01\x00\x76\x00');
  expect(file.toString('latin1', 10, 128)).toMatch(/^\{'descr': '<f4', 'fortran_order': False, 'shape': \(2, 3\), \} +\n$/);
});

testWithPython(['numpy'], 'numpy.load reads it', async (python) => {
  const folder = await folderWith();
  const values = Float32Array.of(0.5, -1, 3e38, 1e-45, -0, 7);
  const shapes = [[2, 3], [6], [1, 2, 3, 1]];
  for (const [i, shape] of shapes.entries()) await writeFile(join(folder, `${i}.npy`), npy(shape, values));
  await writeFile(join(folder, '3.npy'), npy([0, 10], new Float32Array()));
  const script =
    'import numpy, json; a = [numpy.load(f"{i}.npy") for i in range(4)]\nprint(json.dumps([[x.shape, str(x.dtype), x.tobytes().hex()] for x in a]))';
  const bytes = Buffer.from(values.buffer).toString('hex');
  expect(JSON.parse(execFileSync(python, ['-c', script], { cwd: folder, encoding: 'utf8' }))).toEqual([
    ...shapes.map((shape) => [shape, 'float32', bytes]),
    [[0, 10], 'float32', ''],
  ]);
});
