/** Damaged and hostile files: a typed error that says where, never a crash, a hang or a wrong image. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, onTestFinished, test, vi } from 'vitest';
import { spool } from '../../src/data/files/random-access.ts';
import { openImageSet } from '../../src/data/open.ts';
import { InputError, UsageError } from '../../src/errors.ts';
import { cifarRecords, folderWith, idxImages, idxLabels, readAll, tar } from './crafted.ts';

/** A tar.xz, made with Python's tarfile and lzma, of a test_batch.bin: class 7 with all pixels 200, class 2 with all pixels 9. */
const tarXz = Buffer.from(
  '/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj4Cf/AHtdADGaSPYdzlw8iThO2IOxADOo+C2CVVNBhKSjN3ojpt8+BZwkYFUKJDjjsNRN5VxDo5jVBeElf/XZdUmDNvNfGxrJ' +
    'JjnjpppnNsHOkojTd9KfWz7aX5Lnqg+iG4/JZs6GcDpauRBwdACL/dWCDe7Yig9iECD9ZvvJPBPZAAAAFjN03fz3cIQAAZcBgFAAAB1Ds3+xxGf7AgAAAAAEWVo=',
  'base64',
);
const tarGz = async () => gzipSync(await tar([['cifar-10-batches-bin/test_batch.bin', cifarRecords([[4], [2]], 1).fill(0, 100, 3000)]]));

/** Opens and reads a file; undefined when it is refused as it should be. */
async function attempt(path: string): Promise<{ images: Buffer; labels: number[] } | undefined> {
  try {
    return await readAll(await openImageSet(path, { split: 'test' }));
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    expect(String((error as Error).message)).toMatch(/: (expected|\w+) .*got /);
    return undefined;
  }
}

test('a tar.xz archive', async () => {
  const folder = await folderWith({ 'c.tar.xz': tarXz });
  const all = await readAll(await openImageSet(join(folder, 'c.tar.xz'), { split: 'test' }));
  expect(all.labels).toEqual([7, 2]);
  expect(all.images.equals(Buffer.concat([Buffer.alloc(3072, 200), Buffer.alloc(3072, 9)]))).toBe(true);
});

test.each([
  ['tar.gz', tarGz, 37],
  ['tar.xz', async () => tarXz, 1],
  ['tar', () => tar([['test_batch.bin', cifarRecords([[4], [2]], 1)]]), 113],
  ['images-idx3.gz', async () => gzipSync(idxImages(3, 5, 5)), 1],
])('%s cut short anywhere is refused', async (name, make, step) => {
  const whole = await make();
  const folder = await folderWith({ [name]: whole, 'labels-idx1.gz': idxLabels([1, 2, 3]) });
  const path = join(folder, name);
  const intact = await attempt(path);
  expect(intact).toBeDefined();
  for (let length = 0; length < whole.length; length += step) {
    await writeFile(path, whole.subarray(0, length));
    const read = await attempt(path);
    if (read) expect(read).toEqual(intact); // what is cut is padding
  }
});

test.each([
  ['tar.gz', tarGz],
  ['tar.xz', async () => tarXz],
  ['images-idx3.gz', async () => gzipSync(idxImages(3, 5, 5))],
])('%s with flipped bits is refused or read to its end', async (name, make) => {
  const whole = await make();
  const folder = await folderWith({ [name]: whole, 'labels-idx1.gz': idxLabels([1, 2, 3]) });
  const path = join(folder, name);
  const bit = fc.nat({ max: whole.length * 8 - 1 });
  await fc.assert(
    fc.asyncProperty(fc.array(bit, { minLength: 1, maxLength: 3 }), async (bits) => {
      const damaged = Buffer.from(whole);
      for (const at of bits) damaged[at >> 3] = (damaged[at >> 3] as number) ^ (1 << (at & 7));
      await writeFile(path, damaged);
      await attempt(path);
    }),
    { numRuns: 100, seed: 1 },
  );
});

test('unpacking stops at its limit', async () => {
  let produced = 0;
  async function* endless() {
    for (;;) {
      produced++;
      yield Buffer.alloc(1000);
    }
  }
  await expect(spool('bomb.gz', endless(), 10_000)).rejects.toThrow('file bomb.gz: expected at most 10000 bytes when unpacked, got more');
  expect(produced).toBe(11);
});

test('a temporary folder that cannot be written', async () => {
  const folder = await folderWith({ 'images.gz': gzipSync(idxImages(1, 2, 2)), 'labels.gz': gzipSync(idxLabels([1])) });
  vi.stubEnv('TMPDIR', join(folder, 'none')).stubEnv('TEMP', join(folder, 'none'));
  onTestFinished(() => void vi.unstubAllEnvs());
  const opening = openImageSet(join(folder, 'images.gz'), { split: 'test' });
  await expect(opening).rejects.toThrow(UsageError);
  await expect(opening).rejects.toThrow(/images\.gz: cannot be unpacked into .*none, the folder does not exist/);
});

test('an archive with a file twice is refused', async () => {
  const records = cifarRecords([[1]], 1);
  const folder = await folderWith({
    'c.tar': await tar([
      ['a/test_batch.bin', records],
      ['b/test_batch.bin', records],
    ]),
  });
  await expect(openImageSet(join(folder, 'c.tar'), { split: 'test' })).rejects.toThrow(/expected one test_batch\.bin, got two/);
});

test('names of an archive never become paths', async () => {
  const folder = await folderWith({ 'c.tar': await tar([['../../../../tmp/test_batch.bin', cifarRecords([[1]], 1)]]) });
  expect((await readAll(await openImageSet(join(folder, 'c.tar'), { split: 'test' }))).labels).toEqual([1]);
});

test.each([
  ['a missing file', 'nothing-here', /nothing-here: expected a file or folder, got nothing at this path/],
  [
    'a file of another kind',
    'file.txt',
    /file\.txt: expected a folder, a tar archive, a parquet file, mnist\.npz, or an idx file with "images" in its name, got another file/,
  ],
  [
    'a known name that is not in the data folder',
    'cifar-10',
    /data set cifar-10: expected it in .*, got nothing\. Get it with: wrn-onnx data get cifar-10/,
  ],
])('%s is refused', async (_, name, message) => {
  const folder = await folderWith({ 'file.txt': 'some text' });
  const source = name === 'cifar-10' ? name : join(folder, name);
  await expect(openImageSet(source, { split: 'test', dataFolder: folder })).rejects.toThrow(message);
});
