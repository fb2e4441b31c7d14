/** Data sets as Python's tools keep them: written by Python where it is, and by hand in the bytes of the official files. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openImageSet, openSplits } from '../../../src/data/open.ts';
import { InputError } from '../../../src/errors.ts';
import { type Environment, hasPython, python, SET_UP_TIMEOUT } from '../../interop/environment.ts';
import { cifarPickle, folderWith, idxImages, idxLabels, noise, readAll, tar } from '../crafted.ts';

/** Two grey PNG images of 3 x 2 pixels, classes 1 and 7 of 10, written by pyarrow with snappy. */
const golden = readFileSync(new URL('../fixtures/two-images.parquet', import.meta.url));

const script = fileURLToPath(new URL('fixtures.py', import.meta.url));

interface Answer {
  readonly cifar: readonly number[];
  readonly labels: readonly number[];
  readonly mnist: readonly number[];
}

const environment: Environment = { name: 'data-sets', packages: ['numpy==2.4.6', 'pillow==13.0.0', 'pyarrow==26.0.0'] };

async function written(): Promise<{ folder: string; answer: Answer }> {
  const folder = await folderWith();
  const interpreter = await python(environment);
  return { folder, answer: JSON.parse(execFileSync(interpreter, [script, folder], { encoding: 'utf8', maxBuffer: 2 ** 26 })) };
}

function testWithPython(name: string, body: () => Promise<void>): void {
  test.skipIf(!hasPython)(`${name}${hasPython ? '' : ' [needs Python 3.11 with venv]'}`, body, SET_UP_TIMEOUT);
}

describe("CIFAR's Python version", () => {
  const pixels = noise(3 * 3072, 1);
  const batch = cifarPickle([7, 0, 9], pixels);
  test('a folder, the folder above it, and a .tar.gz', async () => {
    const folder = await folderWith({ 'cifar-10-batches-py/test_batch': batch, 'cifar-10-batches-py/batches.meta': 'x' });
    await writeFile(join(folder, 'c.tar.gz'), gzipSync(await tar([['cifar-10-batches-py/test_batch', batch]])));
    for (const source of [folder, join(folder, 'cifar-10-batches-py'), join(folder, 'c.tar.gz')]) {
      const set = await openImageSet(source);
      expect(set).toMatchObject({ name: 'cifar-10', classes: 10, length: 3, channels: 3, height: 32, width: 32 });
      expect(set.classLabels?.[7]).toBe('horse');
      const { images, labels } = await readAll(set, 2);
      expect(labels).toEqual([7, 0, 9]);
      expect(images.equals(pixels)).toBe(true);
    }
  });

  test('training is five files', async () => {
    const files = Object.fromEntries([1, 2, 3, 4, 5].map((i) => [`data_batch_${i}`, cifarPickle([i], noise(3072, i))]));
    const { images, labels } = await readAll(await openImageSet(await folderWith(files), { split: 'train' }), 2);
    expect(labels).toEqual([1, 2, 3, 4, 5]);
    expect(images.subarray(3 * 3072, 4 * 3072).equals(noise(3072, 4))).toBe(true);
    await expect(openImageSet(await folderWith({ data_batch_1: batch }), { split: 'train' })).rejects.toThrow(
      /data_batch_2: expected a file/,
    );
  });

  testWithPython('as NumPy pickles it, protocols 2 to 5, keys as text and as bytes', async () => {
    const { folder, answer } = await written();
    for (const protocol of [2, 3, 4, 5]) {
      const { images, labels } = await readAll(await openImageSet(join(folder, `cifar-${protocol}`)));
      expect(labels).toEqual(answer.labels);
      expect([...images]).toEqual(answer.cifar);
    }
    const fine = await readAll(await openImageSet(join(folder, 'cifar-100-python')));
    expect(fine.labels).toEqual([99, 1, 2, 3]);
    expect([...fine.images]).toEqual(answer.cifar);
  });

  test.each([
    ['a label beyond the classes', cifarPickle([10], noise(3072, 1)), /test_batch image 0: expected a label below 10, got 10/],
    ['fewer pixels than labels', cifarPickle([1, 2], noise(3072, 1)), /test_batch data: expected bytes of 2 x 3072/],
    ['another pickle', Buffer.from('\x80\x02}q\x01U\x01aK\x01s.', 'latin1'), /expected an array data and a list labels, got a/],
    ['code', Buffer.from("cos\nsystem\n(S'true'\ntR.", 'latin1'), /CIFAR-10 Python/],
    ['a class of some package', Buffer.from('\x80\x02cpandas\nFrame\n)R.', 'latin1'), /expected an array data and a list labels, got none/],
  ])('%s is refused', async (_, bytes, message) => {
    const opening = openImageSet(await folderWith({ test_batch: bytes }));
    await expect(opening).rejects.toThrow(message);
    await expect(opening).rejects.toThrow(InputError);
  });
});

