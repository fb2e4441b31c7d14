/**
 * ImageNet32: npz files with `data`, uint8 [images, 3072], channels first, row-major, and `labels`, 1 to 1000.
 * Source of the format: Chrabaszcz, Loshchilov and Hutter 2017, https://patrykchrabaszcz.github.io/Imagenet32/
 */

import { InputError } from '../../errors.ts';
import type { ImageShape, Split } from '../dataset.ts';
import { forwardAccess } from '../files/forward-access.ts';
import { describeArray, findArray, readLabels, requireBytes } from '../files/npz.ts';
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

async function readPart(file: RandomAccess): Promise<ImagePart> {
  const data = await findArray(file, 'data', FORMAT);
  const [length = 0, pixels] = data.shape;
  if (data.descr !== '|u1' || data.fortranOrder || data.shape.length !== 2 || pixels !== PIXELS || length < 1 || length > MAX_IMAGES)
    throw new InputError(FORMAT, `${file.path} data`, `expected |u1 of images x ${PIXELS}, got ${describeArray(data)}`);
  requireBytes(file, 'data', data, length * PIXELS, FORMAT);
  return {
    labels: await readLabels(file, 'labels', { format: FORMAT, length, first: 1, classes: CLASSES }),
    offset: data.offset,
    open: () => forwardAccess(file.path, data.bytes, data.content),
  };
}
