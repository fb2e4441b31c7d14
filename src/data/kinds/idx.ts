/**
 * MNIST's idx files, big-endian. Images: 00 00 08 03, count, rows, columns, row-major pixels. Labels: 00 00 08 01, count, labels.
 * Source of the format: http://yann.lecun.com/exdb/mnist/
 */
import { createHash } from 'node:crypto';
import { basename, resolve } from 'node:path';
import { InputError } from '../../errors.ts';
import { range, readAhead } from '../batches.ts';
import { type CatalogEntry, catalog } from '../catalog.ts';
import type { ImageSet, Split } from '../dataset.ts';
import { bytesOf } from '../files/forward-access.ts';
import { openFile, type RandomAccess } from '../files/random-access.ts';
import { checkFits, type DatasetFormat, type OpenOptions } from './dataset-format.ts';

const FORMAT = 'idx';
/** First four bytes of an images file: unsigned bytes, three axes. */
export const IMAGES_MAGIC = 0x803;
const LABELS_MAGIC = 0x801;
const IMAGES_HEADER = 16;
const LABELS_HEADER = 8;
/** Larger images do not use this format. The limit bounds the memory that a header can make us allocate. */
const MAX_SIDE = 4096;

/** Known names of the pairs, the official ones first. */
const names: Readonly<Record<Split, readonly (readonly [images: string, labels: string])[]>> = {
  train: pairsOf('train'),
  test: [...pairsOf('t10k'), ...pairsOf('test')],
};

/** With a dash as in the official archives, or with a dot as some tools unpack them. */
function pairsOf(split: string): [images: string, labels: string][] {
  return ['-', '.'].map((dot) => [`${split}-images${dot}idx3-ubyte`, `${split}-labels${dot}idx1-ubyte`]);
}

/** A folder or archive with the official file names. */
export const idx: DatasetFormat = {
  name: 'MNIST-style idx',
  files: (split) => names[split].flat(),
  recognises: (source) => Object.values(names).some((pairs) => pairs.flat().some((name) => source.files.has(name))),
  async open(source, options) {
    const pairs = names[options.split];
    const [imagesName, labelsName] = pairs.find(([images]) => source.files.has(images)) ?? (pairs[0] as (typeof pairs)[0]);
    const images = await source.open(imagesName);
    return overFiles(basename(resolve(source.path)), images, () => source.open(labelsName), options);
  },
};

/**
 * Opens a pair of idx files with any names, plain or compressed, as either split.
 * @throws InputError when they are not idx files, do not belong together or do not fit the network
 */
export async function openIdxPair(imagesPath: string, labelsPath: string, options: OpenOptions): Promise<ImageSet> {
  const set = await overFiles(basename(imagesPath), await openFile(imagesPath), () => openFile(labelsPath), options);
  return { ...set, unsplit: true };
}

/** Name of the labels file for an images file, e.g. `train-labels-idx1-ubyte` for `train-images-idx3-ubyte`. */
export function labelsFileOf(imagesName: string): string | undefined {
  return imagesName.includes('images') ? imagesName.replace('images', 'labels').replace('idx3', 'idx1') : undefined;
}

async function overFiles(
  name: string,
  images: RandomAccess,
  openLabels: () => Promise<RandomAccess>,
  options: OpenOptions,
): Promise<ImageSet> {
  let labels: RandomAccess | undefined;
  const close = async () => {
    await images.close();
    await labels?.close();
  };
  try {
    labels = await openLabels();
    return await openIdx(name, images, labels, close, options);
  } catch (error) {
    await close();
    throw error;
  }
}

