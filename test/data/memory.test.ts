/** Memory does not grow with the number of images. Sizes are in bytes. */
import { mkdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { createDeflate } from 'node:zlib';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import type { ImageSet } from '../../src/data/dataset.ts';
import { openImageSet } from '../../src/data/open.ts';
import { matFile, numeric } from '../formats/mat5-file.ts';
import { bigEndian, folderWith, noise } from './crafted.ts';

/** How far the resident memory rises above what it is after the first tenth. */
async function growth(set: ImageSet, size: number): Promise<number> {
  let base = 0;
  let highest = 0;
  let images = 0;
  for await (const batch of set.batches(size)) {
    images += batch.count;
    const { rss } = process.memoryUsage();
    if (images <= set.length / 10) base = Math.max(base, rss);
    highest = Math.max(highest, rss);
  }
  await set.close();
  expect(images).toBe(set.length);
  return highest - base;
}

test('CIFAR binary: 1.2 GB pass through', async () => {
  const folder = await folderWith();
  for (let i = 1; i <= 5; i++) {
    const file = join(folder, `data_batch_${i}.bin`);
    await writeFile(file, '');
    await truncate(file, 3073 * 80_000); // a hole: takes no disk and reads as zeros
  }
  const set = await openImageSet(folder, { split: 'train' });
  expect(set.length).toBe(400_000);
  expect(await growth(set, 500)).toBeLessThan(64e6);
});

test('idx: 0.8 GB pass through', async () => {
  const count = 1_000_000;
  const folder = await folderWith({
    't10k-images-idx3-ubyte': bigEndian(0x803, count, 28, 28),
    't10k-labels-idx1-ubyte': bigEndian(0x801, count),
  });
  await truncate(join(folder, 't10k-images-idx3-ubyte'), 16 + count * 784);
  await truncate(join(folder, 't10k-labels-idx1-ubyte'), 8 + count);
  expect(await growth(await openImageSet(folder, { split: 'test' }), 1000)).toBeLessThan(64e6);
});

test('SVHN: 0.3 GB of inflated pixels pass through', async () => {
  const count = 100_000;
  const head = matFile({ X: numeric([32, 32, 3, count], new Uint8Array(0)) });
  // the array of a huge X, its length and that of its data put right, deflated as it comes
  const array = head.subarray(128);
  array.writeUInt32LE(array.length - 8 + count * 3072, 4);
  array.writeUInt32LE(count * 3072, array.length - 4);
  async function* inflated() {
    yield array;
    for (let i = 0; i < count; i += 1000) yield Buffer.alloc(1000 * 3072);
  }
  const deflated = await buffer(pipeline(Readable.from(inflated()), createDeflate({ level: 1 }), () => {}));
  const tag = Buffer.alloc(8);
  tag.writeUInt32LE(15, 0);
  tag.writeUInt32LE(deflated.length, 4);
  const y = matFile({ y: numeric([count, 1], new Uint8Array(count).fill(1)) }).subarray(128);
  const folder = await folderWith({ 'test_32x32.mat': Buffer.concat([head.subarray(0, 128), tag, deflated, y]) });
  expect(await growth(await openImageSet(folder, { split: 'test' }), 500)).toBeLessThan(64e6);
});

test('image folder: 2000 images of 256 x 256, 0.4 GB when decoded', async () => {
  const image = await sharp(noise(256 * 256 * 3, 1), { raw: { width: 256, height: 256, channels: 3 } })
    .jpeg()
    .toBuffer();
  const folder = await folderWith({ 'image.jpg': image });
  for (let c = 0; c < 4; c++) {
    await mkdir(join(folder, `class${c}`));
    for (let i = 0; i < 500; i++) await symlink('../image.jpg', join(folder, `class${c}`, `${i}.jpg`));
  }
  const set = await openImageSet(folder, { split: 'test', shape: { channels: 3, height: 32, width: 32 } });
  expect(set.length).toBe(2000);
  expect(await growth(set, 100)).toBeLessThan(100e6);
});
