import { expect, test } from 'vitest';
import { range, readAhead, spread } from '../../src/data/batches.ts';
import type { ImageSet } from '../../src/data/dataset.ts';
import { InputError, UsageError } from '../../src/errors.ts';

/** Images of two bytes: their index and its complement; the label is the index. */
async function fill(offset: number, count: number, images: Uint8Array, labels: Int32Array): Promise<void> {
  for (let i = 0; i < count; i++) {
    images.set([offset + i, 255 - offset - i], 2 * i);
    labels[i] = offset + i;
  }
}

test.each([
  {
    size: 4,
    from: 0,
    to: 10,
    expected: [
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [8, 9],
    ],
  },
  { size: 4, from: 3, to: 7, expected: [[3, 4, 5, 6]] },
  { size: 100, from: 0, to: 3, expected: [[0, 1, 2]] },
  { size: 1, from: 8, to: 10, expected: [[8], [9]] },
  { size: 5, from: 6, to: 6, expected: [] },
])('images $from to $to by $size', async ({ expected, ...asked }) => {
  const labels: number[][] = [];
  for await (const batch of readAhead(fill, 2, asked)) {
    expect(batch.count).toBe(batch.labels.length);
    expect([...batch.imagesNCHW]).toEqual([...batch.labels].flatMap((i) => [i, 255 - i]));
    expect(batch.offset).toBe(batch.labels[0]);
    labels.push([...batch.labels]);
  }
  expect(labels).toEqual(expected);
});

test.each([
  {
    length: 100,
    size: 2,
    count: 6,
    expected: [
      [0, 1],
      [33, 34],
      [66, 67],
    ],
  },
  {
    length: 10,
    size: 4,
    count: 10,
    expected: [
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [8, 9],
    ],
  },
  {
    length: 11,
    size: 4,
    count: 10,
    expected: [
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [8, 9],
    ],
  },
  { length: 5, size: 8, count: 3, expected: [[0, 1, 2]] },
  { length: 5, size: 8, count: 0, expected: [] },
])('$count of $length images from all over, $size at a time', async ({ length, size, count, expected }) => {
  const batches: ImageSet['batches'] = (s, from, to) => readAhead(fill, 2, range(length, s, from, to));
  const data = { length, batches } satisfies Partial<ImageSet> as ImageSet;
  const labels: number[][] = [];
  for await (const batch of spread(data, size, count)) labels.push([...batch.labels]);
  expect(labels).toEqual(expected);
});

test('one batch is read ahead, no more, into two buffers', async () => {
  const begun: number[] = [];
  const load: typeof fill = (offset, ...rest) => {
    begun.push(offset);
    return fill(offset, ...rest);
  };
  const buffers = new Set<ArrayBufferLike>();
  let seen = 0;
  for await (const batch of readAhead(load, 2, { size: 2, from: 0, to: 12 })) {
    seen++;
    buffers.add(batch.imagesNCHW.buffer);
    expect(begun.length).toBe(Math.min(seen + 1, 6));
  }
  expect(begun).toEqual([0, 2, 4, 6, 8, 10]);
  expect(buffers.size).toBe(2);
});

test('an error comes with its batch, not before', async () => {
  const load: typeof fill = (offset, ...rest) => (offset >= 4 ? Promise.reject(new InputError('f', 'p', 'bad')) : fill(offset, ...rest));
  const seen: number[] = [];
  const reading = async () => {
    for await (const batch of readAhead(load, 2, { size: 2, from: 0, to: 12 })) {
      await new Promise((resolve) => setTimeout(resolve, 5)); // the error happens meanwhile and must not go unhandled
      seen.push(batch.offset);
    }
  };
  await expect(reading()).rejects.toThrow('f p: bad');
  expect(seen).toEqual([0, 2]);
});

test('leaving the loop waits for the batch that is being read', async () => {
  let running = 0;
  const load: typeof fill = async (...args) => {
    running++;
    await new Promise((resolve) => setTimeout(resolve, 5));
    await fill(...args);
    running--;
  };
  for await (const _ of readAhead(load, 2, { size: 2, from: 0, to: 12 })) break;
  expect(running).toBe(0);
});

test.each([
  [0, 0, 5],
  [1.5, 0, 5],
  [1, -1, 5],
  [1, 3, 2],
  [1, 0, 11],
  [1, 0.5, 2],
])('batch size %d from %d to %d of 10 images is refused', (size, from, to) => {
  expect(() => range(10, size, from, to)).toThrow(UsageError);
});
