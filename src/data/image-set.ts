/** What every data set looks like to the rest of the project. */

/** Labelled images, streamed: memory does not depend on the number of images. */
export interface ImageSet {
  /** Name for reports, e.g. `cifar-10`. */
  readonly name: string;
  readonly split: 'train' | 'test';
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly classes: number;
  /** One label a class, in order; undefined when the source has none. */
  readonly classLabels: readonly string[] | undefined;
  /** Number of images. */
  readonly length: number;
  /** Images `from` to `to` (default: all) in order, `size` at a time; the last batch may be smaller. */
  batches(size: number, from?: number, to?: number): AsyncIterable<ImageBatch>;
}

export interface ImageBatch {
  /** Index of the first image in the set. */
  readonly offset: number;
  readonly count: number;
  /** Raw pixels 0..255, shape [count, channels, height, width]. Valid until the next batch is asked for. */
  readonly imagesNCHW: Uint8Array;
  /** Class index of each image. */
  readonly labels: Int32Array;
}
