import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Closable, closable } from '../closable.ts';
import { InputError, UsageError } from '../errors.ts';
import { catalog, catalogEntry } from './catalog.ts';
import type { ImageSet, Split } from './dataset.ts';
import { decompressed } from './files/decompress.ts';
import { fileError } from './files/file-error.ts';
import { firstBytes } from './files/forward-access.ts';
import { archiveSource, type DataSource, folderSource } from './files/source.ts';
import { cifar10, cifar100 } from './kinds/cifar.ts';
import type { DatasetFormat, OpenOptions } from './kinds/dataset-format.ts';
import { IMAGES_MAGIC, idx, labelsFileOf, openIdxPair } from './kinds/idx.ts';
import { imageFolder } from './kinds/image-folder.ts';
import { imagenet32 } from './kinds/imagenet32.ts';
import { svhn } from './kinds/svhn.ts';
import { nearest } from './nearest-name.ts';
import { requireImageFiles } from './scale.ts';
import { defaultDataFolder } from './store/data-folder.ts';

/** Every format that is read, one row each. The image folder is last: its layout is the least particular. */
const formats: readonly DatasetFormat[] = [cifar10, cifar100, idx, svhn, imagenet32, imageFolder];

export interface OpenImageSetOptions extends Omit<OpenOptions, 'split'> {
  /** `test` by default. */
  readonly split?: Split | undefined;
  /** Where sets that are opened by their name lie; by default where `data get` puts them. */
  readonly dataFolder?: string;
}

/**
 * Opens labelled images, recognised by content and layout.
 * @param source name of a data set of the catalog (a folder of that name is opened as `./name`); or a folder or tar archive
 *   (plain, gzip, xz) of CIFAR binary batches, MNIST-style idx files, SVHN's .mat files or ImageNet32's .npz files; or one idx file of images whose labels lie beside it;
 *   or a folder with a subfolder of images a class.
 * @returns the set, to be closed by its `close` or by `await using`
 * @throws InputError when it is none of these, is damaged or does not fit the network; UsageError for scales and crops of what is not image files.
 */
export async function openImageSet(source: string, options: OpenImageSetOptions = {}): Promise<ImageSet & Closable> {
  const set = await open(source, { ...options, split: options.split ?? 'test' });
  try {
    if ((options.shorterSides ?? options.crops) !== undefined) requireImageFiles(set);
    return closable(set);
  } catch (error) {
    await set.close();
    throw error;
  }
}

/**
 * Opens both splits of a source: what one trains or calibrates with, and what shows the result. Their classes are as many.
 * @param options scales and crops are for the images to test on
 * @throws UsageError when the source does not tell splits apart; InputError as `openImageSet`.
 */
export async function openSplits(
  source: string,
  { shorterSides, crops, ...options }: Omit<OpenImageSetOptions, 'split'> = {},
): Promise<{ train: ImageSet & Closable; test: ImageSet & Closable }> {
  const train = await openImageSet(source, { ...options, split: 'train' });
  try {
    if (train.unsplit)
      throw new UsageError(
        `data ${source}: expected images to train with and others to test on, got one set. Give a folder with train and test (or val) above the classes, or with the idx files of both`,
      );
    const test = await openImageSet(source, { classes: train.classes, ...options, shorterSides, crops, split: 'test' });
    return { train, test };
  } catch (error) {
    await train.close();
    throw error;
  }
}

type OpenAnywhere = OpenOptions & Pick<OpenImageSetOptions, 'dataFolder'>;

async function open(source: string, options: OpenAnywhere): Promise<ImageSet> {
  if (catalogEntry(source)) return openByName(source, options);
  const about = await stat(source).catch((error: unknown) => {
    const names = catalog.map(({ name }) => name);
    const advice = nearest(source, names);
    if (advice) throw new InputError('data', source, `expected a data set, folder or file, got no such thing${advice}`, { cause: error });
    throw fileError(source, error);
  });
  if (about.isDirectory()) return openSource(await folderSource(source), options);

  const start = await firstBytes(decompressed(source), 512);
  // POSIX.1-2017, pax, ustar interchange format: the magic field
  if (start.subarray(257, 262).toString('latin1') === 'ustar') {
    return openSource(await archiveSource(source, new Set(formats.flatMap((format) => format.files(options.split)))), options);
  }
  const labels = labelsFileOf(basename(source));
  if (start.length >= 4 && start.readUInt32BE(0) === IMAGES_MAGIC && labels)
    return openIdxPair(source, join(dirname(source), labels), options);
  throw new InputError('data', source, 'expected a folder, a tar archive or an idx file named ...images..., got another file');
}

async function openByName(name: string, options: OpenAnywhere): Promise<ImageSet> {
  const { dataFolder = defaultDataFolder() } = options;
  const path = join(dataFolder, name);
  const found = await stat(path).catch(() => undefined);
  if (!found) throw new InputError('data set', name, `expected it in ${dataFolder}, got nothing. Get it with: wrn-onnx data get ${name}`);
  return openSource(await folderSource(path), options);
}

async function openSource(source: DataSource, options: OpenOptions): Promise<ImageSet> {
  try {
    const [format, another] = formats.filter((candidate) => candidate.recognises(source));
    if (!format) throw new InputError('data', source.path, `expected ${formats.map(({ name }) => name).join(', ')}, got none of these`);
    if (another && another !== imageFolder)
      throw new InputError('data', source.path, `expected one data set, got ${format.name} and ${another.name}`);
    return await format.open(source, options);
  } finally {
    await source.close();
  }
}
