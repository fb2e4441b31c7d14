import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { openImageSet } from '../../../src/data/open.ts';
import { InputError } from '../../../src/errors.ts';
import { cifarRecords, folderWith, noise, readAll, tar } from '../crafted.ts';

const train = [[[3], [1], [4]], [[1]], [[5], [9]], [[2], [6], [5], [3]], [[5], [8], [9], [7], [9]]];
const trainFiles = Object.fromEntries(train.map((labels, i) => [`data_batch_${i + 1}.bin`, cifarRecords(labels, 100 * i)]));
const trainImages = Buffer.concat(train.flatMap((labels, i) => labels.map((_, j) => noise(3072, 100 * i + j))));
const trainLabels = train.flat(2);

test('CIFAR-10 train split: five files one after the other, batches across their borders', async () => {
  const set = await openImageSet(await folderWith(trainFiles), { split: 'train' });
  expect(set).toMatchObject({ name: 'cifar-10', split: 'train', channels: 3, height: 32, width: 32, classes: 10, length: 15 });
  expect(set.classLabels?.[6]).toBe('frog');
  expect(await readAll(set, 4)).toEqual({ images: trainImages, labels: trainLabels, offsets: [0, 4, 8, 12] });
});

test.each([
  [0, 15],
  [3, 4],
  [2, 11],
  [14, 15],
])('images %d to %d are the same as in the whole', async (from, to) => {
  const set = await openImageSet(await folderWith(trainFiles), { split: 'train' });
  const { images, labels } = await readAll(set, 2, from, to);
  expect(labels).toEqual(trainLabels.slice(from, to));
  expect(images.equals(trainImages.subarray(from * 3072, to * 3072))).toBe(true);
});

test('two readers of one set do not disturb each other', async () => {
  const set = await openImageSet(await folderWith(trainFiles), { split: 'train' });
  const [one, other] = [set.batches(2)[Symbol.asyncIterator](), set.batches(3)[Symbol.asyncIterator]()];
  const labels: number[][] = [[], []];
  for (let i = 0; i < 5; i++) {
    for (const [j, reader] of [one, other].entries()) labels[j]?.push(...((await reader.next()).value?.labels ?? []));
  }
  expect(labels).toEqual([trainLabels.slice(0, 10), trainLabels]);
  await one.return?.();
  await other.return?.();
  await set.close();
});

test('CIFAR-100: the fine label is the class', async () => {
  const folder = await folderWith({
    'test.bin': cifarRecords(
      [
        [19, 99],
        [0, 23],
      ],
      7,
    ),
  });
  const set = await openImageSet(folder, { split: 'test' });
  expect(set).toMatchObject({ name: 'cifar-100', classes: 100, length: 2 });
  expect(set.classLabels).toHaveLength(100);
  expect(set.classLabels?.[23]).toBe('cloud');
  expect(await readAll(set)).toEqual({ images: Buffer.concat([noise(3072, 7), noise(3072, 8)]), labels: [99, 23], offsets: [0] });
});

test.each(['cifar.tar', 'cifar.tar.gz', 'no-suffix'])('the same from an archive named %s', async (name) => {
  const members = Object.entries(trainFiles).reverse(); // the official archive is not in order either
  const archive = await tar([['cifar-10-batches-bin/batches.meta.txt', Buffer.from('airplane\n')], ...members]);
  const folder = await folderWith({ [name]: name === 'cifar.tar' ? archive : gzipSync(archive) });
  const set = await openImageSet(join(folder, name), { split: 'train' });
  expect(await readAll(set, 4)).toEqual({ images: trainImages, labels: trainLabels, offsets: [0, 4, 8, 12] });
});

const good = cifarRecords([[1], [2]], 1);
test.each([
  ['cut short', { 'test_batch.bin': good.subarray(0, -1) }, /test_batch\.bin: expected whole records of 3073 bytes, got 6145 bytes/],
  ['empty', { 'test_batch.bin': '' }, /expected whole records of 3073 bytes, got 0 bytes/],
  ['CIFAR-100 under the name of CIFAR-10', { 'test_batch.bin': cifarRecords([[1, 2]], 1) }, /whole records of 3073 bytes, got 3074/],
  ['CIFAR-10 under the name of CIFAR-100', { 'test.bin': good }, /^CIFAR-100 binary .*whole records of 3074 bytes, got 6146/],
  [
    'a label out of range',
    { 'test_batch.bin': cifarRecords([[1], [10]], 1) },
    /test_batch\.bin image 1: expected a label below 10, got 10/,
  ],
  ['a coarse label out of range', { 'test.bin': cifarRecords([[20, 3]], 1) }, /image 0: expected a label below 20, got 20/],
  [
    'two data sets in one folder',
    { 'test_batch.bin': good, 'test.bin': good },
    /expected one data set, got CIFAR-10 binary and CIFAR-100 binary/,
  ],
  ['only the train split', { 'data_batch_1.bin': good }, /test_batch\.bin: expected a file, got no such file/],
])('%s is refused', async (_, files, message) => {
  const folder = await folderWith(files as Record<string, Buffer>);
  const reading = async () => readAll(await openImageSet(folder, { split: 'test' }));
  await expect(reading()).rejects.toThrow(InputError);
  await expect(reading()).rejects.toThrow(message);
});

test('an incomplete train split names the file that lacks', async () => {
  const { 'data_batch_3.bin': _, ...others } = trainFiles;
  await expect(openImageSet(await folderWith(others), { split: 'train' })).rejects.toThrow(
    /data_batch_3\.bin: expected a file, got no such file/,
  );
});

test('a set that does not fit the network is refused', async () => {
  const folder = await folderWith({ 'test_batch.bin': good });
  const shape = { channels: 1, height: 28, width: 28 };
  await expect(openImageSet(folder, { split: 'test', shape })).rejects.toThrow(
    /expected images of 1 x 28 x 28 for this network, got images of 3 x 32 x 32/,
  );
  await expect(openImageSet(folder, { split: 'test', classes: 100 })).rejects.toThrow(/expected 100 classes for this network, got 10/);
});
