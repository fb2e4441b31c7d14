/** Batches from memory and from files: whenever and wherever they are drawn, the same; scales and crops as He et al. have them. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import type { ImageSet } from '../../../src/data/dataset.ts';
import { openImageSet } from '../../../src/data/open.ts';
import { InputError, UsageError } from '../../../src/errors.ts';
import { noAugmentation } from '../../../src/train/batches/augment.ts';
import { trainingBatches } from '../../../src/train/batches/batches.ts';
import {
  type BatchOptions,
  batchMaker,
  identify,
  MAX_BYTES,
  type TrainingSet,
  trainingSet,
} from '../../../src/train/batches/training-set.ts';
import { cifarRecords, folderWith, noise } from '../../data/crafted.ts';

/** Batches `numbers`, each alone. */
async function drawn(set: TrainingSet, draw: BatchOptions, numbers: readonly number[]): Promise<Float32Array[]> {
  const fill = batchMaker(set, draw);
  const batches = [];
  for (const number of numbers) {
    const images = new Float32Array(draw.batch * set.channels * set.height * set.width);
    await fill(number, images, new Int32Array(draw.batch));
    batches.push(images);
  }
  return batches;
}

const shape = { channels: 3, height: 8, width: 8 };
const png = (seed: number) =>
  sharp(noise(12 * 10 * 3, seed), { raw: { width: 12, height: 10, channels: 3 } })
    .png()
    .toBuffer();

async function photographs(): Promise<string> {
  const files: Record<string, Uint8Array> = {};
  for (let i = 0; i < 10; i++) files[`${i % 2 ? 'é' : 'b'}/${i}.png`] = await png(i);
  return folderWith(files);
}

const scaled = { ...noAugmentation, shorterSide: [8, 20], flip: true } as const;
const scaled20 = { ...noAugmentation, shorterSide: [16, 20], flip: true } as const;
const all = { ...noAugmentation, flip: true, pad: 2, cutout: 3 };

test.each([
  ['memory', noAugmentation, all],
  ['files', scaled, scaled],
])('%s: a batch depends on seed and number alone, in a thread too, and an epoch holds every image once', async (_, load, augmentation) => {
  const set = await trainingSet(await openImageSet(await photographs(), { split: 'train', shape }), load);
  expect(set.images instanceof Uint8Array).toBe(load === noAugmentation);
  expect([...set.labels]).toEqual([0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
  const draw = { seed: 4, batch: 3, augmentation };
  const expected = await drawn(set, draw, [0, 1, 2, 3, 4, 5, 6]);
  expect(await drawn(set, draw, [5, 2])).toEqual([expected[5], expected[2]]);
  expect(await drawn(set, { ...draw, seed: 5 }, [5])).not.toEqual([expected[5]]);
  for (const from of [0, 4]) {
    const numbers = [];
    for await (const { number, imagesNHWC } of trainingBatches(set, draw, from, 7)) {
      numbers.push(number);
      expect(imagesNHWC).toEqual(expected[number]);
    }
    expect(numbers).toEqual([0, 1, 2, 3, 4, 5, 6].slice(from));
  }
  const plain = await drawn(set, { ...draw, augmentation: noAugmentation }, [3, 4, 5]); // the second epoch
  const images = plain.flatMap((batch) => [0, 1, 2].map((i) => batch.subarray(i * 192, (i + 1) * 192).join()));
  expect(new Set(images).size).toBe(9);
});

test('scales, places and flips of files are all equally frequent', async () => {
  // red says where a pixel comes from across, green down: the slope shows the scale
  const pixels = Uint8Array.from(
    { length: 64 * 64 * 3 },
    (_, i) => 4 * ([Math.floor(i / 3) % 64, Math.floor(i / 192), 0][i % 3] as number),
  );
  const image = await sharp(pixels, { raw: { width: 64, height: 64, channels: 3 } })
    .png()
    .toBuffer();
  const copies = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`a/${i}.png`, image]));
  const set = await trainingSet(
    await openImageSet(await folderWith(copies), { split: 'train', shape: { channels: 3, height: 16, width: 16 } }),
    scaled20,
  );
  const trials = 1500;
  const [scales, across, down] = [new Map<number, number>(), new Map<string, number>(), new Map<string, number>()];
  let flips = 0;
  const count = <K>(map: Map<K, number>, key: K) => map.set(key, (map.get(key) ?? 0) + 1);
  const numbers = Array.from({ length: trials / 50 }, (_, i) => i);
  const batches = await drawn(set, { seed: 1, batch: 50, augmentation: scaled20 }, numbers);
  const images = batches.flatMap((batch) => Array.from({ length: 50 }, (_, i) => batch.subarray(i * 768, (i + 1) * 768)));
  for (const pixelsNHWC of images) {
    const at = (channel: number, y: number, x: number) => pixelsNHWC[(y * 16 + x) * 3 + channel] as number;
    const slope = (at(0, 8, 12) - at(0, 8, 4)) / 8;
    if (slope < 0) flips++;
    const side = Math.round(256 / Math.abs(slope));
    count(scales, side);
    // pixel x of the scaled image has the value 4 * ((x + 1/2) * 64 / side - 1/2)
    const place = (value: number) => Math.round(((value / 4 + 0.5) * side) / 64 - 0.5);
    count(across, `${side} ${slope < 0 ? place(at(0, 8, 8)) - 7 : place(at(0, 8, 8)) - 8}`);
    count(down, `${side} ${place(at(1, 8, 8)) - 8}`);
  }
  const fits = (hits: number, p: number) => Math.abs(hits - trials * p) < 5 * Math.sqrt(trials * p * (1 - p));
  expect([...scales.keys()].sort()).toEqual([16, 17, 18, 19, 20]);
  for (const hits of scales.values()) expect(fits(hits, 1 / 5)).toBe(true);
  for (const places of [across, down]) {
    const expected = [16, 17, 18, 19, 20].flatMap((side) => Array.from({ length: side - 15 }, (_, i) => `${side} ${i}`));
    expect([...places.keys()].sort()).toEqual(expected.sort());
    for (const [key, hits] of places) expect(fits(hits, 1 / 5 / (Number.parseInt(key, 10) - 15)), key).toBe(true);
  }
  expect(fits(flips, 0.5)).toBe(true);
});

