/** What the readers of the formats share: one DatasetFormat a format. */
import { InputError } from '../../errors.ts';
import type { ImageSet, ImageShape, Split } from '../dataset.ts';
import type { DataSource } from '../files/source.ts';

export interface OpenOptions {
  readonly split: Split;
  /** What the network takes: image folders are resized to it, a set of another shape is refused. */
  readonly shape?: ImageShape;
  /** Image files are scaled until their shorter side is each of these, then cut around the centre; default: until they cover the shape. */
  readonly shorterSides?: readonly number[] | undefined;
  /** With shorterSides: crops of each scale at uniform positions, the same each time, in place of the one around the centre. */
  readonly crops?: number | undefined;
  /** Of image files: leaves out those that cannot be decoded and what is no image file, and is told of each; default: they are errors. */
  readonly skipBroken?: ((path: string, reason: string) => void) | undefined;
  /** Classes that the network tells apart: a set of another number is refused. */
  readonly classes?: number;
}

/** A format: one row of the table in `open.ts`. */
export interface DatasetFormat {
  /** For messages. */
  readonly name: string;
  /** Base names of the files that hold a split; what is unpacked from an archive. */
  files(split: Split): readonly string[];
  recognises(source: DataSource): boolean;
  /** @throws InputError when the files are not what the format says, or do not fit the network. */
  open(source: DataSource, options: OpenOptions): Promise<ImageSet>;
}

/**
 * Refuses a set that does not fit the network.
 * @throws InputError
 */
export function checkFits(format: string, path: string, set: ImageShape & { classes: number }, { shape, classes }: OpenOptions): void {
  const words = ({ channels, height, width }: ImageShape) => `images of ${channels} x ${height} x ${width}`;
  if (shape && words(shape) !== words(set))
    throw new InputError(format, path, `expected ${words(shape)} for this network, got ${words(set)}`);
  if (classes !== undefined && classes !== set.classes) {
    throw new InputError(format, path, `expected ${classes} classes for this network, got ${set.classes}`);
  }
}
