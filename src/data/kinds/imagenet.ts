/**
 * ImageNet (ILSVRC 2012) with all images of a split in one folder or archive, as the official validation images and those on
 * Hugging Face are. Their class is in the name (`ILSVRC2012_val_00000001_n01751748.JPEG`, `n01440764_10026_n01440764.JPEG`,
 * `n01440764_10026.JPEG`), or in a file beside them. Classes are in the order of their WordNet ids, as in all common networks.
 */
import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { InputError, UsageError } from '../../errors.ts';
import type { ImageSet, Split } from '../dataset.ts';
import { IMAGE_FILE } from '../files/decode-image.ts';
import { archiveSource, type DataSource } from '../files/source.ts';
import { tarMembers } from '../files/tar.ts';
import { splitOf } from '../split-names.ts';
import { checkFits, type DatasetFormat, type OpenOptions } from './dataset-format.ts';
import { type EncodedImage, encodedSet, imageFiles, withoutBroken } from './encoded-images.ts';
import { findLabels } from './imagenet-labels.ts';

const FORMAT = 'ImageNet';
const VALIDATION = /^ILSVRC2012_val_(\d{8})(?:_(n\d{8}))?\.jpe?g$/i;
const TRAINING = /^(n\d{8})_\d+(?:_(n\d{8}))?\.jpe?g$/i;
const isImage = (name: string) => VALIDATION.test(name) || TRAINING.test(name);
/** Four times the largest image of ImageNet. An image of an archive is in memory as a whole. */
const MAX_IMAGE_BYTES = 2 ** 26;

/** One folder, or one archive, of images. */
export const imagenet: DatasetFormat = {
  name: FORMAT,
  files: () => [],
  recognises: ({ files }) => [...files].some(isImage),
  async open(source, options) {
    const set = await openImages([source], options);
    return { ...set, unsplit: splitOf(basename(resolve(source.path))) !== options.split };
  },
};

/** The archives of each split on Hugging Face (ILSVRC/imagenet-1k, folder data). */
const ARCHIVE = /^(train_images_(\d+)|val_images)\.(tar|tgz)$/;

/** A folder of Hugging Face's archives. */
export const imagenetArchives: DatasetFormat = {
  name: 'ImageNet archives',
  files: () => [],
  recognises: ({ files }) => [...files].some((name) => ARCHIVE.test(name)),
  async open(source, options) {
    const names = archivesOf(source, options.split);
    const sources: DataSource[] = [];
    for (const name of names) sources.push(await archiveSource(await archivePath(source.path, name), new Set()));
    return openImages(sources, options);
  },
};

/** The archives of a split, in order. */
function archivesOf({ path, files }: DataSource, split: Split): string[] {
  const all = [...files].filter((name) => ARCHIVE.test(name));
  const numberOf = (name: string) => Number(ARCHIVE.exec(name)?.[2] ?? Number.NaN);
  const wanted = all.filter((name) => Number.isNaN(numberOf(name)) === (split === 'test')).sort((a, b) => numberOf(a) - numberOf(b));
  const missing = split === 'test' ? -1 : wanted.findIndex((name, i) => numberOf(name) !== i);
  if (wanted.length > 0 && missing < 0) return wanted;
  const expected = split === 'test' ? 'val_images.tar.gz' : `train_images_${Math.max(missing, 0)}.tar.gz`;
  throw new InputError(FORMAT, path, `expected ${expected} for the ${split} split, got ${all.join(', ')}`);
}

/** Sources list names without .gz. */
async function archivePath(folder: string, name: string): Promise<string> {
  const packed = join(folder, `${name}.gz`);
  return (await stat(packed).catch(() => undefined)) ? packed : join(folder, name);
}

/** Images of a source by name, with their classes. */
interface Labelled {
  readonly source: DataSource;
  readonly names: readonly string[];
  /** Class of an image: its WordNet id. */
  classOf(name: string): string;
  /** All classes in the labels, even those without an image here. */
  readonly classes: Iterable<string>;
}

/**
 * Opens the images of these sources, in order.
 * @throws InputError when no file states their classes, or they do not fit the network; UsageError without a shape
 */
