/**
 * Images as Hugging Face publishes them: parquet files `<split>-00000-of-00001.parquet` with a column of image files
 * (a struct of bytes and path) and a column of class indices. The file's metadata has the class names.
 * Source of the format: https://huggingface.co/docs/hub/datasets-image
 */
import { basename, resolve } from 'node:path';
import type { FileMetaData } from 'hyparquet';
import { InputError } from '../../errors.ts';
import type { ImageSet, ImageShape, Split } from '../dataset.ts';
import { imageShape } from '../files/decode-image.ts';
import { openParquetFile, type ParquetFile, readColumn, rowGroups, undamaged } from '../files/parquet-file.ts';
import type { RandomAccess } from '../files/random-access.ts';
import type { DataSource } from '../files/source.ts';
import { namesOfSplit, splitOf } from '../split-names.ts';
import { checkFits, type DatasetFormat, type OpenOptions } from './dataset-format.ts';
import { type EncodedImage, type EncodedImages, encodedSet, withoutBroken } from './encoded-images.ts';

const FORMAT = 'parquet';
const EXTENSION = /\.parquet$/i;
/** Known names of the image and label columns. */
const IMAGE_COLUMNS = ['image', 'img', 'images', 'picture'];
const LABEL_COLUMNS = ['label', 'fine_label', 'labels', 'class', 'target'];
const MAX_LABEL = 999_999;

export const parquet: DatasetFormat = {
  name: FORMAT,
  files: () => [],
  recognises: (source) => [...source.files].some((name) => EXTENSION.test(name)),
  async open(source, options) {
    const lists = filesOf(source, options.split);
    if (!EXTENSION.test(source.path)) for (const names of lists) requireAll(source.path, names); // one file may be named alone
    const unsplit = areUnsplit(lists.flat()) && splitOf(basename(resolve(source.path))) !== options.split;
    return { ...(await openFirst(source, lists, options)), unsplit };
  },
};

/** Whether the names of these files state no split. */
const areUnsplit = (names: readonly string[]) => names.every((name) => splitOf(prefixOf(name)) === undefined);
const prefixOf = (name: string) => name.split(/[-.]/)[0] ?? '';

/** The files of a split, in order; several lists, the preferred first, where a set has both test and validation files. */
function filesOf(source: DataSource, split: Split): string[][] {
  const files = [...source.files].filter((name) => EXTENSION.test(name)).sort();
  if (areUnsplit(files)) return [files];
  const found = [...new Set(namesOfSplit(split, files.map(prefixOf)))].map((prefix) => files.filter((name) => prefixOf(name) === prefix));
  if (found.length > 0) return found;
  throw new InputError(FORMAT, source.path, `expected parquet files of the ${split} split, got ${files.slice(0, 3).join(', ')}`);
}

/** Checks that no part of `train-00000-of-00005` and so on is missing. */
function requireAll(path: string, names: readonly string[]): void {
  const counts = new Set(names.map((name) => Number(/-of-(\d+)\b/.exec(name)?.[1] ?? names.length)));
  const [expected = 0] = counts;
  if (counts.size === 1 && expected === names.length) return;
  throw new InputError(FORMAT, path, `expected ${expected} files such as ${names[0]}, got ${names.length}. Name one file to read it alone`);
}

/** A row group of a file. */
interface Group {
  readonly file: OpenFile;
  readonly start: number;
  readonly labels: Int32Array;
}

/** A file, with the names of its image and label columns. */
interface OpenFile extends ParquetFile {
  readonly image: string;
  readonly label: string;
}

/** Opens the first of these lists of files that has labels: those of some test images are withheld. */
async function openFirst(source: DataSource, lists: readonly (readonly string[])[], options: OpenOptions): Promise<ImageSet> {
  for (const names of lists) {
    const set = await openParquet(source, names, options);
    if (set) return set;
  }
  throw new InputError(FORMAT, source.path, `expected labels, got only ${WITHHELD}, which means that they are withheld`);
}

/** The label of images whose class is not published. */
const WITHHELD = -1;

/**
 * Opens the images of these files, in order. Reads all labels at once, and images one row group at a time.
 * @returns undefined when all labels are withheld
 * @throws InputError when a file is damaged, or has no columns of images and labels
 */
