/** ImageNet as it is distributed: flat validation images with each kind of label file, Kaggle's folders, Hugging Face's archives. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { openImageSet, openSplits } from '../../../src/data/open.ts';
import { InputError, UsageError } from '../../../src/errors.ts';
import { matFile, type Value } from '../../formats/mat5-file.ts';
import { folderWith, readAll, tar } from '../crafted.ts';

const shape = { channels: 3, height: 4, width: 4 };
/** Three classes; the development kit numbers them in another order than their ids. */
const [fish, truck, dog] = ['n01440764', 'n03345487', 'n02110958'];
const sorted = [fish, dog, truck];
/** A flat image of one grey. */
const flat = (grey: number) =>
  sharp(Buffer.alloc(4 * 5 * 3, grey), { raw: { width: 5, height: 4, channels: 3 } })
    .png()
    .toBuffer();
const name = (number: number) => `ILSVRC2012_val_${String(number).padStart(8, '0')}`;
/** Images 1 to 4: truck, fish, dog, truck. */
const ids = [truck, fish, dog, truck];
const images = async (folder = '', suffix = false) =>
  Object.fromEntries(
    await Promise.all(
      ids.map(async (id, i) => [`${folder}${name(i + 1)}${suffix ? `_${id}` : ''}.JPEG`, await flat(10 * (i + 1))] as const),
    ),
  );
const right = { labels: [2, 0, 1, 2], greys: [10, 20, 30, 40] };

async function read(source: string, split: 'train' | 'test' = 'test') {
  const set = await openImageSet(source, { split, shape });
  const { images: pixels, labels } = await readAll(set, 3);
  return { classLabels: set.classLabels, labels, greys: labels.map((_, i) => pixels[i * 48]) };
}

const kaggle = `ImageId,PredictionString\n${ids
  .map((id, i) => `${name(i + 1)},${id} 1 2 3 4 ${id} 5 6 7 8 `)
  .toReversed()
  .join('\n')}\n`;
/** Numbers of the development kit: dog 1, fish 2, truck 3, and 4 a group of classes. */
const numbers = { [dog as string]: 1, [fish as string]: 2, [truck as string]: 3 };
const truth = `${ids.map((id) => numbers[id as string]).join('\n')}\n`;
const number = (value: number): Value => ({ kind: 'numeric', dims: [1, 1], data: Float64Array.of(value) });
const text = (value: string): Value => ({ kind: 'char', text: value });
const meta = matFile({
  synsets: {
    kind: 'struct',
    dims: [4, 1],
    fields: {
      ILSVRC2012_ID: [1, 2, 3, 4].map(number),
      WNID: [dog, fish, truck, 'n00001740'].map((id) => text(id as string)),
      words: ['dog', 'fish', 'fire truck', 'entity'].map(text),
      num_children: [0, 0, 0, 82].map(number),
    },
  },
});
const map = `${dog} 1 affenpinscher\n${fish} 2 tench\n${truck} 3 fire_engine\n`;

describe('flat validation images', () => {
  test.each<[string, Record<string, string | Uint8Array>]>([
    ["Kaggle's solutions", { 'LOC_val_solution.csv': kaggle }],
    ['ground truth and meta.mat', { 'ILSVRC2012_validation_ground_truth.txt': truth, 'meta.mat': meta }],
    [
      'the development kit beside them',
      { 'ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt': truth, 'ILSVRC2012_devkit_t12/data/meta.mat': meta },
    ],
    ['ground truth and map_clsloc.txt', { 'ILSVRC2015_clsloc_validation_ground_truth.txt': truth, 'map_clsloc.txt': map }],
    ['a line of ids', { 'imagenet_2012_validation_synset_labels.txt': `${ids.join('\r\n')}\r\n` }],
  ])('%s, in the folder and above it', async (_, labels) => {
    const above = await folderWith({ ...labels, ...(await images('val/')) });
    for (const folder of [await folderWith({ ...labels, ...(await images()) }), above, join(above, 'val')])
      expect(await read(folder)).toEqual({ classLabels: sorted, ...right });
  });

  test('ids in the names, some images missing', async () => {
    const { [`${name(2)}_${fish}.JPEG`]: _, ...rest } = await images('', true);
    expect(await read(await folderWith(rest))).toEqual({ classLabels: [dog, truck], labels: [1, 0, 1], greys: [10, 30, 40] });
  });

  test('a part of the images gets its labels by their numbers', async () => {
    const all = await images();
    const folder = await folderWith({
      [`${name(3)}.JPEG`]: all[`${name(3)}.JPEG`] as Buffer,
      'ILSVRC2012_validation_ground_truth.txt': truth,
      'meta.mat': meta,
    });
    expect(await read(folder)).toEqual({ classLabels: sorted, labels: [1], greys: [30] });
  });

  test.each<[string, Record<string, string | Uint8Array>, RegExp]>([
    ['no labels', {}, /expected the classes of the images: WordNet ids in their names, or LOC_val_solution\.csv, .* got none$/],
    [
      'numbers alone',
      { 'ILSVRC2012_validation_ground_truth.txt': truth },
      /expected meta\.mat or map_clsloc\.txt of the development kit beside it, which say what class each number means, got neither$/,
    ],
    [
      'fewer labels than images',
      { 'LOC_val_solution.csv': kaggle.split('\n').slice(0, 3).join('\n') },
      /expected its class in .*csv, got no such image/,
    ],
    [
      'a number beyond the classes',
      { 'ILSVRC2012_validation_ground_truth.txt': '3\n4\n', 'meta.mat': meta },
      /line 2: expected the number of a class, got "4"/,
    ],
    [
      'another .mat',
      { 'ILSVRC2012_validation_ground_truth.txt': truth, 'meta.mat': matFile({}) },
      /meta\.mat synsets: expected a struct array/,
    ],
    [
      'two classes for an image',
      { 'LOC_val_solution.csv': `${name(1)},${dog} 1 2 3 4 ${fish} 1 2 3 4\n` },
      /line 1: expected one class, got n02110958 and n01440764/,
    ],
    [
      'other images among them',
      { 'LOC_val_solution.csv': kaggle, 'cat.png': 'x' },
      /expected only images named as in ImageNet, such as ILSVRC2012_val_00000001\.JPEG, got cat\.png/,
    ],
  ])('%s is refused', async (_, labels, message) => {
    const opening = openImageSet(await folderWith({ ...(await images()), ...labels }), { shape });
    await expect(opening).rejects.toThrow(message);
    await expect(opening).rejects.toThrow(InputError);
  });

  test('they are one set, and need the size of the network', async () => {
    const folder = await folderWith(await images('', true));
    await expect(openSplits(folder, { shape })).rejects.toThrow(/expected a training and a test split, got one set/);
    await expect(openImageSet(folder)).rejects.toThrow(UsageError);
    await expect(openImageSet(folder, { shape, classes: 1000 })).rejects.toThrow('expected 1000 classes for this network, got 3');
  });
});