describe('caches of torchvision and Keras', () => {
  const files = { 't10k-images-idx3-ubyte': idxImages(2, 28, 28), 't10k-labels-idx1-ubyte': idxLabels([4, 2]) };
  test.each(['MNIST/raw/', 'raw/', ''])('idx files in %j of the folder that is given', async (inner) => {
    const folder = await folderWith(Object.fromEntries(Object.entries(files).map(([name, bytes]) => [inner + name, bytes])));
    expect((await readAll(await openImageSet(folder))).labels).toEqual([4, 2]);
  });
  test('names with a dot', async () => {
    const folder = await folderWith(
      Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name.replace('-idx', '.idx'), bytes])),
    );
    expect((await readAll(await openImageSet(folder))).labels).toEqual([4, 2]);
  });
  test('two data sets in one folder are not guessed between', async () => {
    const folder = await folderWith({ 'cifar-10-batches-py/test_batch': '', 'MNIST/raw/t10k-images-idx3-ubyte': '' });
    await expect(openImageSet(folder)).rejects.toThrow(/got MNIST\/raw, cifar-10-batches-py\. Name one of these folders/);
  });
  testWithPython('mnist.npz of Keras, stored and compressed, as a folder and as a file', async () => {
    const { folder, answer } = await written();
    for (const source of ['keras', 'keras/mnist.npz', 'keras-small']) {
      const { images, labels } = await readAll(await openImageSet(join(folder, source)), 2);
      expect(labels).toEqual([5, 0, 4, 1, 9]);
      expect([...images]).toEqual(answer.mnist);
    }
    expect((await readAll(await openImageSet(join(folder, 'keras'), { split: 'train' }))).labels).toEqual([7]);
  });
});

describe('parquet of Hugging Face', () => {
  testWithPython('images and labels, several files and groups of rows, each compression', async () => {
    const { folder, answer } = await written();
    for (const compression of ['snappy', 'zstd', 'none', 'gzip']) {
      const set = await openImageSet(join(folder, `parquet-${compression}`));
      expect(set).toMatchObject({ classes: 10, length: 4, channels: 3, height: 32, width: 32 });
      expect(set.classLabels?.[3]).toBe('cat');
      const { images, labels } = await readAll(set, 3);
      expect(labels).toEqual(answer.labels);
      expect([...images]).toEqual(answer.cifar);
    }
    const one = await openImageSet(join(folder, 'parquet-zstd/plain_text/train-00000-of-00001.parquet'), { split: 'train' });
    expect(one.unsplit).toBe(true);
    expect((await readAll(one)).labels).toEqual([3]);
  });
  testWithPython('labels that are withheld, parts that are missing, splits in folders, images of several sizes', async () => {
    const { folder, answer } = await written();
    const opening = (name: string, options = {}) => openImageSet(join(folder, name), options);
    for (const name of ['withheld', 'withheld/data']) expect((await readAll(await opening(name))).labels).toEqual([3, 2, 1, 0]);
    await expect(opening('only-withheld')).rejects.toThrow('expected labels, got only -1, which means that they are withheld');
    await expect(opening('some-withheld')).rejects.toThrow('expected labels from 0 to 1, got -1');
    const { train, test: second } = await openSplits(join(folder, 'converted'));
    expect([(await readAll(train)).labels, (await readAll(second)).labels]).toEqual([
      [0, 1, 1, 1],
      [1, 1, 0, 0],
    ]);
    await expect(opening('part')).rejects.toThrow(
      'expected 3 files such as test-00001-of-00003.parquet, got 1. Name one file to read it alone',
    );
    expect((await readAll(await opening('part/test-00001-of-00003.parquet'))).labels).toEqual([0, 1, 2, 3]);
    await expect(openSplits(join(folder, 'no-split'))).rejects.toThrow('expected a training and a test split, got one set');
    await expect(opening('sizes').then(readAll)).rejects.toThrow(/row 1: expected 3 x 32 x 32 as the first image, got 3 x 31 x 32\./);
    const scaled = await opening('withheld', { shape: { channels: 3, height: 16, width: 16 }, shorterSides: [32] });
    const { images } = await readAll(scaled);
    expect(images[0]).toBe(answer.cifar[8 * 32 + 8]); // the centre crop
    const left: string[] = [];
    const set = await opening('sizes', { shape: { channels: 3, height: 32, width: 32 }, skipBroken: (path: string) => left.push(path) });
    expect([(await readAll(set)).labels, left]).toEqual([[0, 1, 2, 3], []]);
  });
  test('a file of two grey images, without Python', async () => {
    const set = await openImageSet(await folderWith({ 'test-00000-of-00001.parquet': golden }));
    expect(set).toMatchObject({ classes: 10, length: 2, channels: 1, height: 2, width: 3 });
    expect(await readAll(set)).toMatchObject({ labels: [1, 7], images: Buffer.from([0, 1, 2, 3, 4, 5, 250, 251, 252, 253, 254, 255]) });
  });
});

