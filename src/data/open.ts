/** Opens labelled images of every format. */
import { requireChoice } from '../choice.ts';
import { type Closable, closable } from '../closable.ts';
import { UsageError } from '../errors.ts';
import { type ImageSet, requireImageFiles, type Split, splits } from './dataset.ts';
import type { OpenOptions } from './kinds/dataset-format.ts';

export interface OpenImageSetOptions extends Omit<OpenOptions, 'split'> {
  /** `test` by default. */
  readonly split?: Split | undefined;
  /** Folder of the named data sets. Default: the folder that `data get` uses. */
  readonly dataFolder?: string;
}

/**
 * Opens labelled images. The format is detected from content and layout.
 * @param source one of: the name of a data set in the catalog (open a folder of that name as `./name`); a folder or tar archive
 *   (plain, gzip, xz) with CIFAR's binary or Python batches, MNIST-style idx files, Keras's mnist.npz, SVHN's .mat files,
 *   ImageNet32's .npz files, Hugging Face's parquet files or ImageNet's images in one folder; the folder above one of these; an
 *   idx file of images with its labels file in the same folder; an npz or parquet file; a folder with one subfolder of images per
 *   class
 * @returns the set; close it with `close` or `await using`
 * @throws InputError when it is none of these, is damaged or does not fit the network; UsageError for an unknown
 *   split, and for scales or crops when the source does not consist of image files
 * @example
 * await using images = await openImageSet('./fashion-mnist', { split: 'test' });
 * for await (const { labels } of images.batches(64)) console.log(labels.length);
 */
export async function openImageSet(source: string, options: OpenImageSetOptions = {}): Promise<ImageSet & Closable> {
  const split = requireChoice('split', options.split ?? 'test', splits);
  const { detect } = await import('./detect.ts'); // the readers of all formats are loaded when they are used
  const set = await detect(source, { ...options, split });
  try {
    if ((options.shorterSides ?? options.crops) !== undefined) requireImageFiles(set);
    return closable(set);
  } catch (error) {
    await set.close();
    throw error;
  }
}

/**
 * Opens both splits of a source: `train` to train or calibrate, `test` to measure. Both have the same number of classes.
 * @param options scales and crops apply to the test images only
 * @throws UsageError when the source has only one split; InputError as in `openImageSet`
 * @example
 * const { train, test } = await openSplits('./fashion-mnist');
 * console.log(train.length, test.length);
 * await Promise.all([train.close(), test.close()]);
 */
export async function openSplits(
  source: string,
  { shorterSides, crops, ...options }: Omit<OpenImageSetOptions, 'split'> = {},
): Promise<{ train: ImageSet & Closable; test: ImageSet & Closable }> {
  const train = await openImageSet(source, { ...options, split: 'train' });
  try {
    if (train.unsplit)
      throw new UsageError(
        `data ${source}: expected a training and a test split, got one set. Use a folder with subfolders train and test (or val) that hold the class folders, or a folder with the idx files of both splits`,
      );
    const test = await openImageSet(source, { classes: train.classes, ...options, shorterSides, crops, split: 'test' });
    return { train, test };
  } catch (error) {
    await train.close();
    throw error;
  }
}
