import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { expect, test } from 'vitest';
import { decodeImage } from '../../../src/data/files/decode-image.ts';
import { openImageSet } from '../../../src/data/open.ts';
import { InputError, UsageError } from '../../../src/errors.ts';
import { folderWith, noise, readAll } from '../crafted.ts';

const shape = { channels: 3, height: 4, width: 4 };
const tiny = { channels: 3, height: 1, width: 6 };

function image(pixels: Uint8Array, width: number, height: number, channels: 1 | 2 | 3 | 4): Sharp {
  return sharp(pixels, { raw: { width, height, channels } });
}

/** [height, width, 3] to [3, height, width], written the other way round than the product does. */
function planes(rgb: Uint8Array): number[] {
  return [0, 1, 2].flatMap((c) => [...rgb].filter((_, i) => i % 3 === c));
}

/** Six images of noise in three classes, in the three formats, losslessly. */
const pixels = Array.from({ length: 6 }, (_, i) => noise(48, i));
const png = (i: number) =>
  image(pixels[i] as Buffer, 4, 4, 3)
    .png()
    .toBuffer();
const classes = async () => ({
  'b/2.png': await png(0),
  'b/10.PNG': await png(1),
  'a/x.webp': await image(pixels[2] as Buffer, 4, 4, 3)
    .webp({ lossless: true })
    .toBuffer(),
  'Z/1.png': await png(3),
  'Z/2.png': await png(4),
  'Z/3.png': await png(5),
  'Z/.DS_Store': 'left by a file manager',
  'README.txt': 'beside the class folders anything may lie',
});
const order = [3, 4, 5, 2, 1, 0];
const expected = { images: Buffer.from(order.flatMap((i) => planes(pixels[i] as Buffer))), labels: [0, 0, 0, 1, 2, 2], offsets: [0, 4] };

test('classes and images in the order of their names, pixels as they are', async () => {
  const set = await openImageSet(await folderWith(await classes()), { split: 'test', shape });
  expect(set).toMatchObject({ length: 6, classes: 3, classLabels: ['Z', 'a', 'b'], ...shape });
  expect(await readAll(set, 4)).toEqual(expected);
});

test.each([
  ['number', Array.from({ length: 12 }, (_, i) => `${i}`), Array.from({ length: 12 }, (_, i) => `${i}`)],
  ['number', ['007', '10', '9'], ['007', '9', '10']],
  ['name', ['1', '10', '2', 'x'], ['1', '10', '2', 'x']],
])('classes by %s: %j', async (classOrder, names, sorted) => {
  const files = await Promise.all(names.map(async (name) => [`test/${name}/1.png`, await png(sorted.indexOf(name) % 6)] as const));
  const set = await openImageSet(await folderWith(Object.fromEntries(files)), { split: 'test', shape });
  expect(set).toMatchObject({ classOrder, classLabels: sorted });
  const { images, labels } = await readAll(set);
  expect(labels).toEqual(sorted.map((_, i) => i));
  expect([...images]).toEqual(sorted.flatMap((_, i) => planes(pixels[i % 6] as Buffer)));
});

test('images from the middle are the same as in the whole', async () => {
  const set = await openImageSet(await folderWith(await classes()), { split: 'test', shape });
  expect(await readAll(set, 2, 2, 5)).toEqual({ images: expected.images.subarray(96, 240), labels: [0, 1, 2], offsets: [2, 4] });
});

test.each(['test', 'val', 'valid', 'Validation', 'TEST'])('a folder of train and %s', async (name) => {
  const files = {
    'train/a/1.png': await png(0),
    'train/b/1.png': await png(1),
    [`${name}/a/1.png`]: await png(2),
    [`${name}/b/1.png`]: await png(3),
  };
  const folder = await folderWith(files);
  for (const [split, first] of [
    ['train', 0],
    ['test', 2],
  ] as const) {
    const { images, labels } = await readAll(await openImageSet(folder, { split, shape }));
    expect(labels).toEqual([0, 1]);
    expect([...images]).toEqual([first, first + 1].flatMap((i) => planes(pixels[i] as Buffer)));
  }
});

test('what archivers leave behind is no class', async () => {
  const folder = await folderWith({ 'a/1.png': await png(0), 'a/__MACOSX/1.png': 'x', '__MACOSX/a/1.png': 'x', '.git/x': 'x' });
  expect((await openImageSet(folder, { split: 'test', shape })).classLabels).toEqual(['a']);
});

