import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import type { Split } from '../../../src/data/dataset.ts';
import { openIdxPair } from '../../../src/data/kinds/idx.ts';
import { openImageSet } from '../../../src/data/open.ts';
import { InputError } from '../../../src/errors.ts';
import { testWith } from '../../shared.ts';
import { bigEndian, folderWith, idxImages, idxLabels, noise, readAll } from '../crafted.ts';

const images = idxImages(5, 6, 4);
const labels = idxLabels([3, 1, 4, 1, 5]);
const official = { 't10k-images-idx3-ubyte': images, 't10k-labels-idx1-ubyte': labels };
const expected = { images: noise(5 * 24, 1), labels: [3, 1, 4, 1, 5], offsets: [0, 2, 4] };

test('a folder with the official names', async () => {
  const set = await openImageSet(await folderWith(official), { split: 'test' });
  expect(set).toMatchObject({ split: 'test', channels: 1, height: 6, width: 4, length: 5, classes: 6, classLabels: undefined });
  expect(await readAll(set, 2)).toEqual(expected);
});

test('the number of classes is the network’s when it is known', async () => {
  const set = await openImageSet(await folderWith(official), { split: 'test', classes: 10 });
  expect(set.classes).toBe(10);
  await set.close();
});

test('gzipped, one of them, and images from the middle', async () => {
  const folder = await folderWith({ 't10k-images-idx3-ubyte.gz': gzipSync(images), 't10k-labels-idx1-ubyte': labels });
  const set = await openImageSet(folder, { split: 'test' });
  expect(await readAll(set, 2, 1, 4)).toEqual({ images: expected.images.subarray(24, 96), labels: [1, 4, 1], offsets: [1, 3] });
});

test('one file of images finds its labels', async () => {
  const folder = await folderWith({ 'my-images.idx3.gz': gzipSync(images), 'my-labels.idx1.gz': gzipSync(labels) });
  const set = await openImageSet(join(folder, 'my-images.idx3.gz'), { split: 'test' });
  expect(await readAll(set, 2)).toEqual(expected);
});

test('two files of any name', async () => {
  const folder = await folderWith({ a: images, b: labels });
  const set = await openIdxPair(join(folder, 'a'), join(folder, 'b'), { split: 'train' });
  expect(set.split).toBe('train');
  expect(await readAll(set, 2)).toEqual(expected);
});

test.each([
  ['labels in place of images', labels, labels, /expected a header of 16 bytes, got 13 bytes|expected magic 00000803, got 00000801/],
  ['images in place of labels', images, images, /expected magic 00000801, got 00000803/],
  ['float images', bigEndian(0xd03, 1, 1, 1, 0), labels, /expected magic 00000803, got 00000d03/],
  ['images cut short', images.subarray(0, -1), labels, /t10k-images-idx3-ubyte: expected 136 bytes, got 135/],
  ['images with more behind', Buffer.concat([images, labels]), labels, /expected 136 bytes, got 149/],
  ['labels cut short', images, labels.subarray(0, -1), /t10k-labels-idx1-ubyte: expected 13 bytes, got 12/],
  ['a header cut short', images.subarray(0, 15), labels, /expected a header of 16 bytes, got 15 bytes/],
  ['labels of another set', images, idxLabels([1, 2, 3]), /t10k-labels-idx1-ubyte: expected 5 labels, one per image, got 3/],
  ['a huge side', bigEndian(0x803, 1, 0x7fffffff, 0x7fffffff), labels, /expected sides from 1 to 4096, got 2147483647 x 2147483647/],
  ['a side of nothing', bigEndian(0x803, 5, 0, 4), labels, /expected sides from 1 to 4096, got 0 x 4/],
  ['no images', bigEndian(0x803, 0, 4, 4), idxLabels([]), /expected images, got none/],
])('%s: refused', async (_, badImages, badLabels, message) => {
  const folder = await folderWith({ 't10k-images-idx3-ubyte': badImages, 't10k-labels-idx1-ubyte': badLabels });
  const opening = openImageSet(folder, { split: 'test' });
  await expect(opening).rejects.toThrow(message);
  await expect(opening).rejects.toThrow(InputError);
});

test('a label that the network cannot give is refused, with its place', async () => {
  const opening = openImageSet(await folderWith(official), { split: 'test', classes: 5 });
  await expect(opening).rejects.toThrow(/t10k-labels-idx1-ubyte image 4: expected a label below 5, got 5/);
});

/** Computed with numpy from the same files: sum of all pixels, sum of label * (index + 1), pixels 10 to 18 of row 14 of the first and last image. */
const facts: {
  set: string;
  folder: string;
  split: Split;
  length: number;
  pixels: number;
  labels: number;
  first: number[];
  last: number[];
}[] = [
  {
    set: 'mnist',
    folder: 'data/mnist/t10k-images-idx3-ubyte.gz',
    split: 'test',
    length: 10_000,
    pixels: 264_923_200,
    labels: 221_901_817,
    first: [0, 0, 0, 0, 0, 0, 59, 249],
    last: [132, 64, 0, 0, 18, 43, 157, 171],
  },
  {
    set: 'mnist',
    folder: 'data/mnist/train-images-idx3-ubyte.gz',
    split: 'train',
    length: 60_000,
    pixels: 1_567_298_545,
    labels: 8_023_005_948,
    first: [0, 0, 0, 81, 240, 253, 253, 119],
    last: [190, 196, 14, 2, 97, 254, 252, 146],
  },
  {
    set: 'fashion-mnist',
    folder: '/usr/share/datasets/fashion-mnist/',
    split: 'test',
    length: 10_000,
    pixels: 573_469_082,
    labels: 225_777_341,
    first: [0, 0, 98, 136, 110, 109, 110, 162],
    last: [69, 128, 100, 120, 132, 123, 135, 171],
  },
];

async function checkFacts(
  path: string,
  { set: name, split, length, pixels, labels: weighted, first, last }: (typeof facts)[number],
): Promise<void> {
  const set = await openImageSet(path, { split, shape: { channels: 1, height: 28, width: 28 }, classes: 10 });
  expect(set).toMatchObject({ name, length, classes: 10, channels: 1, height: 28, width: 28 });
  expect(set.classLabels).toHaveLength(10);
  const all = await readAll(set, 999);
  const row = (image: number) => [...all.images.subarray(image * 784 + 14 * 28 + 10, image * 784 + 14 * 28 + 18)];
  expect(all.images.reduce((sum, value) => sum + value, 0)).toBe(pixels);
  expect(all.labels.reduce((sum, value, i) => sum + value * (i + 1), 0)).toBe(weighted);
  expect([row(0), row(length - 1)]).toEqual([first, last]);
}

for (const fact of facts) {
  const title = `${fact.set} ${fact.split}: count, labels and pixels are those that numpy reads`;
  if (!fact.folder.startsWith('/')) testWith(fact.folder, title, (file) => checkFacts(dirname(file), fact));
  else test.skipIf(!existsSync(fact.folder))(`${title} [Debian's dataset-fashion-mnist]`, () => checkFacts(fact.folder, fact));
}

testWith('data/mnist/t10k-labels-idx1-ubyte.gz', 'other images with the official labels are not the official set', async (file) => {
  const folder = await folderWith({ 't10k-images-idx3-ubyte': idxImages(10_000, 28, 28), 't10k-labels-idx1-ubyte.gz': readFileSync(file) });
  const set = await openImageSet(folder, { split: 'test' });
  expect(set).toMatchObject({ name: basename(folder), classes: 10, classLabels: undefined });
  await set.close();
});
