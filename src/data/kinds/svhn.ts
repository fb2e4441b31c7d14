/**
 * SVHN, cropped digits: MAT 5 files with X, uint8 [32, 32, 3, images], and y, [images, 1], where 10 means the digit 0.
 * MATLAB is column-major, so an image is three planes, each column by column.
 * Source of the format: http://ufldl.stanford.edu/housenumbers/
 */

import { InputError } from '../../errors.ts';
import {
  isLittleEndianMat5,
  MAT_ARRAY_HEAD_BYTES,
  MAT_HEADER_BYTES,
  type MatArrayHead,
  readMat5,
  readMatArrayHead,
  readMatVariableTag,
} from '../../formats/mat5.ts';
import { catalogEntry } from '../catalog.ts';
import type { ImageShape, Split } from '../dataset.ts';
import { inflated } from '../files/decompress.ts';
import { bytesOf, firstBytes, forwardAccess } from '../files/forward-access.ts';
import type { RandomAccess } from '../files/random-access.ts';
import { checkFits, type DatasetFormat } from './dataset-format.ts';
import { type ImagePart, openParts } from './image-parts.ts';

const FORMAT = 'SVHN';
const SIDE = 32;
const shape: ImageShape = { channels: 3, height: SIDE, width: SIDE };
const PIXELS = 3 * SIDE * SIDE;
const CLASSES = 10;
const TAG_BYTES = 8;
/** Padding after an element, up to a multiple of 8 bytes. */
const MAX_PADDING = 7;
/** Bytes per label as float64, MATLAB's largest type. */
const MAX_LABEL_BYTES = 8;
/** Twice the images in all official files. Bounds the memory for labels. */
const MAX_IMAGES = 1.3e6;

/** The extra images are part of the training set if their file is present. */
const fileNames: Readonly<Record<Split, readonly string[]>> = {
  train: ['train_32x32.mat', 'extra_32x32.mat'],
  test: ['test_32x32.mat'],
};

export const svhn: DatasetFormat = {
  name: FORMAT,
  files: (split) => fileNames[split],
  recognises: (source) => Object.values(fileNames).some(([name]) => source.files.has(name as string)),
  async open(source, options) {
    checkFits(FORMAT, source.path, { ...shape, classes: CLASSES }, options);
    const names = fileNames[options.split].filter((name, i) => i === 0 || source.files.has(name));
    const { classLabels } = catalogEntry('svhn') ?? {};
    return openParts({ ...shape, name: 'svhn', split: options.split, classes: CLASSES, classLabels }, source, names, readPart, toRows);
  },
};

/** A variable of a file. Its content begins with its tag. */
interface Variable extends MatArrayHead {
  content(): AsyncIterable<Uint8Array>;
}

async function readPart(file: RandomAccess): Promise<ImagePart> {
  const header = new Uint8Array(Math.min(MAT_HEADER_BYTES, file.size));
  await file.read(header, 0);
  const variables = await findVariables(file, isLittleEndianMat5(header));
  const [pixels, labels] = ['X', 'y'].map((name) => {
    const variable = variables.get(name);
    if (!variable)
      throw new InputError(FORMAT, file.path, `expected a variable ${name}, got ${[...variables.keys()].join(', ') || 'none'}`);
    return variable;
  }) as [Variable, Variable];

  const [height, width, channels, length = 1] = pixels.dims;
  const size = `${height} x ${width} x ${channels} x ${length}`;
  const fits = height === SIDE && width === SIDE && channels === 3 && length > 0 && length <= MAX_IMAGES && pixels.dims.length <= 4;
  if (!fits || !pixels.isBytes || pixels.bytes !== length * PIXELS)
    throw new InputError(FORMAT, `${file.path} X`, `expected bytes of 32 x 32 x 3 x images, got ${pixels.bytes} bytes for ${size}`);
  if (labels.bytes > length * MAX_LABEL_BYTES)
    throw new InputError(FORMAT, `${file.path} y`, `expected ${length} labels, one per image, got ${labels.bytes} bytes`);
  const y = readMat5(Buffer.concat([header, await firstBytes(labels.content(), labels.offset + labels.bytes + MAX_PADDING)])).get('y');
  if (y?.kind !== 'numeric' || y.data.length !== length)
    throw new InputError(FORMAT, `${file.path} y`, `expected ${length} labels, one per image, got ${y?.dims.join(' x ')}`);
  const digits = Int32Array.from(y.data, (label, i) => {
    if (Number.isInteger(label) && label >= 1 && label <= CLASSES) return label % CLASSES;
    throw new InputError(FORMAT, `${file.path} image ${i}`, `expected a label from 1 to ${CLASSES}, got ${label}`);
  });
  const end = pixels.offset + pixels.bytes;
  return { labels: digits, offset: pixels.offset, open: () => forwardAccess(file.path, end, pixels.content) };
}

async function findVariables(file: RandomAccess, littleEndian: boolean): Promise<Map<string, Variable>> {
  const variables = new Map<string, Variable>();
  const tag = new Uint8Array(TAG_BYTES);
  for (let at = MAT_HEADER_BYTES; at < file.size; ) {
    await file.read(tag, at);
    const { compressed, end: length } = readMatVariableTag(tag, littleEndian);
    const [start, end] = [at + TAG_BYTES, at + TAG_BYTES + length];
    if (end > file.size) throw new InputError(FORMAT, file.path, `expected ${end} bytes, got ${file.size}`);
    const content = compressed ? () => inflated(file.path, bytesOf(file, start, end), 'zlib') : () => bytesOf(file, start - TAG_BYTES, end);
    const head = readMatArrayHead(await firstBytes(content(), MAT_ARRAY_HEAD_BYTES), littleEndian);
    variables.set(head.name, { ...head, content });
    at = end;
  }
  return variables;
}

/** Transposes the planes of images from column-major to row-major. */
function toRows(images: Uint8Array): void {
  for (let plane = 0; plane < images.length; plane += SIDE * SIDE) {
    for (let y = 0; y < SIDE; y++) {
      for (let x = 0; x < y; x++) {
        const [a, b] = [plane + y * SIDE + x, plane + x * SIDE + y];
        [images[a], images[b]] = [images[b] as number, images[a] as number];
      }
    }
  }
}