test('broken images are errors, and left out and named where that is asked for', async () => {
  const good = await png(0);
  const folder = await folderWith({
    'a/1.png': good,
    'a/2.png': good.subarray(0, 40),
    'a/notes.txt': 'x',
    'b/1.png': 'text',
    'b/2.png': await png(1),
  });
  await expect(openImageSet(folder, { split: 'test', shape }).then(readAll)).rejects.toThrow(InputError);
  const left: string[] = [];
  const set = await openImageSet(folder, { split: 'test', shape, skipBroken: (path) => left.push(path.slice(folder.length + 1)) });
  expect(left.sort()).toEqual(['a/2.png', 'a/notes.txt', 'b/1.png']);
  expect(await readAll(set)).toMatchObject({
    labels: [0, 1],
    images: Buffer.from([...planes(pixels[0] as Buffer), ...planes(pixels[1] as Buffer)]),
  });
});

test('links to folders and images count as what they point to', async () => {
  const real = await folderWith({ 'far/1.png': await png(0) });
  const folder = await folderWith({ 'b/1.png': await png(1) });
  await symlink(join(real, 'far'), join(folder, 'a'), 'dir');
  expect((await readAll(await openImageSet(folder, { split: 'test', shape }))).labels).toEqual([0, 1]);
});

test.each([
  [
    'a text file among the images',
    { 'a/1.png': 'good', 'a/notes.txt': 'x' },
    /^image folder .*a: expected only images \(PNG, JPEG, WebP, GIF, TIFF, AVIF\), got notes\.txt/,
  ],
  [
    'a folder among the images',
    { 'a/1.png': 'good', 'a/b/1.png': 'good' },
    /expected only images \(PNG, JPEG, WebP, GIF, TIFF, AVIF\), got b/,
  ],
  ['a class without images', { 'a/1.png': 'good', 'b/.hidden': '' }, /b: expected images, got none/],
  [
    'text under the name of an image',
    { 'a/1.png': 'text' },
    /^image .*1\.png: expected an image \(PNG, JPEG, WebP, GIF, TIFF, AVIF\), got: /,
  ],
  ['an image cut short', { 'a/1.png': 'cut' }, /^image .*1\.png: expected an image \(PNG, JPEG, WebP, GIF, TIFF, AVIF\), got: /],
  [
    'another number of classes than the network’s',
    { 'a/1.png': 'good', 'b/1.png': 'good', 'c/1.png': 'good' },
    /expected 2 classes for this network, got 3/,
  ],
  [
    'only the train split',
    { 'train/a/1.png': 'good' },
    /expected a folder named test or testing or val or valid or validation or dev, got train/,
  ],
  [
    'neither folders nor known files',
    { 'a.txt': 'x' },
    /expected CIFAR-10 binary, .*MNIST-style idx, .*ImageNet32, ImageNet, ImageNet archives, parquet, image folder, got none of these, but a\.txt/,
  ],
])('%s is refused', async (name, files, message) => {
  const good = await png(0);
  const contents = { good, cut: good.subarray(0, good.length / 2) };
  const written = Object.fromEntries(
    Object.entries(files).map(([path, content]) => [path, contents[content as 'good' | 'cut'] ?? content]),
  );
  const folder = await folderWith(written);
  const options = { split: 'test' as const, shape, ...(name.includes('classes') && { classes: 2 }) };
  const reading = async () => readAll(await openImageSet(folder, options));
  await expect(reading()).rejects.toThrow(message);
  await expect(reading()).rejects.toThrow(InputError);
});

test('without the network’s shape it is refused', async () => {
  await expect(openImageSet(await folderWith(await classes()), { split: 'test' })).rejects.toThrow(UsageError);
});

test('a folder that changes while it is read is noticed', async () => {
  const folder = await folderWith(await classes());
  const set = await openImageSet(folder, { split: 'test', shape });
  await rm(join(folder, 'b/2.png'));
  await expect(readAll(set)).rejects.toThrow(/b: expected 2 images as when it was opened, got 1/);
});