test("Kaggle's archive, from its root or the folder of its splits", async () => {
  const root = await folderWith({
    ...(await images('ILSVRC/Data/CLS-LOC/val/')),
    'ILSVRC/Data/CLS-LOC/test/ILSVRC2012_test_00000001.JPEG': 'x',
    'ILSVRC/Annotations/CLS-LOC/val/a.xml': 'x',
    [`ILSVRC/Data/CLS-LOC/train/${fish}/${fish}_7.JPEG`]: await flat(1),
    [`ILSVRC/Data/CLS-LOC/train/${dog}/${dog}_8.JPEG`]: await flat(2),
    [`ILSVRC/Data/CLS-LOC/train/${truck}/${truck}_9.JPEG`]: await flat(3),
    'LOC_val_solution.csv': kaggle,
    'LOC_synset_mapping.txt': 'x',
  });
  for (const folder of [root, join(root, 'ILSVRC/Data/CLS-LOC')]) {
    expect(await read(folder)).toEqual({ classLabels: sorted, ...right });
    expect(await read(folder, 'train')).toEqual({ classLabels: sorted, labels: [0, 1, 2], greys: [1, 2, 3] });
    const { train, test: validation } = await openSplits(folder, { shape });
    expect([train.length, validation.length]).toEqual([3, 4]);
  }
});

describe('archives of Hugging Face', () => {
  const entries = async () => Object.entries(await images('val/', true)) as [string, Buffer][];
  const train = async (id: string, n: number): Promise<[string, Buffer]> => [`${id}_${n}_${id}.JPEG`, await flat(n)];
  const repository = async () => {
    const folder = await folderWith({ 'data/val_images.tar.gz': gzipSync(await tar(await entries())), 'classes.py': 'x' });
    for (const [i, members] of [
      [await train(dog as string, 5), await train(truck as string, 6)],
      [await train(fish as string, 7)],
    ].entries())
      await writeFile(join(folder, `data/train_images_${i}.tar.gz`), gzipSync(await tar(members)));
    return folder;
  };

  test('the repository, its folder data, and one archive', async () => {
    const folder = await repository();
    for (const source of ['', 'data', 'data/val_images.tar.gz'])
      expect(await read(join(folder, source))).toEqual({ classLabels: sorted, ...right });
    expect(await read(folder, 'train')).toEqual({ classLabels: sorted, labels: [1, 2, 0], greys: [5, 6, 7] });
    const { train: first, test: second } = await openSplits(folder, { shape });
    expect([first.length, second.length]).toEqual([3, 4]);
  });

  test('any range of images, scaled and cropped as files are', async () => {
    const folder = await repository();
    const set = await openImageSet(folder, { shape, shorterSides: [4] });
    expect((await readAll(set, 2, 1, 3)).labels).toEqual([0, 1]);
    expect(set.name).toContain('shorter side 4');
  });

  test('the official archive of validation images has its labels beside it', async () => {
    const folder = await folderWith({
      'ILSVRC2012_img_val.tar': await tar(Object.entries(await images()) as [string, Buffer][]),
      'LOC_val_solution.csv': kaggle,
    });
    expect(await read(join(folder, 'ILSVRC2012_img_val.tar'))).toEqual({ classLabels: sorted, ...right });
  });

  test('a missing archive is named', async () => {
    const folder = await folderWith({ 'train_images_1.tar.gz': gzipSync(await tar([])) });
    await expect(openImageSet(folder, { split: 'train', shape })).rejects.toThrow('expected train_images_0.tar.gz for the train split');
    await expect(openImageSet(folder, { shape })).rejects.toThrow('expected val_images.tar.gz for the test split, got train_images_1.tar');
  });

  test('broken images are left out and named', async () => {
    const folder = await folderWith();
    await mkdir(join(folder, 'data'));
    const [first, second, ...rest] = await entries();
    await writeFile(
      join(folder, 'data/val_images.tar.gz'),
      await tar([first as [string, Buffer], [(second as [string, Buffer])[0], Buffer.from('x')], ...rest]),
    );
    await expect(read(folder)).rejects.toThrow(/val_images\.tar\.gz:ILSVRC2012_val_00000002_n01440764\.JPEG: expected an image/);
    const left: string[] = [];
    const set = await openImageSet(folder, { shape, skipBroken: (path) => left.push(path) });
    expect(left).toEqual([expect.stringContaining(name(2))]);
    expect((await readAll(set, 2)).labels).toEqual([2, 1, 2]);
  });
});
