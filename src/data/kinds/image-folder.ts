/** A folder with one subfolder of images per class. */
import { basename, join, resolve } from 'node:path';
import { InputError, UsageError } from '../../errors.ts';
import { range, readAhead } from '../batches.ts';
import type { ImageFiles, ImageSet, ImageShape, Split } from '../dataset.ts';
import { type Crop, decodeImage, IMAGE_FILE, IMAGE_FORMATS } from '../files/decode-image.ts';
import { listFolder } from '../files/source.ts';
import { randomStream } from '../random.ts';
import { requireCover } from '../scale.ts';
import { nameOfSplit, splitNames, splitOf } from '../split-names.ts';
import { checkFits, type DatasetFormat, type OpenOptions } from './dataset-format.ts';

const FORMAT = 'image folder';
/** Files and folders that file managers and archivers create. */
export const CLUTTER = /^(\..*|Thumbs\.db|desktop\.ini|__MACOSX|@eaDir|lost\+found|\$RECYCLE\.BIN|System Volume Information)$/i;

/** Key of the random stream for crop positions. */
const CROPS = 25;

export const imageFolder: DatasetFormat = {
  name: FORMAT,
  files: () => [],
  recognises: (source) => source.folders.some((name) => !CLUTTER.test(name)),
  open: (source, options) => openImageFolder(source.path, options),
};

interface ClassFolder {
  readonly path: string;
  /** Index of its first image. */
  readonly first: number;
  readonly count: number;
}

/**
 * Opens a folder of class folders. If there are folders `train` and `test` (or `val`, `valid`, `validation`, in upper or
 * lower case) above them, the split selects one. Classes and images are sorted by name, by code unit; classes whose names
 * are all whole numbers are sorted by number. File names are held for one class at a time, so memory depends only on the
 * largest class.
 * @throws InputError when a class is empty or holds a file that is not an image; UsageError without a shape
 */
export async function openImageFolder(path: string, options: OpenOptions): Promise<ImageSet> {
  if (!options.shape) throw new UsageError(`${FORMAT} ${path}: expected an image size, got none. Set it, e.g. train --image-size 64x64`);
  const { channels, height, width } = options.shape;
  const { shorterSides = [], crops } = options;
  for (const shorterSide of shorterSides) requireCover(shorterSide, options.shape);
  if (crops !== undefined && shorterSides.length === 0)
    throw new UsageError('crops: expected a shorter side to scale images to, got none. Set --shorter-side');
  const cropsPerImage = Math.max(1, shorterSides.length * (crops ?? 1));
  const shape = { channels, height, width };
  const { root, classLabels } = await findClasses(path, options.split);
  const classes = classLabels.length;
  checkFits(FORMAT, root, { ...shape, classes }, options);

  const left =
    options.skipBroken &&
    (await findBroken(
      classLabels.map((label) => join(root, label)),
      shape,
      options.skipBroken,
    ));
  const folders: ClassFolder[] = [];
  let length = 0;
  for (const label of classLabels) {
    const folder = join(root, label);
    const { length: count } = await listImages(folder, left);
    folders.push({ path: folder, first: length, count });
    length += count;
  }

  const imageBytes = channels * height * width;
  return {
    ...shape,
    name: basename(resolve(path)) + cropsName(options),
    split: options.split,
    unsplit: root === path,
    classes,
    classLabels,
    classOrder: areNumbers(classLabels) ? 'number' : 'name',
    length,
    crops: cropsPerImage,
    batches(size, from, to) {
      let listed: { folder: ClassFolder; images: string[] } | undefined;
      const imagesOf = async (folder: ClassFolder): Promise<string[]> => {
        if (listed?.folder !== folder) listed = { folder, images: await listImages(folder.path, left) };
        const { length } = listed.images;
        if (length !== folder.count)
          throw new InputError(FORMAT, folder.path, `expected ${folder.count} images as when it was opened, got ${length}`);
        return listed.images;
      };
      const load = async (offset: number, count: number, imagesNCHW: Uint8Array, labels: Int32Array) => {
        const paths: string[] = [];
        for (const [label, folder] of folders.entries()) {
          const start = Math.max(offset, folder.first);
          const end = Math.min(offset + count, folder.first + folder.count);
          if (start >= end) continue;
          labels.fill(label, start - offset, end - offset);
          const images = await imagesOf(folder);
          paths.push(...images.slice(start - folder.first, end - folder.first).map((image) => join(folder.path, image)));
        }
        await Promise.all(
          paths.flatMap((image, i) =>
            cropsOf(offset + i, options).map(async (crop, c) => {
              imagesNCHW.set(await decodeImage(image, shape, image, crop), (i * cropsPerImage + c) * imageBytes);
            }),
          ),
        );
      };
      return readAhead(load, cropsPerImage * imageBytes, range(length, size, from, to));
    },
    listFiles: () => listFiles(root, classLabels, left),
    async close() {},
  };
}