const grey = noise(6, 3);
const twice = (bytes: Uint8Array) => [...bytes, ...bytes, ...bytes];
test.each([
  ['grey', () => image(grey, 6, 1, 1).toColourspace('b-w').png(), twice(grey)],
  [
    '16-bit grey: the upper byte',
    () =>
      sharp(
        Uint16Array.from(grey, (v) => v * 257),
        { raw: { width: 6, height: 1, channels: 1 } },
      )
        .toColourspace('grey16')
        .png(),
    twice(grey),
  ],
  ['transparent: white', () => image(Buffer.alloc(24), 6, 1, 4).png(), Array(18).fill(255)],
  [
    'half transparent black: the middle',
    () => image(Buffer.from([...Array(6)].flatMap(() => [0, 0, 0, 128])), 6, 1, 4).png(),
    Array(18).fill(127),
  ],
  [
    'grey with transparency',
    () => image(Buffer.from([...grey].flatMap((v, i) => [v, i < 3 ? 255 : 0])), 6, 1, 2).png(),
    twice(Buffer.from([...grey.subarray(0, 3), 255, 255, 255])),
  ],
  [
    'palette',
    () => image(Buffer.from([...Array(6)].flatMap((_, i) => (i < 3 ? [255, 0, 0] : [0, 0, 255]))), 6, 1, 3).png({ palette: true }),
    [255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255],
  ],
])('%s image in three channels', async (_, make, expectedPixels) => {
  expect([...(await decodeImage(await make().toBuffer(), tiny, 'image'))]).toEqual(expectedPixels);
});

test('a colour image in one channel is its luma, as Pillow computes it', async () => {
  const colours = [255, 0, 0, 0, 255, 0, 0, 0, 255, 12, 200, 77, 250, 128, 3, 99, 100, 101];
  const bytes = await image(Buffer.from(colours), 6, 1, 3).png().toBuffer();
  expect([...(await decodeImage(bytes, { ...tiny, channels: 1 }, 'image'))]).toEqual([76, 150, 29, 130, 150, 100]);
});

test('every grey value stays as it is in one channel', async () => {
  const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  const bytes = await image(all, 16, 16, 1).toColourspace('b-w').png().toBuffer();
  expect(Buffer.from(await decodeImage(bytes, { channels: 1, height: 16, width: 16 }, 'image')).equals(all)).toBe(true);
});

test('a wide image is cut around its centre', async () => {
  const thirds = Buffer.from(
    [...Array(16)].flatMap(() => [...Array(48)].flatMap((_, x) => (x < 16 ? [255, 0, 0] : x < 32 ? [0, 255, 0] : [0, 0, 255]))),
  );
  const bytes = await image(thirds, 48, 16, 3).png().toBuffer();
  expect([...(await decodeImage(bytes, { channels: 3, height: 16, width: 16 }, 'image'))]).toEqual([
    ...Array(256).fill(0),
    ...Array(256).fill(255),
    ...Array(256).fill(0),
  ]);
});

test.each([
  ['as it is', 10, 12, 10],
  ['twice as large', 20, 24, 20],
])('scaled until its shorter side is given, %s, an image is cut around the centre', async (_, shorterSide, width, height) => {
  const pixels = noise(12 * 10 * 3, 1);
  const folder = await folderWith({ 'a/1.png': await image(pixels, 12, 10, 3).png().toBuffer() });
  const set = await openImageSet(folder, { split: 'test', shape: { channels: 3, height: 8, width: 8 }, shorterSides: [shorterSide] });
  expect(set.name).toContain(`shorter side ${shorterSide}`); // or parts of other crops would merge
  const scaled = await image(pixels, 12, 10, 3).resize(width, height, { fit: 'fill' }).raw().toBuffer();
  const [top, left] = [(height - 8) / 2, (width - 8) / 2];
  const centre = Array.from({ length: 8 }, (_, y) => {
    const from = ((top + y) * width + left) * 3;
    return scaled.subarray(from, from + 24);
  });
  expect([...(await readAll(set)).images]).toEqual(planes(Buffer.concat(centre)));
});

/** Where an 8x8 crop of three planes lies in an image [height, width, 3], as `top,left`; undefined: nowhere. */
function placeOf(crop: Uint8Array, rgb: Uint8Array, width: number, height: number): string | undefined {
  for (let top = 0; top <= height - 8; top++)
    for (let left = 0; left <= width - 8; left++) {
      const isHere = crop.every((value, i) => {
        const [c, y, x] = [Math.floor(i / 64), Math.floor(i / 8) % 8, i % 8];
        return value === rgb[((top + y) * width + left + x) * 3 + c];
      });
      if (isHere) return `${top},${left}`;
    }
  return undefined;
}

