import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { decodeImage } from '../../src/data/files/decode-image.ts';
import { fromPicture, fromPixels } from '../../src/onebit/picture.ts';
import { random } from '../network/random-model.ts';

/** A picture with edges and soft parts, some of it transparent. */
async function picture(width: number, height: number) {
  const next = random(3);
  const data = Uint8Array.from({ length: 4 * width * height }, (_, i) => {
    const [x, y] = [(i >> 2) % width, Math.floor((i >> 2) / width)];
    if ((i & 3) === 3) return x < width / 4 ? 128 : 255;
    return 60 + 100 * Math.abs(Math.sin((x * (1 + (i & 3))) / 9 + y / 7)) + (x + y > width ? 40 : 0) + 10 * next();
  });
  return {
    width,
    height,
    data,
    file: await sharp(data, { raw: { width, height, channels: 4 } })
      .png()
      .toBuffer(),
  };
}

test.each([
  { name: 'the same size', from: [32, 32], to: [32, 32], limit: 0 },
  { name: 'smaller', from: [45, 45], to: [32, 32], limit: 1 },
  { name: 'much smaller', from: [400, 300], to: [32, 32], limit: 1.5 },
  { name: 'wide to square', from: [90, 40], to: [28, 28], limit: 1.5 },
  // libvips places enlarged pixels a fraction of a pixel beside their centres
  { name: 'larger', from: [20, 16], to: [33, 47], limit: 5 },
])('$name: as predict scales it', async ({ from: [width = 0, height = 0], to: [outHeight = 0, outWidth = 0], limit }) => {
  const { file, ...pixels } = await picture(width, height);
  for (const channels of [1, 3]) {
    const got = await fromPicture(pixels, [channels, outHeight, outWidth]);
    const expected = await decodeImage(file, { channels, height: outHeight, width: outWidth }, 'picture');
    const distance = got.reduce((sum, value, i) => sum + Math.abs(value - (expected[i] as number)), 0) / got.length;
    expect(distance).toBeLessThanOrEqual(limit);
  }
});

test('a picture of the size of the network keeps its pixels', async () => {
  const file = await readFile('examples/ship.png');
  const { data, info } = await sharp(file).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
  const shape = { channels: 3, height: info.height, width: info.width };
  expect(fromPixels({ ...info, data }, [3, info.height, info.width])).toEqual(await decodeImage(file, shape, 'ship'));
});

test('data that do not fit the size, and files without a canvas, are refused', async () => {
  expect(() => fromPixels({ width: 2, height: 2, data: new Uint8Array(15) }, [3, 4, 4])).toThrow(
    'expected 16 bytes of 2 x 2 pixels, got 15',
  );
  await expect(fromPicture(new Blob(['']), [3, 4, 4])).rejects.toThrow('expected pixels { width, height, data }');
});
