/**
 * ImageNet32: npz files with `data`, uint8 [images, 3072], channels first, row-major, and `labels`, 1 to 1000.
 * Source of the format: Chrabaszcz, Loshchilov and Hutter 2017, https://patrykchrabaszcz.github.io/Imagenet32/
 */

import { InputError } from '../../errors.ts';
import { NPY_HEADER_BYTES, type NpyHeader, readNpyHeader } from '../../formats/npy.ts';
import { findZipMember, readZipDirectory, ZIP_TAIL_BYTES } from '../../formats/zip.ts';
import type { ImageShape, Split } from '../dataset.ts';
import { inflated } from '../files/decompress.ts';
import { bytesOf, firstBytes, forwardAccess } from '../files/forward-access.ts';
import type { RandomAccess } from '../files/random-access.ts';
import { checkFits, type DatasetFormat } from './dataset-format.ts';
import { type ImagePart, openParts } from './image-parts.ts';

const FORMAT = 'ImageNet32';
const shape: ImageShape = { channels: 3, height: 32, width: 32 };
const PIXELS = 3 * 32 * 32;
const CLASSES = 1000;
/** The whole training set in one file. Bounds the memory for labels. */
const MAX_IMAGES = 1_281_167;

const fileNames: Readonly<Record<Split, readonly string[]>> = {
  train: Array.from({ length: 10 }, (_, i) => `train_data_batch_${i + 1}.npz`),
  test: ['val_data.npz'],
};

export const imagenet32: DatasetFormat = {
  name: FORMAT,
  files: (split) => fileNames[split],
  recognises: (source) => Object.values(fileNames).some((names) => names.some((name) => source.files.has(name))),
  async open(source, options) {
    checkFits(FORMAT, source.path, { ...shape, classes: CLASSES }, options);
    // its classes have their own order, and the files hold no names for them
    const about = { ...shape, name: 'imagenet32', split: options.split, classes: CLASSES, classLabels: undefined };
    return openParts(about, source, fileNames[options.split], readPart);
  },
};

/** An array of an npz file. */
interface StoredArray extends NpyHeader {
  /** Size of header and elements. */
  readonly bytes: number;
  content(): AsyncIterable<Uint8Array>;
}

async function readPart(file: RandomAccess): Promise<ImagePart> {
  const data = await findArray(file, 'data');
  const [length = 0, pixels] = data.shape;
  if (data.descr !== '|u1' || data.fortranOrder || data.shape.length !== 2 || pixels !== PIXELS || length < 1 || length > MAX_IMAGES)
    throw new InputError(FORMAT, `${file.path} data`, `expected |u1 of images x ${PIXELS}, got ${describe(data)}`);
  checkBytes(file, 'data', data, length * PIXELS);
  return {
    labels: await readLabels(file, length),
    offset: data.offset,
    open: () => forwardAccess(file.path, data.bytes, data.content),
  };
}

/** Possible label types: bytes per label, and a function that reads one. */
const integers: Readonly<Record<string, readonly [bytes: number, read: (view: DataView, at: number) => number]>> = {
  '|u1': [1, (view, at) => view.getUint8(at)],
  '<u2': [2, (view, at) => view.getUint16(at, true)],
  '<i2': [2, (view, at) => view.getInt16(at, true)],
  '<i4': [4, (view, at) => view.getInt32(at, true)],
  '<i8': [8, (view, at) => Number(view.getBigInt64(at, true))],
};

async function readLabels(file: RandomAccess, length: number): Promise<Int32Array> {
  const labels = await findArray(file, 'labels');
  const integer = integers[labels.descr];
  if (!integer || labels.shape.length !== 1 || labels.shape[0] !== length)
    throw new InputError(FORMAT, `${file.path} labels`, `expected ${length} integers, one per image, got ${describe(labels)}`);
  const [size, read] = integer;
  checkBytes(file, 'labels', labels, length * size);
  const bytes = await firstBytes(labels.content(), labels.bytes);
  if (bytes.length < labels.bytes)
    throw new InputError(FORMAT, `${file.path} labels`, `expected ${labels.bytes} bytes, got ${bytes.length}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset + labels.offset);
  return Int32Array.from({ length }, (_, i) => {
    const label = read(view, i * size);
    if (label >= 1 && label <= CLASSES) return label - 1;
    throw new InputError(FORMAT, `${file.path} image ${i}`, `expected a label from 1 to ${CLASSES}, got ${label}`);
  });
}

function describe({ descr, shape }: NpyHeader): string {
  return `${descr} of ${shape.join(' x ')}`;
}

function checkBytes(file: RandomAccess, name: string, { bytes, offset }: StoredArray, expected: number): void {
  if (bytes !== offset + expected)
    throw new InputError(FORMAT, `${file.path} ${name}`, `expected ${offset + expected} bytes, got ${bytes}`);
}

async function findArray(file: RandomAccess, name: string): Promise<StoredArray> {
  const read = async (offset: number, count: number) => {
    const bytes = new Uint8Array(count);
    await file.read(bytes, offset);
    return bytes;
  };
  const tail = Math.max(0, file.size - ZIP_TAIL_BYTES);
  const members = readZipDirectory(await read(tail, file.size - tail), tail);
  const member = members.get(`${name}.npy`);
  if (!member)
    throw new InputError(FORMAT, file.path, `expected an array ${name}, got ${[...members.keys()].slice(0, 5).join(', ') || 'none'}`);
  const { start, deflated } = await findZipMember(`${name}.npy`, member, read);
  const end = start + member.compressed;
  if (end > file.size) throw new InputError(FORMAT, file.path, `expected ${end} bytes, got ${file.size}`);
  const content = () => {
    const stored = bytesOf(file, start, end);
    return deflated ? inflated(file.path, stored, 'deflate') : stored;
  };
  return { ...readNpyHeader(await firstBytes(content(), NPY_HEADER_BYTES)), bytes: member.size, content };
}
