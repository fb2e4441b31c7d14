/**
 * Images as Hugging Face publishes them: parquet files `<split>-00000-of-00001.parquet` with a column of image files
 * (a struct of bytes and path) and a column of class indices. The file's metadata has the class names.
 * Source of the format: https://huggingface.co/docs/hub/datasets-image, https://parquet.apache.org/docs/file-format/
 */
import { basename, resolve } from 'node:path';
import type { AsyncBuffer, Compressors, FileMetaData } from 'hyparquet';
import { InputError } from '../../errors.ts';
import { acrossParts, range, readAhead } from '../batches.ts';
import type { ImageSet, ImageShape, Split } from '../dataset.ts';
import { decodeImage, imageShape } from '../files/decode-image.ts';
import { inFile } from '../files/file-error.ts';
import type { RandomAccess } from '../files/random-access.ts';
import type { DataSource } from '../files/source.ts';
import { nameOfSplit, splitOf } from '../split-names.ts';
import { checkFits, type DatasetFormat, type OpenOptions } from './dataset-format.ts';

const FORMAT = 'parquet';
const EXTENSION = /\.parquet$/i;
/** Known names of the image and label columns. */
const IMAGE_COLUMNS = ['image', 'img', 'images', 'picture'];
const LABEL_COLUMNS = ['label', 'fine_label', 'labels', 'class', 'target'];
/** Limit on a row group, which is in memory as a whole. Row groups of images usually have tens of megabytes. */
const MAX_GROUP_BYTES = 2 ** 29;
/** Smallest size of a row, since it holds an image file. */
const MIN_ROW_BYTES = 16;
const MAX_LABEL = 999_999;

export const parquet: DatasetFormat = {
  name: FORMAT,
  files: () => [],
  recognises: (source) => [...source.files].some((name) => EXTENSION.test(name)),
  open: (source, options) => openParquet(source, filesOf(source, options.split), options),
};

/** The files of a split, in order. */
function filesOf(source: DataSource, split: Split): string[] {
  const files = [...source.files].filter((name) => EXTENSION.test(name)).sort();
  const prefix = (name: string) => name.split(/[-.]/)[0] ?? '';
  const wanted = nameOfSplit(split, files.map(prefix));
  const found = files.filter((name) => prefix(name) === wanted);
  if (found.length > 0) return found;
  if (files.every((name) => splitOf(prefix(name)) === undefined)) return files; // the names do not state a split
  throw new InputError(FORMAT, source.path, `expected parquet files of the ${split} split, got ${files.slice(0, 3).join(', ')}`);
}

/** A row group of a file. */
interface Group {
  readonly file: OpenFile;
  readonly start: number;
  readonly labels: Int32Array;
}

interface OpenFile {
  readonly path: string;
  readonly buffer: AsyncBuffer;
  readonly metadata: FileMetaData;
  readonly image: string;
  readonly label: string;
}

/**
 * Opens the images of these files, in order. Reads all labels at once, and images one row group at a time.
 * @throws InputError when a file is damaged, or has no columns of images and labels
 */
export async function openParquet(source: DataSource, names: readonly string[], options: OpenOptions): Promise<ImageSet> {
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
      const opened = await guarded(file.path, () => openFile(file));
      classLabels ??= labelsIn(opened.metadata, opened.label);
      groups.push(...(await guarded(file.path, () => readGroups(opened, file.size))));
    }
    const length = groups.reduce((sum, { labels }) => sum + labels.length, 0);
    if (length === 0) throw new InputError(FORMAT, source.path, 'expected images, got none');
    const largest = groups.reduce((most, { labels }) => labels.reduce((a, b) => Math.max(a, b), most), 0);
    const classes = classLabels?.length ?? options.classes ?? largest + 1;
    const shape = options.shape ?? (await shapeOfFirst(groups[0] as Group));
    checkFits(FORMAT, source.path, { ...shape, classes }, options);
    if (largest >= classes) throw new InputError(FORMAT, source.path, `expected labels below ${classes}, got ${largest}`);
    return overGroups(groups, { source, shape, classes, classLabels, length, split: options.split, close });
  } catch (error) {
    await close();
    throw error;
  }
}

type About = ImageSetParts & { readonly shape: ImageShape; readonly source: DataSource };
type ImageSetParts = Pick<ImageSet, 'classes' | 'classLabels' | 'length' | 'split' | 'close'>;