test('an image that cannot be read ends the batches in one typed error, after those before it', async () => {
  const folder = await photographs();
  const set = await trainingSet(await openImageSet(folder, { split: 'train', shape }), scaled);
  writeFileSync(join(folder, 'é/3.png'), 'no image');
  const draw = { seed: 1, batch: 1, augmentation: scaled };
  const seen: number[] = [];
  const reading = async () => {
    for await (const { number } of trainingBatches(set, draw, 0, 10)) {
      seen.push(number);
      await sleep(100); // the batches after the failed one are there before it is asked for
    }
  };
  const error = await reading().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(InputError);
  expect((error as Error).message).toMatch(/^image .*é.3\.png: expected an image \(PNG, JPEG, WebP, GIF, TIFF, AVIF\), got: /);
  expect(seen).toEqual(Array.from({ length: seen.length }, (_, i) => i));
});

test('a set is known by its classes and labels in order, wherever it lies', async () => {
  const open = async (path: string) => identify(await trainingSet(await openImageSet(path, { split: 'train', shape }), noAugmentation));
  const [one, moved] = [await open(await photographs()), await open(await photographs())];
  expect(moved.name).not.toBe(one.name);
  expect(moved.sha256).toBe(one.sha256);
  const image = await png(1);
  const others: Record<string, Uint8Array>[] = [
    { 'b/1.png': image, 'c/1.png': image },
    { 'b/1.png': image, 'd/1.png': image },
    { 'b/1.png': image, 'b/2.png': image, 'c/1.png': image },
  ];
  const digests = await Promise.all(others.map(async (files) => (await open(await folderWith(files))).sha256));
  expect(new Set([one.sha256, ...digests]).size).toBe(4);
});

test('what is too large for memory is read from its files, or refused', async () => {
  const small = await openImageSet(await photographs(), { split: 'train', shape });
  const huge: ImageSet = { ...small, length: 1e9 };
  const { images, length } = await trainingSet(huge, noAugmentation);
  expect(images instanceof Uint8Array).toBe(false);
  expect(length).toBe(1e9);
  const { listFiles: _, ...noFiles } = huge;
  await expect(trainingSet(noFiles, noAugmentation)).rejects.toThrow(
    `expected at most ${MAX_BYTES} bytes of pixels to keep in memory, got 192000000000`,
  );
  // a set of that size can be had, as ImageNet32's 3.9 GB must; memory is taken only where it is written
  expect(MAX_BYTES).toBeGreaterThan(1_281_167 * 3072);
  expect(new Uint8Array(new SharedArrayBuffer(MAX_BYTES))).toHaveLength(MAX_BYTES);
});

test.each([
  ['a format without files', [32, 40], /^data cifar-10: expected image files to scale \(shorter side\), got another format/],
  ['a scale below the network', [31, 40], /^shorter side: expected at least the network's 32 x 32 pixels, got 31/],
] as const)('scaling %s is refused', async (_, shorterSide, message) => {
  const set = await openImageSet(await folderWith({ 'test_batch.bin': cifarRecords([[1]], 1) }), { split: 'test' });
  const loading = trainingSet(set, { ...noAugmentation, shorterSide });
  await expect(loading).rejects.toThrow(message);
  await expect(loading).rejects.toThrow(UsageError);
});
