/** A part of a data set on this machine's disk; and that nothing of other parts is read. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { expect, onTestFinished, test } from 'vitest';
import type { ImageSet } from '../../src/data/dataset.ts';
import { openImageSet } from '../../src/data/open.ts';
import { stageImages } from '../../src/data/stage.ts';
import { cifarRecords, folderWith, noise, tar } from './crafted.ts';

const shape = { channels: 3, height: 4, width: 4 };

/** Three classes of four images, 5x5. */
async function pictures(): Promise<string> {
  const files: Record<string, Uint8Array> = {};
  for (let i = 0; i < 12; i++) {
    const raw = { width: 5, height: 5, channels: 3 } as const;
    files[`${'abc'[i >> 2]}/${i % 4}.png`] = await sharp(noise(75, i), { raw }).png().toBuffer();
  }
  return folderWith(files);
}

async function read(set: ImageSet, size: number, from: number, to: number) {
  const batches: { offset: number; pixels: number[]; labels: number[] }[] = [];
  for await (const { offset, imagesNCHW, labels } of set.batches(size, from, to))
    batches.push({ offset, pixels: [...imagesNCHW], labels: [...labels] });
  return batches;
}

test.each([
  ['centre crop', {}, 1],
  ['crops', { shorterSides: [4, 5], crops: 3 }, 6],
])('staged images are those of the set, though its files are gone: %s', async (_, options, crops) => {
  const folder = await pictures();
  const set = await openImageSet(folder, { shape, ...options });
  expect(set.crops).toBe(crops);
  const before = await read(set, 3, 2, 9);
  const copied: number[] = [];
  const staged = await stageImages(set, 2, 9, (images) => copied.push(images));
  onTestFinished(() => staged.close());
  expect(copied.at(-1)).toBe(7);
  for (const label of 'abc') for (let i = 0; i < 4; i++) writeFileSync(join(folder, label, `${i}.png`), 'gone');
  expect(await read(staged, 3, 2, 9)).toEqual(before);
  expect(await read(staged, 3, 5, 8)).toEqual([before[1]]);
  await expect(read(staged, 3, 0, 3)).rejects.toThrow(/0\.png/); // outside of the copy
});

test('a shard of a folder decodes its own images and no other', async () => {
  const folder = await pictures();
  const whole = await openImageSet(folder, { shape });
  const expected = await read(whole, 4, 4, 8);
  for (const label of 'ac') for (let i = 0; i < 4; i++) writeFileSync(join(folder, label, `${i}.png`), 'no image');
  const set = await openImageSet(folder, { shape });
  expect(await read(set, 4, 4, 8)).toEqual(expected);
  for (const label of 'ac') for (let i = 0; i < 4; i++) rmSync(join(folder, label, `${i}.png`));
  await expect(openImageSet(folder, { shape })).rejects.toThrow('expected images, got none'); // names are counted
});

test('a shard of an archive reads its own records and no other', async () => {
  const labels = [11, 3, 4, 99].map((label) => [label]); // CIFAR-10 has labels up to 9
  const folder = await folderWith({ 'c.tar': await tar([['test_batch.bin', cifarRecords(labels, 1)]]) });
  const set = await openImageSet(join(folder, 'c.tar'));
  onTestFinished(() => set.close());
  expect((await read(set, 1, 1, 3)).map((batch) => batch.labels)).toEqual([[3], [4]]);
  await expect(read(set, 1, 2, 4)).rejects.toThrow('got 99');
});