describe('damaged files: a typed error, or read to the end', () => {
  const whole = cifarPickle([7, 0, 9], noise(3 * 3072, 1));
  const cases: readonly (readonly [string, Buffer, number])[] = [
    ['test_batch', whole, 97],
    ['test-00000-of-00001.parquet', golden, 13],
  ];
  async function attempt(path: string): Promise<unknown> {
    try {
      return await readAll(await openImageSet(path));
    } catch (error) {
      expect(error).toBeInstanceOf(InputError);
      return undefined;
    }
  }
  test.each(cases)('%s cut short anywhere is refused', async (name, bytes, step) => {
    const folder = await folderWith({ [name]: bytes });
    expect(await attempt(folder)).toBeDefined();
    for (let length = 0; length < bytes.length; length += step) {
      await writeFile(join(folder, name), bytes.subarray(0, length));
      expect(await attempt(folder)).toBeUndefined();
    }
  });
  test('parquet: a part that the schema lacks behind a damaged one is one error, and none is left to nobody', async () => {
    const damaged = Buffer.from(golden);
    damaged.fill(0xff, 4, 12); // the first page of image.bytes
    damaged.write('q', golden.lastIndexOf('path', golden.indexOf('ARROW:schema'))); // image.path as the group of rows has it
    const errors: unknown[] = [];
    const note = (error: unknown) => errors.push(error);
    process.on('unhandledRejection', note);
    try {
      const folder = await folderWith({ 'test-00000-of-00001.parquet': damaged });
      await expect(openImageSet(folder).then(readAll)).rejects.toThrow(/a column image\.qath that is not in the schema/);
      await new Promise((done) => setTimeout(done, 0));
    } finally {
      process.off('unhandledRejection', note);
    }
    expect(errors).toEqual([]);
  });
  test.each(cases)('%s with flipped bits', async (name, bytes) => {
    const folder = await folderWith({ [name]: bytes });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: bytes.length * 8 - 1 }), { minLength: 1, maxLength: 3 }), async (bits) => {
        const damaged = Buffer.from(bytes);
        for (const at of bits) damaged[at >> 3] = (damaged[at >> 3] as number) ^ (1 << (at & 7));
        await writeFile(join(folder, name), damaged);
        await attempt(folder);
      }),
      { numRuns: 300, seed: 1 },
    );
  });
});

describe('folders that are no data set say what they look like', () => {
  test.each([
    [{ 'a.png': 'x', 'b.png': 'x' }, '', /got 2 images without class folders\. Put the images of each class into a folder with its name/],
    [{ 'notes.txt': 'x' }, '', /got none of these, but notes\.txt/],
    [{ test_batch: 'x', 'inner/notes.txt': 'x' }, 'inner', /got none of these here\. Use the folder above/],
    [{}, '', /got an empty folder/],
  ])('%j', async (files, inner, message) => {
    const folder = await folderWith(files);
    await mkdir(join(folder, inner), { recursive: true });
    await expect(openImageSet(join(folder, inner))).rejects.toThrow(message);
  });
});
