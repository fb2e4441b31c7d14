/** The formats of data sets. */
import type { DataSource } from '../files/source.ts';
import { cifar10, cifar100 } from './cifar.ts';
import { cifar10Python, cifar100Python } from './cifar-python.ts';
import type { DatasetFormat } from './dataset-format.ts';
import { idx } from './idx.ts';
import { imageFolder } from './image-folder.ts';
import { imagenet, imagenetArchives } from './imagenet.ts';
import { imagenet32 } from './imagenet32.ts';
import { kerasNpz } from './keras-npz.ts';
import { parquet } from './parquet.ts';
import { svhn } from './svhn.ts';

/** Every supported format, one row each. The image folder is last because its layout is the least specific. */
export const formats: readonly DatasetFormat[] = [
  cifar10,
  cifar100,
  cifar10Python,
  cifar100Python,
  idx,
  kerasNpz,
  svhn,
  imagenet32,
  imagenet,
  imagenetArchives,
  parquet,
  imageFolder,
];

/** Formats that are recognised by file names. */
const named = formats.filter((format) => format !== imageFolder);

/** Whether the file names are those of a data set. */
export function isNamed(source: DataSource): boolean {
  return named.some((format) => format.recognises(source));
}
