/** A folder with one subfolder of images per class. */
import { basename, join, resolve } from 'node:path';
import { InputError, UsageError } from '../../errors.ts';
import type { ImageFiles, ImageSet, ImageShape, Split } from '../dataset.ts';
import { IMAGE_FILE, IMAGE_FORMATS, inOtherFormat } from '../files/decode-image.ts';
import { listFolder } from '../files/source.ts';
import { namesOfSplit, splitNames, splitOf } from '../split-names.ts';
import { checkFits, type DatasetFormat, type OpenOptions } from './dataset-format.ts';
import { checkScales, type EncodedImage, encodedSet, findBroken, imageFiles } from './encoded-images.ts';

const FORMAT = 'image folder';
/** Files and folders that file managers and archivers create. */
export const CLUTTER = /^(\..*|Thumbs\.db|desktop\.ini|__MACOSX|@eaDir|lost\+found|\$RECYCLE\.BIN|System Volume Information)$/i;

export const imageFolder: DatasetFormat = {
  name: FORMAT,
  files: () => [],
  recognises: (source) => source.folders.some((name) => !CLUTTER.test(name)),
  open: (source, options) => openImageFolder(source.path, options),
};

interface ClassFolder {
  readonly path: string;
  readonly label: number;
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
async function openImageFolder(path: string, options: OpenOptions): Promise<ImageSet> {
  if (!options.shape) throw new UsageError(`${FORMAT} ${path}: expected an image size, got none. Set it, e.g. train --image-size 64`);
  const { channels, height, width } = options.shape;
  const shape = { channels, height, width };
  checkScales(options, shape);
  const { root, classLabels } = await findClasses(path, options.split);
  const classes = classLabels.length;
  checkFits(FORMAT, root, { ...shape, classes }, options);

  const left =
    options.skipBroken &&
    (await reportBroken(
      classLabels.map((label) => join(root, label)),
      shape,
      options.skipBroken,
    ));
  const folders: ClassFolder[] = [];
  let length = 0;
  for (const [label, name] of classLabels.entries()) {
    const folder = join(root, name);
    const { length: count } = await listImages(folder, left);
    folders.push({ path: folder, label, first: length, count });
    length += count;
  }
  const about = {
    ...shape,
    name: basename(resolve(path)),
    split: options.split,
    unsplit: root === path,
    classes,
    classLabels,
    classOrder: areNumbers(classLabels) ? 'number' : 'name',
    listFiles: () => listFiles(root, classLabels, left),
    async close() {},
  } as const;
  return encodedSet(about, { length, read: (from, to) => readFolders(folders, from, to, left) }, options);
}

/** Image files `from` to `to` of these folders. Lists a folder when it is reached. */
async function* readFolders(folders: readonly ClassFolder[], from: number, to: number, left?: ReadonlySet<string>) {
  for (const { path, label, first, count } of folders) {
    if (first + count <= from || first >= to) continue;
    const images = await listImages(path, left);
    if (images.length !== count) throw new InputError(FORMAT, path, `expected ${count} images as when it was opened, got ${images.length}`);
    for (const name of images.slice(Math.max(from - first, 0), to - first)) {
      const image = join(path, name);
      yield { image, name: image, label };
    }
  }
}

async function listFiles(folder: string, classLabels: readonly string[], left?: ReadonlySet<string>): Promise<ImageFiles> {
  const entries: [path: string, label: number][] = [];
  for (const [label, name] of classLabels.entries())
    for (const image of await listImages(join(folder, name), left)) entries.push([join(name, image), label]);
  return imageFiles(folder, entries);
}

/** The folder above the class folders of a split, and the class names. */
async function findClasses(path: string, split: Split): Promise<{ root: string; classLabels: string[] }> {
  const foldersOf = async (root: string) => inOrder((await listFolder(root)).folders.filter((name) => !CLUTTER.test(name)));
  const folders = await foldersOf(path);
  if (!folders.every((name) => splitOf(name) !== undefined)) return { root: path, classLabels: folders };
  const roots = namesOfSplit(split, folders).map((name) => join(path, name));
  if (roots[0] === undefined)
    throw new InputError(FORMAT, path, `expected a folder named ${splitNames[split].join(' or ')}, got ${folders.join(', ')}`);
  for (const root of roots) {
    const classLabels = await foldersOf(root); // the test images of some sets are not sorted into classes
    if (classLabels.length > 0) return { root, classLabels };
  }
  throw new InputError(FORMAT, roots[0], 'expected a folder of images for each class, got none');
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
  if (stranger !== undefined)
    throw new InputError(FORMAT, folder, `expected only images (${IMAGE_FORMATS}), got ${stranger}${inOtherFormat(stranger)}`);
  if (images.length === 0) throw new InputError(FORMAT, folder, 'expected images, got none');
  return images;
}

/** Names the files that are not images or cannot be decoded. @returns the paths of the latter */
async function reportBroken(
  folders: readonly string[],
  shape: ImageShape,
  say: NonNullable<OpenOptions['skipBroken']>,
): Promise<Set<string>> {
  async function* images(): AsyncGenerator<EncodedImage> {
    for (const folder of folders) {
      const { files, folders: inner } = await listFolder(folder);
      for (const name of [...inner, ...files].filter((name) => !CLUTTER.test(name) && !IMAGE_FILE.test(name)))
        say(join(folder, name), `not an image file${inOtherFormat(name)}`);
      for (const name of files.filter((name) => !CLUTTER.test(name) && IMAGE_FILE.test(name))) {
        const path = join(folder, name);
        yield { image: path, name: path, label: 0 };
      }
    }
  }
  const broken = new Set<string>();
  await findBroken(images(), shape, (path, reason) => {
    broken.add(path);
    say(path, reason);
  });
  return broken;
}