/** The crops of an image; undefined scales it to cover the shape. Random positions depend only on the image's index, so all shards agree. */
function cropsOf(index: number, { shorterSides, crops }: OpenOptions): (Crop | undefined)[] {
  if (!shorterSides) return [undefined];
  if (crops === undefined) return shorterSides.map((shorterSide) => ({ shorterSide, top: 0.5, left: 0.5 }));
  const random = randomStream(CROPS, index);
  return shorterSides.flatMap((shorterSide) =>
    Array.from({ length: crops }, () => ({ shorterSide, top: random.uniform(), left: random.uniform() })),
  );
}

/** Suffix for the set's name, so that results from different crops are not mixed up. */
function cropsName({ shorterSides, crops }: OpenOptions): string {
  if (!shorterSides) return '';
  const sides = `shorter side ${shorterSides.join(', ')}`;
  return crops === undefined ? ` (${sides})` : ` (${sides}, ${crops} random crops)`;
}

/** Full path of an image file. */
export function pathOf({ folder, names, ends }: ImageFiles, index: number): string {
  return join(folder, Buffer.from(names.subarray(ends[index - 1] ?? 0, ends[index])).toString());
}

async function listFiles(folder: string, classLabels: readonly string[], left?: ReadonlySet<string>): Promise<ImageFiles> {
  const names: Buffer[] = []; // one buffer per class
  const ends: number[] = [];
  const labels: number[] = [];
  let end = 0;
  for (const [label, name] of classLabels.entries()) {
    const paths = (await listImages(join(folder, name), left)).map((image) => join(name, image));
    names.push(Buffer.from(paths.join('')));
    for (const path of paths) {
      end += Buffer.byteLength(path);
      ends.push(end);
      labels.push(label);
    }
  }
  const files = {
    folder,
    names: new Uint8Array(new SharedArrayBuffer(end)),
    ends: new Uint32Array(new SharedArrayBuffer(ends.length * Uint32Array.BYTES_PER_ELEMENT)),
    labels: new Int32Array(new SharedArrayBuffer(labels.length * Int32Array.BYTES_PER_ELEMENT)),
  };
  files.names.set(Buffer.concat(names));
  files.ends.set(ends);
  files.labels.set(labels);
  return files;
}

/** The folder above the class folders of a split, and the class names. */
async function findClasses(path: string, split: Split): Promise<{ root: string; classLabels: string[] }> {
  const foldersOf = async (root: string) => inOrder((await listFolder(root)).folders.filter((name) => !CLUTTER.test(name)));
  const folders = await foldersOf(path);
  if (!folders.every((name) => splitOf(name) !== undefined)) return { root: path, classLabels: folders };
  const name = nameOfSplit(split, folders);
  if (name === undefined)
    throw new InputError(FORMAT, path, `expected a folder named ${splitNames[split].join(' or ')}, got ${folders.join(', ')}`);
  const root = join(path, name);
  return { root, classLabels: await foldersOf(root) };
}

/** Sorted class names. If all are whole numbers they are class indices, and 2 comes before 10. */
function inOrder(names: readonly string[]): string[] {
  return areNumbers(names) ? names.toSorted((a, b) => Number(BigInt(a) - BigInt(b))) : [...names];
}

function areNumbers(names: readonly string[]): boolean {
  return names.every((name) => /^\d+$/.test(name));
}

/** @param left paths to skip; if given, files that are not images are skipped, too */
async function listImages(folder: string, left?: ReadonlySet<string>): Promise<string[]> {
  const { files, folders } = await listFolder(folder);
  const found = files.filter((name) => !CLUTTER.test(name));
  const images = left ? found.filter((name) => IMAGE_FILE.test(name) && !left.has(join(folder, name))) : found;
  const stranger = left ? undefined : (folders.find((name) => !CLUTTER.test(name)) ?? images.find((name) => !IMAGE_FILE.test(name)));
  if (stranger !== undefined) throw new InputError(FORMAT, folder, `expected only images (${IMAGE_FORMATS}), got ${stranger}`);
  if (images.length === 0) throw new InputError(FORMAT, folder, 'expected images, got none');
  return images;
}

/** Images decoded in parallel, about the number of cores of a usual machine. */
const AT_ONCE = 8;

/** Decodes every image once before use. Reports and skips those that cannot be decoded. */
async function findBroken(
  folders: readonly string[],
  shape: ImageShape,
  say: NonNullable<OpenOptions['skipBroken']>,
): Promise<Set<string>> {
  const broken = new Set<string>();
  const check = async (path: string) => {
    await decodeImage(path, shape, path).catch((error: unknown) => {
      if (!(error instanceof InputError)) throw error;
      broken.add(path);
      say(path, error.problem);
    });
  };
  for (const folder of folders) {
    const { files, folders: inner } = await listFolder(folder);
    for (const name of [...inner, ...files].filter((name) => !CLUTTER.test(name) && !IMAGE_FILE.test(name)))
      say(join(folder, name), 'not an image file');
    const images = files.filter((name) => !CLUTTER.test(name) && IMAGE_FILE.test(name)).map((name) => join(folder, name));
    for (let at = 0; at < images.length; at += AT_ONCE) await Promise.all(images.slice(at, at + AT_ONCE).map(check));
  }
  return broken;
}
