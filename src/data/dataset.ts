/** The interface of every data set, and checks on it. */
import { UsageError } from '../errors.ts';

export const splits = ['train', 'test'] as const;
export type Split = (typeof splits)[number];

/** Shape of one image. */
export interface ImageShape {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/** Labelled images, streamed: memory does not depend on the number of images. */
export interface ImageSet extends ImageShape {
  /** Name for reports, e.g. `cifar-10`. */
  readonly name: string;
  readonly split: Split;
  /** True if the source has only one set of images and returns it for both splits. */
  readonly unsplit?: boolean;
  readonly classes: number;
  /** One label per class, in order; undefined if the source has none. */
  readonly classLabels: readonly string[] | undefined;
  /** How classes were sorted if the source does not number them: by name, or by number if all names are whole numbers. */
  readonly classOrder?: 'name' | 'number';
  /** Number of images. */
  readonly length: number;
  /** Crops per image (default 1), consecutive in a batch. The classifier's probabilities are averaged over them. */
  readonly crops?: number;
  /**
   * Images `from` to `to` (default: all) in order, in batches of `size`; the last batch may be smaller.
   * Reads one batch ahead, so that reading and decoding overlap with the caller's work.
   * @throws InputError that names the first invalid image or label
   */
  batches(size: number, from?: number, to?: number): AsyncIterable<ImageBatch>;
  /** True if the images are image files, which are scaled and cropped to the network's input. */
  readonly isEncoded?: boolean;
  /** The image files, in order. Only for sets that store each image in its own file. */
  readonly listFiles?: () => Promise<ImageFiles>;
  /** Closes the files. Do not call it while batches are being read. */
  close(): Promise<void>;
}

/** Image files and their classes, in memory shared between threads: 1.3 million names take about 50 MB. */
export interface ImageFiles {
  readonly folder: string;
  /** Concatenated paths within the folder, UTF-8. `ends` has the end offset of each. */
  readonly names: Uint8Array;
  readonly ends: Uint32Array;
  readonly labels: Int32Array;
}

export interface ImageBatch {
  /** Index of the first image in the set. */
  readonly offset: number;
  readonly count: number;
  /** Raw pixels 0..255, shape [count * crops, channels, height, width]. Valid until the next batch is requested. */
  readonly imagesNCHW: Uint8Array;
  /** Class index of each image. Valid until the next batch is requested. */
  readonly labels: Int32Array;
}

/** Index of the first class whose label differs between two sets; undefined when all agree or one set has no labels. */
export function firstOtherLabel(a: readonly string[] | undefined, b: readonly string[] | undefined): number | undefined {
  const index = a && b ? a.findIndex((label, i) => label !== b[i]) : -1;
  return index < 0 ? undefined : index;
}

/** @throws UsageError when images with this shorter side do not cover the shape */
export function requireCover(shorterSide: number, { height, width }: Omit<ImageShape, 'channels'>): void {
  if (shorterSide < Math.max(height, width))
    throw new UsageError(`shorter side: expected at least the network's ${height} x ${width} pixels, got ${shorterSide}`);
}

/** @throws UsageError when the set does not consist of image files, whose size can be scaled */
export function requireImageFiles({ name, isEncoded }: Pick<ImageSet, 'name' | 'isEncoded'>): void {
  if (!isEncoded) throw new UsageError(`data ${name}: expected image files to scale (shorter side), got another format`);
}
