import { readFileSync, writeFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openImageSet } from '../../../src/data/open.ts';
import { InputError } from '../../../src/errors.ts';
import { type MatFileOptions, matFile, numeric, type Value } from '../../formats/mat5-file.ts';
import { folderWith, formulaImages, noise, readAll } from '../crafted.ts';

/** Written by scipy: fixtures/make.py. */
const fixtures = fileURLToPath(new URL('../fixtures/svhn/', import.meta.url));

test.each([
  ['test', [5, 0, 7]],
  ['train', [1, 9, 2, 0, 3, 0, 4]],
] as const)('%s split as scipy wrote it, extra images behind the others, 10 is the digit 0', async (split, labels) => {
  const set = await openImageSet(fixtures, { split, shape: { channels: 3, height: 32, width: 32 }, classes: 10 });
  expect(set).toMatchObject({ name: 'svhn', split, classes: 10, length: labels.length, channels: 3, height: 32, width: 32 });
  expect(set.classLabels?.[7]).toBe('7');
  const all = await readAll(set, 2);
  expect(all.labels).toEqual(labels);
  expect(all.images.equals(formulaImages(0, labels.length))).toBe(true);
});

test('images from the middle, and two readers at a time', async () => {
  const set = await openImageSet(fixtures, { split: 'train' });
  const [one, other] = [set.batches(2, 1, 6)[Symbol.asyncIterator](), set.batches(3)[Symbol.asyncIterator]()];
  const images: Buffer[][] = [[], []];
  for (let i = 0; i < 3; i++) {
    for (const [j, reader] of [one, other].entries()) images[j]?.push(Buffer.from((await reader.next()).value?.imagesNCHW ?? []));
  }
  expect(images.map((parts) => Buffer.concat(parts))).toEqual([formulaImages(1, 5), formulaImages(0, 7)]);
  await one.return?.();
  await other.return?.();
  await set.close();
});

test('without the extra images it is the smaller training set', async () => {
  const folder = await folderWith();
  await cp(join(fixtures, 'train_32x32.mat'), join(folder, 'train_32x32.mat'));
  expect((await readAll(await openImageSet(folder, { split: 'train' }))).labels).toEqual([1, 9, 2, 0, 3]);
});

const pixels = numeric([32, 32, 3, 2], Uint8Array.from(noise(6144, 1)));
const file = (variables: Record<string, Value>, options?: MatFileOptions) => ({ 'test_32x32.mat': matFile(variables, options) });

test.each([
  ['big-endian, labels first, as float64', { y: numeric([2, 1], Float64Array.of(10, 2)), X: pixels }, { littleEndian: false }],
  ['compressed, labels in a row, as uint16', { X: pixels, y: numeric([1, 2], Uint16Array.of(10, 2)) }, { compressed: true }],
  ['with another variable', { X: pixels, z: numeric([1, 1], Uint8Array.of(1)), y: numeric([2, 1], Uint8Array.of(10, 2)) }, {}],
])('%s', async (_, variables, options) => {
  const all = await readAll(await openImageSet(await folderWith(file(variables, options)), { split: 'test' }));
  expect(all.labels).toEqual([0, 2]);
  // [x][y] to [y][x] in each plane
  const expected = Array.from({ length: 6144 }, (_, i) => noise(6144, 1)[(i & ~1023) + 32 * (i % 32) + ((i >> 5) % 32)]);
  expect([...all.images]).toEqual(expected);
});

const labels = numeric([2, 1], Uint8Array.of(1, 2));
test.each([
  ['no labels', { X: pixels }, /^SVHN .*test_32x32\.mat: expected a variable y, got X$/],
  ['no variables', {}, /expected a variable X, got none/],
  ['a label of 11', { X: pixels, y: numeric([2, 1], Uint8Array.of(1, 11)) }, /image 1: expected a label from 1 to 10, got 11/],
  ['a label between', { X: pixels, y: numeric([2, 1], Float64Array.of(1.5, 1)) }, /image 0: expected a label from 1 to 10, got 1\.5/],
  ['fewer labels', { X: pixels, y: numeric([1, 1], Uint8Array.of(1)) }, /y: expected 2 labels, one per image, got 1 x 1/],
  ['many labels', { X: pixels, y: numeric([1, 999], new Uint8Array(999)) }, /y: expected 2 labels, one per image, got 999 bytes/],
  [
    'other images',
    { X: numeric([28, 28, 1, 2], new Uint8Array(1568)), y: labels },
    /X: expected bytes of 32 x 32 x 3 x images, got 1568 bytes/,
  ],
  [
    'floats',
    { X: numeric([32, 32, 3, 1], new Float32Array(3072)), y: labels },
    /X: expected bytes of 32 x 32 x 3 x images, got 12288 bytes/,
  ],
  ['dimensions that lie', { X: numeric([32, 32, 3, 1e6], new Uint8Array(3072)), y: labels }, /X: expected bytes of .*got 3072 bytes/],
])('%s: refused', async (_, variables, message) => {
  const opening = async () => readAll(await openImageSet(await folderWith(file(variables)), { split: 'test' }));
  await expect(opening()).rejects.toThrow(message);
  await expect(opening()).rejects.toThrow(InputError);
});

test.each([
  ['compressed', 'train_32x32.mat', 13],
  ['plain', 'test_32x32.mat', 97],
])('%s and cut short anywhere is refused', async (_, name, step) => {
  const whole = readFileSync(join(fixtures, name));
  const folder = await folderWith();
  const path = join(folder, 'test_32x32.mat');
  for (let length = 0; length < whole.length; length += step) {
    writeFileSync(path, whole.subarray(0, length));
    await expect(openImageSet(folder, { split: 'test' }).then((set) => readAll(set))).rejects.toThrow(InputError);
  }
});

test.each(['train_32x32.mat', 'test_32x32.mat'])('%s with a wrong byte is refused or read to its end', async (name) => {
  const whole = readFileSync(join(fixtures, name));
  const folder = await folderWith();
  const path = join(folder, 'test_32x32.mat');
  for (let at = 0; at < Math.min(whole.length, 1500); at += 7) {
    const damaged = Buffer.from(whole);
    damaged[at] = (damaged[at] as number) ^ 0x55;
    writeFileSync(path, damaged);
    const outcome = await openImageSet(folder, { split: 'test' })
      .then((set) => readAll(set))
      .catch((error: unknown) => error);
    if (outcome instanceof Error) expect(outcome).toBeInstanceOf(InputError);
  }
});
