import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openImageSet } from '../../../src/data/open.ts';
import { InputError } from '../../../src/errors.ts';
import { type Member, zipFile } from '../../formats/zip-file.ts';
import { folderWith, formulaImages, noise, readAll } from '../crafted.ts';

/** Written by numpy, compressed and not: fixtures/make.py. */
const fixtures = fileURLToPath(new URL('../fixtures/imagenet32/', import.meta.url));
const trainLabels = Array.from({ length: 20 }, (_, i) => (i % 2 === 1 ? 999 - i : i));

test('validation images as numpy wrote them; labels from 0', async () => {
  const set = await openImageSet(fixtures, { split: 'test', shape: { channels: 3, height: 32, width: 32 }, classes: 1000 });
  expect(set).toMatchObject({ name: 'imagenet32', split: 'test', classes: 1000, classLabels: undefined, length: 4 });
  const all = await readAll(set);
  expect(all.labels).toEqual([999, 0, 499, 1]);
  expect(all.images.equals(formulaImages(0, 4))).toBe(true);
});

test('ten training files one after the other, batches across their borders', async () => {
  const set = await openImageSet(fixtures, { split: 'train' });
  expect(set.length).toBe(20);
  const all = await readAll(set, 6);
  expect(all.labels).toEqual(trainLabels);
  expect(all.images.equals(formulaImages(0, 20))).toBe(true);
});

test('images from the middle', async () => {
  const { images, labels } = await readAll(await openImageSet(fixtures, { split: 'train' }), 4, 7, 18);
  expect(labels).toEqual(trainLabels.slice(7, 18));
  expect(images.equals(formulaImages(7, 11))).toBe(true);
});

/** An npy file, version 2.0, with this header and these elements. */
function npy(descr: string, shape: string, data: Uint8Array, order = 'False'): Buffer {
  const header = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }\n`;
  const length = Buffer.alloc(4);
  length.writeUInt32LE(header.length);
  return Buffer.concat([Buffer.from('\x93NUMPY\x02\x00', 'latin1'), length, Buffer.from(header), data]);
}

const images = npy('|u1', '(2, 3072)', noise(6144, 1));
const labels = npy('|u1', '(2,)', Buffer.of(7, 9));
const npz = (data: Buffer, y: Buffer, lie: Pick<Member, 'lie' | 'deflated'> = {}) =>
  zipFile([
    { name: 'labels.npy', data: y, deflated: true },
    { name: 'data.npy', data, ...lie },
  ]);

test.each([
  ['|u1', Buffer.of(7, 9)],
  ['<u2', Buffer.of(7, 0, 9, 0)],
  ['<i4', Buffer.of(7, 0, 0, 0, 9, 0, 0, 0)],
  ['<i8', Buffer.of(7, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0)],
])('labels as %s', async (descr, bytes) => {
  const folder = await folderWith({ 'val_data.npz': npz(images, npy(descr, '(2,)', bytes)) });
  const all = await readAll(await openImageSet(folder, { split: 'test' }));
  expect(all).toMatchObject({ labels: [6, 8], images: noise(6144, 1) });
});

test.each([
  [
    'another size',
    npz(npy('|u1', '(2, 784)', noise(1568, 1)), labels),
    /^ImageNet32 .*val_data\.npz data: expected \|u1 of images x 3072, got \|u1 of 2 x 784/,
  ],
  ['floats', npz(npy('<f4', '(2, 3072)', noise(24576, 1)), labels), /expected \|u1 of images x 3072, got <f4 of 2 x 3072/],
  ['the other order', npz(npy('|u1', '(2, 3072)', noise(6144, 1), 'True'), labels), /data: expected/],
  [
    'pickled objects',
    npz(npy('|O', '(2, 3072)', noise(6144, 1)), labels),
    /^ImageNet32 .*val_data\.npz data: expected .u1 of images x 3072, got .O/,
  ],
  ['no images', npz(npy('|u1', '(0, 3072)', Buffer.alloc(0)), labels), /data: expected/],
  ['dimensions that lie', npz(npy('|u1', '(1000000, 3072)', noise(6144, 1)), labels), /data: expected 3072000081 bytes, got 6225/],
  ['a size that lies', npz(images, labels, { lie: { size: 6221 + 3072 } }), /data: expected 6219 bytes, got 9293/],
  ['bytes that lie', npz(images, labels, { lie: { stored: 1e9 } }), /expected \d+ bytes, got \d+/],
  ['another method', npz(images, labels, { lie: { method: 14 } }), /expected a stored or deflated member, got method 14/],
  [
    'data that is not deflated',
    npz(Buffer.from('\xff'.repeat(99), 'latin1'), labels, { lie: { method: 8 } }),
    /^deflate .*val_data\.npz: expected complete, undamaged data, got/,
  ],
  ['fewer labels', npz(images, npy('|u1', '(1,)', Buffer.of(7))), /labels: expected 2 integers, one per image, got \|u1 of 1/],
  ['float labels', npz(images, npy('<f8', '(2,)', Buffer.alloc(16))), /labels: expected 2 integers, one per image, got <f8 of 2/],
  ['a label of 0', npz(images, npy('|u1', '(2,)', Buffer.of(7, 0))), /image 1: expected a label from 1 to 1000, got 0/],
  ['no labels', zipFile([{ name: 'data.npy', data: images }]), /expected an array labels, got data\.npy/],
  ['no archive', noise(500, 1), /^zip .*val_data\.npz: expected an end of central directory, got none/],
])('%s: refused', async (_, file, message) => {
  const opening = async () => readAll(await openImageSet(await folderWith({ 'val_data.npz': file }), { split: 'test' }));
  await expect(opening()).rejects.toThrow(message);
  await expect(opening()).rejects.toThrow(InputError);
});

test('a missing training file is named', async () => {
  const folder = await folderWith({ 'train_data_batch_1.npz': npz(images, labels) });
  await expect(openImageSet(folder, { split: 'train' })).rejects.toThrow(
    /^file [^ ]*train_data_batch_2\.npz: expected a file, got no such file/,
  );
});

test('cut short anywhere it is refused; with a wrong byte refused or read to its end', async () => {
  const whole = readFileSync(join(fixtures, 'val_data.npz'));
  const folder = await folderWith();
  const path = join(folder, 'val_data.npz');
  const attempt = async (bytes: Buffer) => {
    writeFileSync(path, bytes);
    return openImageSet(folder, { split: 'test' })
      .then((set) => readAll(set))
      .catch((error: unknown) => error);
  };
  for (let at = 0; at < whole.length; at += 7) {
    expect(await attempt(whole.subarray(0, at))).toBeInstanceOf(InputError);
    const damaged = Buffer.from(whole);
    damaged[at] = (damaged[at] as number) ^ 0x55;
    const outcome = await attempt(damaged);
    if (outcome instanceof Error) expect(outcome).toBeInstanceOf(InputError);
  }
});
