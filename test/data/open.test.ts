/** Two splits of one source, for what trains on one and judges by the other. */
import { join } from 'node:path';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { openSplits } from '../../src/data/open.ts';
import { UsageError } from '../../src/errors.ts';
import { folderWith, idxImages, idxLabels, noise, readAll } from './crafted.ts';

const shape = { channels: 3, height: 4, width: 4 };
const png = (seed: number) =>
  sharp(noise(8 * 8 * 3, seed), { raw: { width: 8, height: 8, channels: 3 } })
    .png()
    .toBuffer();
const noSplit = /expected a training and a test split, got one set\. Use a folder with subfolders train and test \(or val\)/;

test('class folders without train and test above them are refused', async () => {
  const opening = openSplits(await folderWith({ 'a/1.png': await png(1), 'b/1.png': await png(2) }), { shape });
  await expect(opening).rejects.toThrow(UsageError);
  await expect(opening).rejects.toThrow(noSplit);
});

test('one idx file is refused', async () => {
  const folder = await folderWith({ 'train-images': idxImages(3, 4, 4), 'train-labels': idxLabels([0, 1, 2]) });
  await expect(openSplits(join(folder, 'train-images'), {})).rejects.toThrow(noSplit);
});

const idxSplits = (train: readonly number[], test: readonly number[]) =>
  folderWith({
    'train-images-idx3-ubyte': idxImages(train.length, 4, 4, 1),
    'train-labels-idx1-ubyte': idxLabels(train),
    't10k-images-idx3-ubyte': idxImages(test.length, 4, 4, 2),
    't10k-labels-idx1-ubyte': idxLabels(test),
  });

test('a test split that lacks the last class has the classes of training', async () => {
  const { train, test } = await openSplits(await idxSplits([0, 1, 2, 3], [2, 1]), {});
  expect([train, test]).toMatchObject([
    { split: 'train', classes: 4, length: 4 },
    { split: 'test', classes: 4, length: 2 },
  ]);
  expect((await readAll(train)).labels).toEqual([0, 1, 2, 3]);
  expect((await readAll(test)).labels).toEqual([2, 1]);
});

test('a class that training lacks is refused', async () => {
  await expect(openSplits(await idxSplits([0, 1, 2], [2, 3]), {})).rejects.toThrow(
    /t10k-labels-idx1-ubyte image 1: expected a label below 3/,
  );
});

test('scales are for the images to test on: training data keep their name', async () => {
  const files = { 'train/a/1.png': await png(1), 'val/a/1.png': await png(2) };
  const { train, test } = await openSplits(await folderWith({ ...files }), { shape, shorterSides: [6] });
  expect(train.name).not.toContain('shorter side');
  expect(test.name).toContain('(shorter side 6)');
});
