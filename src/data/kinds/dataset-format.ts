/** The interface of a data set format, shared by all readers. */
import { InputError } from '../../errors.ts';
import type { ImageSet, ImageShape, Split } from '../dataset.ts';
import type { DataSource } from '../files/source.ts';

export interface OpenOptions {
  readonly split: Split;
  /** The network's input shape. Image files are resized to it; any other set must have it. */
  readonly shape?: ImageShape;
  /** Scale image files to each of these shorter sides, then centre-crop. Default: scale them to cover the shape. */
  readonly shorterSides?: readonly number[] | undefined;
  /** With shorterSides: number of random crops per scale instead of the centre crop. Their positions are the same every time. */
  readonly crops?: number | undefined;
  /** Skip files that cannot be decoded or are not images, and call this for each. Default: such a file is an error. */
  readonly skipBroken?: ((path: string, reason: string) => void) | undefined;
  /** The network's number of classes. A set must have the same number. */
  readonly classes?: number;
}

/** A format: one row of the table in `open.ts`. */
export interface DatasetFormat {
  /** For errors. */
  readonly name: string;
  /** Base names of the files of a split. These are unpacked from an archive. */
  files(split: Split): readonly string[];
  recognises(source: DataSource): boolean;
  /** @throws InputError when the files violate the format or do not fit the network */
  open(source: DataSource, options: OpenOptions): Promise<ImageSet>;
}

/**
 * Checks that a set fits the network.
 * @throws InputError when it does not
 */
export function checkFits(format: string, path: string, set: ImageShape & { classes: number }, { shape, classes }: OpenOptions): void {
  const words = ({ channels, height, width }: ImageShape) => `images of ${channels} x ${height} x ${width}`;
  if (shape && words(shape) !== words(set))
    throw new InputError(format, path, `expected ${words(shape)} for this network, got ${words(set)}`);
  if (classes !== undefined && classes !== set.classes) {
    throw new InputError(format, path, `expected ${classes} classes for this network, got ${set.classes}`);
  }
}