async function openImages(sources: readonly DataSource[], options: OpenOptions): Promise<ImageSet> {
  const [{ path }] = sources as [DataSource];
  if (!options.shape) throw new UsageError(`${FORMAT} ${path}: expected an image size, got none. Set it, e.g. train --image-size 224`);
  const { channels, height, width } = options.shape;
  const shape = { channels, height, width };
  const parts: Labelled[] = [];
  for (const source of sources) parts.push(await labelled(source));
  const classLabels = [...new Set(parts.flatMap(({ classes }) => [...classes]))].sort();
  const indexOf = new Map(classLabels.map((id, index) => [id, index]));
  const labelOf = (part: Labelled, name: string) => indexOf.get(part.classOf(name)) as number;
  checkFits(FORMAT, path, { ...shape, classes: classLabels.length }, options);
  const length = parts.reduce((sum, { names }) => sum + names.length, 0);

  async function* read(from: number, to: number): AsyncGenerator<EncodedImage> {
    let first = 0;
    for (const part of parts) {
      const [start, end] = [Math.max(from - first, 0), Math.min(to - first, part.names.length)];
      first += part.names.length;
      if (start >= end) continue;
      for await (const { name, image, path } of contentOf(part, start, end)) yield { image, name: path, label: labelOf(part, name) };
    }
  }
  const all = { length, read };
  const images = options.skipBroken ? await withoutBroken(all, shape, options.skipBroken) : all;
  const [only] = parts as [Labelled];
  const about = {
    ...shape,
    name: basename(resolve(path)),
    split: options.split,
    classes: classLabels.length,
    classLabels,
    async close() {},
  };
  if (only.source.isArchive) return encodedSet(about, images, options);
  const listFiles = async () => {
    const entries: [string, number][] = [];
    for await (const { name, label } of images.read(0, images.length)) entries.push([basename(name), label]);
    return imageFiles(path, entries);
  };
  return encodedSet({ ...about, listFiles }, images, options);
}

/** Images `from` to `to` of a source: paths of a folder, contents of an archive, which is read from its start. */
async function* contentOf({ source, names }: Labelled, from: number, to: number) {
  if (!source.isArchive) {
    for (const name of names.slice(from, to)) {
      const path = join(source.path, name);
      yield { name, image: path, path };
    }
    return;
  }
  let index = 0;
  for await (const { name, size, content } of tarMembers(source.path)) {
    if (!isImage(name)) continue;
    const path = `${source.path}:${name}`;
    if (name !== names[index]) throw new InputError(FORMAT, path, `expected ${names[index]} as when it was opened, got another`);
    if (index++ < from) continue;
    if (size > MAX_IMAGE_BYTES) throw new InputError(FORMAT, path, `expected an image of at most ${MAX_IMAGE_BYTES} bytes, got ${size}`);
    const pieces: Uint8Array[] = [];
    for await (const piece of content) pieces.push(piece);
    yield { name, image: Buffer.concat(pieces), path };
    if (index === to) return;
  }
}

/** Determines the class of each image of a source. */
async function labelled(source: DataSource): Promise<Labelled> {
  const found = [...source.files].filter(isImage);
  const stranger = [...source.files].find((name) => IMAGE_FILE.test(name) && !name.startsWith('.') && !isImage(name));
  if (stranger !== undefined)
    throw new InputError(FORMAT, source.path, `expected only images named as in ImageNet, such as ${found[0]}, got ${stranger}`);
  const names = source.isArchive ? found : found.sort();
  const stated = (name: string) => VALIDATION.exec(name)?.[2] ?? TRAINING.exec(name)?.[2] ?? TRAINING.exec(name)?.[1];
  const silent = names.find((name) => stated(name) === undefined);
  if (silent === undefined) {
    const classOf = (name: string) => stated(name)?.toLowerCase() as string;
    return { source, names, classOf, classes: names.map(classOf) };
  }
  const labels = await findLabels(source);
  const classOf = (name: string) => {
    const id = labels.classOf(Number(VALIDATION.exec(name)?.[1]), name.replace(/\.\w+$/, ''));
    if (id !== undefined) return id;
    throw new InputError(FORMAT, join(source.path, name), `expected its class in ${labels.path}, got no such image`);
  };
  for (const name of names) classOf(name);
  return { source, names, classOf, classes: labels.classes };
}