function overGroups(groups: readonly Group[], { source, shape, split, classes, classLabels, length, close }: About): ImageSet {
  const { channels, height, width } = shape;
  const imageBytes = channels * height * width;
  return {
    channels,
    height,
    width,
    name: basename(resolve(source.path)),
    split,
    classes,
    classLabels,
    length,
    batches(size, from, to) {
      let held: { group: Group; images: readonly Uint8Array[] } | undefined;
      const load = acrossParts(
        groups.map(({ labels }) => labels.length),
        imageBytes,
        async (part, first, count, images, labels) => {
          const group = groups[part] as Group;
          if (held?.group !== group) held = { group, images: await readImages(group) };
          const found = held.images;
          labels.set(group.labels.subarray(first, first + count));
          await Promise.all(
            Array.from({ length: count }, async (_, i) => {
              const name = `${group.file.path} row ${group.start + first + i}`;
              images.set(await decodeImage(found[first + i] ?? new Uint8Array(), shape, name), i * imageBytes);
            }),
          );
        },
      );
      return readAhead(load, imageBytes, range(length, size, from, to));
    },
    close,
  };
}

async function openFile(file: RandomAccess): Promise<OpenFile> {
  const { parquetMetadataAsync } = await import('hyparquet');
  const buffer: AsyncBuffer = {
    byteLength: file.size,
    async slice(start, end = file.size) {
      if (!(start >= 0 && end >= start && end <= file.size)) throw new Error(`bytes ${start} to ${end} of a file of ${file.size}`);
      const bytes = new Uint8Array(end - start);
      await file.read(bytes, start);
      return bytes.buffer;
    },
  };
  const metadata = await parquetMetadataAsync(buffer);
  const columns = metadata.schema.map(({ name }) => name);
  const [image, label] = [IMAGE_COLUMNS, LABEL_COLUMNS].map((known) => known.find((name) => columns.includes(name)));
  if (image !== undefined && label !== undefined) return { path: file.path, buffer, metadata, image, label };
  throw new InputError(FORMAT, file.path, `expected columns image and label, got ${columns.slice(1, 9).join(', ') || 'none'}`);
}

async function readGroups(file: OpenFile, fileBytes: number): Promise<Group[]> {
  const groups: Group[] = [];
  let start = 0;
  for (const { num_rows, total_byte_size } of file.metadata.row_groups) {
    const rows = Number(num_rows);
    if (!(rows >= 0 && (start + rows) * MIN_ROW_BYTES <= fileBytes))
      throw new InputError(
        FORMAT,
        file.path,
        `expected at most ${Math.floor(fileBytes / MIN_ROW_BYTES)} rows in a file of its size, got ${start + rows}`,
      );
    if (Number(total_byte_size) > MAX_GROUP_BYTES)
      throw new InputError(FORMAT, file.path, `expected groups of rows of at most ${MAX_GROUP_BYTES} bytes, got one of ${total_byte_size}`);
    const values = await readColumn(file, file.label, start, start + rows);
    const labels = Int32Array.from(values, (value, i) => {
      const label = Number(value);
      if (Number.isInteger(label) && label >= 0 && label <= MAX_LABEL) return label;
      throw new InputError(FORMAT, `${file.path} row ${start + i}`, `expected a class index, got ${String(value).slice(0, 40)}`);
    });
    if (labels.length !== rows) throw new InputError(FORMAT, file.path, `expected ${rows} labels, got ${labels.length}`);
    groups.push({ file, start, labels });
    start += rows;
  }
  return groups;
}

function readImages({ file, start, labels }: Group): Promise<Uint8Array[]> {
  return guarded(file.path, async () =>
    (await readColumn(file, file.image, start, start + labels.length)).map((value, i) => {
      const bytes = value instanceof Uint8Array ? value : (value as { bytes?: unknown } | null)?.bytes;
      if (bytes instanceof Uint8Array) return bytes;
      throw new InputError(FORMAT, `${file.path} row ${start + i}`, 'expected the bytes of an image file, got something else');
    }),
  );
}

async function readColumn({ buffer, metadata }: OpenFile, column: string, rowStart: number, rowEnd: number): Promise<unknown[]> {
  if (rowStart === rowEnd) return [];
  const [{ parquetReadObjects }, { compressors }] = [await import('hyparquet'), await import('hyparquet-compressors')];
  const rows = await parquetReadObjects({
    file: buffer,
    metadata,
    columns: [column],
    rowStart,
    rowEnd,
    utf8: false,
    compressors: bounded(compressors),
  });
  return rows.map((row) => row[column]);
}

/** Checks the unpacked size that a page states, before a damaged one can make us allocate it. */
function bounded(compressors: Compressors): Compressors {
  return Object.fromEntries(
    Object.entries(compressors).map(([name, unpack]) => [
      name,
      (input: Uint8Array, size: number) => {
        if (!(size >= 0 && size <= MAX_GROUP_BYTES)) throw new Error(`a page of ${size} bytes`);
        return unpack(input, size);
      },
    ]),
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

/** Turns a reader's complaint about a damaged file into an error that names the file. */
async function guarded<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof InputError) throw inFile(path, error);
    throw new InputError(
      FORMAT,
      path,
      `expected a complete, undamaged file, got ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
}