test('random crops of each scale lie within the scaled image, at every place, and are the same each time', async () => {
  const pictures = [noise(12 * 10 * 3, 1), noise(12 * 10 * 3, 2)];
  const files = await Promise.all(pictures.map((pixels) => image(pixels, 12, 10, 3).png().toBuffer()));
  const folder = await folderWith({ 'a/1.png': files[0] as Buffer, 'a/2.png': files[1] as Buffer });
  const crops = 100;
  const set = await openImageSet(folder, { split: 'test', shape: { channels: 3, height: 8, width: 8 }, shorterSides: [10, 20], crops });
  expect(set).toMatchObject({ length: 2, crops: 2 * crops, name: expect.stringMatching(/ \(shorter side 10, 20, 100 random crops\)$/) });
  const { images, labels } = await readAll(set, 1);
  expect(labels).toEqual([0, 0]);
  expect(images.length).toBe(2 * 2 * crops * 192);

  const places = await Promise.all(
    pictures.map(async (pixels, i) => {
      const scaled = await image(pixels, 12, 10, 3).resize(24, 20, { fit: 'fill' }).raw().toBuffer();
      return Array.from({ length: 2 * crops }, (_, view) => {
        const from = (i * 2 * crops + view) * 192;
        const crop = images.subarray(from, from + 192);
        return view < crops ? placeOf(crop, pixels, 12, 10) : placeOf(crop, scaled, 24, 20);
      });
    }),
  );
  expect(places.flat()).not.toContain(undefined);
  expect(new Set(places[0]?.slice(0, crops)).size).toBe(3 * 5);
  expect(new Set(places[0]?.slice(crops)).size).toBeGreaterThan(60); // of 13 * 17, by 100 crops: 80 are expected
  expect(places[0]).not.toEqual(places[1]);
  const second = await readAll(set, 1, 1, 2);
  expect(Buffer.from(second.images).equals(Buffer.from(images.subarray(images.length / 2)))).toBe(true);
});

test('crops without a scale are refused', async () => {
  const opening = openImageSet(await folderWith(await classes()), { split: 'test', shape, crops: 5 });
  await expect(opening).rejects.toThrow(UsageError);
  await expect(opening).rejects.toThrow('crops: expected a shorter side to scale images to, got none');
});

test('a shorter side below the network’s is refused', async () => {
  const opening = openImageSet(await folderWith(await classes()), { split: 'test', shape, shorterSides: [3] });
  await expect(opening).rejects.toThrow(UsageError);
  await expect(opening).rejects.toThrow("shorter side: expected at least the network's 4 x 4 pixels, got 3");
});

test('another size is scaled: a flat image stays flat', async () => {
  const bytes = await image(Buffer.alloc(60 * 40 * 3, 77), 60, 40, 3)
    .jpeg({ quality: 100 })
    .toBuffer();
  const small = await decodeImage(bytes, shape, 'image');
  expect(small.length).toBe(48);
  for (const value of small) expect(Math.abs(value - 77)).toBeLessThanOrEqual(1);
});

test('a photograph is turned as its orientation tag says', async () => {
  const topRed = Buffer.from([255, 0, 0, 255, 0, 0, 0, 0, 255, 0, 0, 255]);
  const turned = await image(topRed, 2, 2, 3).withMetadata({ orientation: 6 }).png().toBuffer(); // 6: shown turned by 90 degrees clockwise
  expect([...(await decodeImage(turned, { channels: 3, height: 2, width: 2 }, 'image'))]).toEqual([
    0, 255, 0, 255, 0, 0, 0, 0, 255, 0, 255, 0,
  ]);
});

test('an image folder of one image and a network of four channels is refused', async () => {
  await expect(decodeImage(await png(0), { ...shape, channels: 4 }, 'image')).rejects.toThrow(UsageError);
});

test('memory holds the names of one class only: classes are listed as they are reached', async () => {
  const folder = await folderWith(await classes());
  const set = await openImageSet(folder, { split: 'test', shape });
  const reader = set.batches(1)[Symbol.asyncIterator]();
  await reader.next(); // class Z; the next image is of class Z too
  await rm(join(folder, 'b'), { recursive: true });
  await mkdir(join(folder, 'b'));
  await writeFile(join(folder, 'b/2.png'), await png(1));
  await writeFile(join(folder, 'b/10.PNG'), await png(0));
  const labels: number[] = [];
  for (let next = await reader.next(); !next.done; next = await reader.next()) labels.push(...next.value.labels);
  expect(labels).toEqual([0, 0, 1, 2, 2]);
});