async function openIdx(
  name: string,
  images: RandomAccess,
  labels: RandomAccess,
  close: () => Promise<void>,
  options: OpenOptions,
): Promise<ImageSet> {
  const [length = 0, height = 0, width = 0] = await readHeader(images, IMAGES_MAGIC, IMAGES_HEADER);
  for (const side of [height, width]) {
    if (side < 1 || side > MAX_SIDE)
      throw new InputError(FORMAT, images.path, `expected sides from 1 to ${MAX_SIDE}, got ${height} x ${width}`);
  }
  const imageBytes = height * width;
  checkSize(images, IMAGES_HEADER + length * imageBytes);
  const [labelCount = 0] = await readHeader(labels, LABELS_MAGIC, LABELS_HEADER);
  checkSize(labels, LABELS_HEADER + labelCount);
  if (length === 0) throw new InputError(FORMAT, images.path, 'expected images, got none');
  if (labelCount !== length) throw new InputError(FORMAT, labels.path, `expected ${length} labels, one per image, got ${labelCount}`);

  const largest = await largestLabel(labels);
  const known = await officialSet(images, labels);
  const classes = known?.classes ?? options.classes ?? largest.label + 1;
  const set = { channels: 1, height, width, classes };
  checkFits(FORMAT, images.path, set, options);
  if (largest.label >= classes) {
    throw new InputError(FORMAT, `${labels.path} image ${largest.index}`, `expected a label below ${classes}, got ${largest.label}`);
  }
  return {
    ...set,
    name: known?.name ?? name,
    split: options.split,
    classLabels: known?.classLabels,
    length,
    batches(size, from, to) {
      const asked = range(length, size, from, to);
      const bytes = new Uint8Array(Math.min(size, asked.to - asked.from));
      const load = async (offset: number, count: number, imagesNCHW: Uint8Array, classesOf: Int32Array) => {
        await images.read(imagesNCHW, IMAGES_HEADER + offset * imageBytes);
        await labels.read(bytes.subarray(0, count), LABELS_HEADER + offset);
        classesOf.set(bytes.subarray(0, count));
      };
      return readAhead(load, imageBytes, asked);
    },
    close,
  };
}

/** Reads the header and returns the size of each axis. */
async function readHeader(file: RandomAccess, magic: number, bytes: number): Promise<number[]> {
  const header = new Uint8Array(bytes);
  if (file.size < bytes) throw new InputError(FORMAT, file.path, `expected a header of ${bytes} bytes, got ${file.size} bytes`);
  await file.read(header, 0);
  const words = new DataView(header.buffer);
  const hex = (value: number) => value.toString(16).padStart(8, '0');
  if (words.getUint32(0) !== magic) throw new InputError(FORMAT, file.path, `expected magic ${hex(magic)}, got ${hex(words.getUint32(0))}`);
  return Array.from({ length: bytes / 4 - 1 }, (_, i) => words.getUint32(4 * (i + 1)));
}

function checkSize(file: RandomAccess, expected: number): void {
  if (file.size !== expected) throw new InputError(FORMAT, file.path, `expected ${expected} bytes, got ${file.size}`);
}

/** The largest label, which gives the number of classes: the file does not state it. */
async function largestLabel(file: RandomAccess): Promise<{ label: number; index: number }> {
  let largest = { label: -1, index: -1 };
  let index = 0;
  for await (const labels of bytesOf(file, LABELS_HEADER, file.size)) {
    for (const label of labels) {
      if (label > largest.label) largest = { label, index };
      index++;
    }
  }
  return largest;
}

/** The official set of both files, by checksum. Labels alone prove nothing, because modified images often keep the original labels. */
async function officialSet(images: RandomAccess, labels: RandomAccess): Promise<CatalogEntry | undefined> {
  let entries = catalog;
  for (const file of [labels, images]) {
    entries = entries.filter(({ files }) => files.some(({ bytes }) => bytes === file.size));
    if (entries.length === 0) return undefined;
    const found = await sha256Of(file);
    entries = entries.filter(({ files }) => files.some(({ sha256 }) => sha256 === found));
  }
  return entries[0];
}

async function sha256Of(file: RandomAccess): Promise<string> {
  const hash = createHash('sha256');
  for await (const bytes of bytesOf(file, 0, file.size)) hash.update(bytes);
  return hash.digest('hex');
}