async function openParquet(source: DataSource, names: readonly string[], options: OpenOptions): Promise<ImageSet | undefined> {
  const files: RandomAccess[] = [];
  const close = async () => {
    for (const file of files) await file.close();
  };
  try {
    const groups: Group[] = [];
    let classLabels: readonly string[] | undefined;
    for (const name of names) {
      const file = await source.open(name);
      files.push(file);
      const opened = await undamaged(file.path, () => openFile(file));
      classLabels ??= labelsIn(opened.metadata, opened.label);
      groups.push(...(await undamaged(file.path, () => readGroups(opened))));
    }
    const length = groups.reduce((sum, { labels }) => sum + labels.length, 0);
    if (length === 0) throw new InputError(FORMAT, source.path, 'expected images, got none');
    if (groups.every(({ labels }) => labels.every((label) => label === WITHHELD))) {
      await close();
      return undefined;
    }
    const [smallest, largest] = extremes(groups);
    const classes = classLabels?.length ?? options.classes ?? largest + 1;
    const shape = options.shape ?? (await shapeOfFirst(groups[0] as Group));
    checkFits(FORMAT, source.path, { ...shape, classes }, options);
    const wrong = smallest < 0 ? smallest : largest;
    if (wrong < 0 || wrong >= classes) throw new InputError(FORMAT, source.path, `expected labels from 0 to ${classes - 1}, got ${wrong}`);
    const all: EncodedImages = { length, read: (from, to) => readRange(groups, from, to, options.shape ? undefined : shape) };
    const images = options.skipBroken ? await withoutBroken(all, shape, options.skipBroken) : all;
    const about = { ...shape, name: basename(resolve(source.path)), split: options.split, classes, classLabels, close };
    return encodedSet(about, images, options);
  } catch (error) {
    await close();
    throw error;
  }
}

function extremes(groups: readonly Group[]): [smallest: number, largest: number] {
  let [smallest, largest] = [MAX_LABEL, WITHHELD];
  for (const { labels } of groups) for (const label of labels) [smallest, largest] = [Math.min(smallest, label), Math.max(largest, label)];
  return [smallest, largest];
}

/**
 * Images `from` to `to`. A row group is in memory as a whole.
 * @param same shape that all images must have; undefined when they are scaled
 */
async function* readRange(groups: readonly Group[], from: number, to: number, same?: ImageShape): AsyncGenerator<EncodedImage> {
  let first = 0;
  for (const group of groups) {
    const [start, end] = [Math.max(from - first, 0), Math.min(to - first, group.labels.length)];
    first += group.labels.length;
    if (start >= end) continue;
    const found = await readImages(group);
    for (let i = start; i < end; i++) {
      const name = `${group.file.path} row ${group.start + i}`;
      const image = found[i] ?? new Uint8Array();
      if (same) requireSame(await imageShape(image, name), same, name);
      yield { image, name, label: group.labels[i] as number };
    }
  }
}

/** Without a network's shape, images are as large as the first. A grey image among coloured ones is shown in colour. */
function requireSame(got: ImageShape, { channels, height, width }: ImageShape, name: string): void {
  if (got.height === height && got.width === width && got.channels <= channels) return;
  throw new InputError(
    FORMAT,
    name,
    `expected ${channels} x ${height} x ${width} as the first image, got ${got.channels} x ${got.height} x ${got.width}. Set the size, e.g. train --image-size ${height}`,
  );
}

/** @throws InputError when a column is missing */
async function openFile(file: RandomAccess): Promise<OpenFile> {
  const opened = await openParquetFile(file);
  const columns = opened.metadata.schema.map(({ name }) => name);
  const [image, label] = [IMAGE_COLUMNS, LABEL_COLUMNS].map((known) => known.find((name) => columns.includes(name)));
  if (image !== undefined && label !== undefined) return { ...opened, image, label };
  throw new InputError(FORMAT, file.path, `expected columns image and label, got ${columns.slice(1, 9).join(', ') || 'none'}`);
}

async function readGroups(file: OpenFile): Promise<Group[]> {
  const groups: Group[] = [];
  for (const { start, rows } of rowGroups(file)) {
    const values = await readColumn(file, file.label, start, start + rows);
    const labels = Int32Array.from(values, (value, i) => {
      const label = Number(value);
      if (Number.isInteger(label) && label >= WITHHELD && label <= MAX_LABEL) return label;
      throw new InputError(FORMAT, `${file.path} row ${start + i}`, `expected a class index, got ${String(value).slice(0, 40)}`);
    });
    if (labels.length !== rows) throw new InputError(FORMAT, file.path, `expected ${rows} labels, got ${labels.length}`);
    groups.push({ file, start, labels });
  }
  return groups;
}

function readImages({ file, start, labels }: Group): Promise<Uint8Array[]> {
  return undamaged(file.path, async () =>
    (await readColumn(file, file.image, start, start + labels.length)).map((value, i) => {
      const bytes = value instanceof Uint8Array ? value : (value as { bytes?: unknown } | null)?.bytes;
      if (bytes instanceof Uint8Array) return bytes;
      throw new InputError(FORMAT, `${file.path} row ${start + i}`, 'expected the bytes of an image file, got something else');
    }),
  );
}

/** Class names as Hugging Face's library `datasets` writes them; undefined if there are none. */
function labelsIn(metadata: FileMetaData, column: string): string[] | undefined {
  const text = metadata.key_value_metadata?.find(({ key }) => key === 'huggingface')?.value;
  try {
    const names = JSON.parse(text ?? '{}')?.info?.features?.[column]?.names;
    return Array.isArray(names) && names.length > 0 && names.every((name) => typeof name === 'string') ? names : undefined;
  } catch {
    return undefined;
  }
}

async function shapeOfFirst(group: Group): Promise<ImageShape> {
  const [first = new Uint8Array()] = await readImages(group);
  return imageShape(first, `${group.file.path} row 0`);
}
