/** What every data set looks like to the rest of the project. */

export type Split = 'train' | 'test';

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
  /** True where the source does not tell splits apart: it gives these images as the other one, too. */
  readonly unsplit?: boolean;
  readonly classes: number;
  /** One label a class, in order; undefined when the source has none. */
  readonly classLabels: readonly string[] | undefined;
  /** How the classes were put in order, where the source does not number them: by their names, or by the numbers that these are. */
  readonly classOrder?: 'name' | 'number';
  /** Number of images. */
  readonly length: number;
  /** Crops of each image that a batch holds, one behind the other; 1 when undefined. A classifier's probabilities are averaged over them. */
  readonly crops?: number;
  /**
   * Images `from` to `to` (default: all) in order, `size` at a time; the last batch may be smaller.
   * One batch is read ahead, so that reading and decoding overlap with what the caller does.
   * @throws InputError at the first image or label that is not what it should be, naming it.
   */
  batches(size: number, from?: number, to?: number): AsyncIterable<ImageBatch>;
  /** Where each image is a file of its own: the files, in order. */
  readonly listFiles?: () => Promise<ImageFiles>;
  /** Closes the files. Not while batches are being read. */
  close(): Promise<void>;
}

/** Image files and their classes, in memory that threads share: the names of 1.3 million take some 50 MB. */
export interface ImageFiles {
  readonly folder: string;
  /** Paths in the folder, UTF-8, one behind the other; the index of each one's end. */
  readonly names: Uint8Array;
  readonly ends: Uint32Array;
  readonly labels: Int32Array;
}

export interface ImageBatch {
  /** Index of the first image in the set. */
  readonly offset: number;
  readonly count: number;
  /** Raw pixels 0..255, shape [count * crops, channels, height, width]. Valid until the next batch is asked for. */
  readonly imagesNCHW: Uint8Array;
  /** Class index of each image. Valid until the next batch is asked for. */
  readonly labels: Int32Array;
}

/** Index of the first class that two sets name differently; undefined when they agree or one has no names. */
export function firstOtherLabel(a: readonly string[] | undefined, b: readonly string[] | undefined): number | undefined {
  const index = a && b ? a.findIndex((label, i) => label !== b[i]) : -1;
  return index < 0 ? undefined : index;
}
