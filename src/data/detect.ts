/** Finds out which format a source of images has, and opens it. */
import { stat } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { InputError } from '../errors.ts';
import { catalog, catalogEntry } from './catalog.ts';
import type { ImageSet, Split } from './dataset.ts';
import { decompressed } from './files/decompress.ts';
import { fileError } from './files/file-error.ts';
import { firstBytes } from './files/forward-access.ts';
import { archiveSource, type DataSource, folderSource } from './files/source.ts';
import type { OpenOptions } from './kinds/dataset-format.ts';
import { formats, isNamed } from './kinds/formats.ts';
import { IMAGES_MAGIC, labelsFileOf, openIdxPair } from './kinds/idx.ts';
import { CLUTTER, imageFolder } from './kinds/image-folder.ts';
import { kerasNpz } from './kinds/keras-npz.ts';
import { parquet } from './kinds/parquet.ts';
import { nearest } from './nearest-name.ts';
import { namesOfSplit } from './split-names.ts';
import { defaultDataFolder } from './store/data-folder.ts';
import { expectedFormats, folderBelow, unknownFolder } from './unknown-folder.ts';

type OpenAnywhere = OpenOptions & { readonly dataFolder?: string };

/** @throws InputError as `openImageSet` */
export async function detect(source: string, options: OpenAnywhere): Promise<ImageSet> {
  if (catalogEntry(source)) return openByName(source, options);
  const about = await stat(source).catch((error: unknown) => {
    const names = catalog.map(({ name }) => name);
    const advice = nearest(source, names);
    if (advice)
      throw new InputError('data', source, `expected a data set, folder or file, got none of this name${advice}`, { cause: error });
    throw fileError(source, error);
  });
  if (about.isDirectory()) return openSource(await enclosing(await folderSource(source), options.split), options);

  const start = await firstBytes(decompressed(source), 512);
  // POSIX.1-2017, pax, ustar interchange format: the magic field
  if (start.subarray(257, 262).toString('latin1') === 'ustar') {
    return openSource(await archiveSource(source, new Set(formats.flatMap((format) => format.files(options.split)))), options);
  }
  const labels = labelsFileOf(basename(source));
  if (start.length >= 4 && start.readUInt32BE(0) === IMAGES_MAGIC && labels)
    return openIdxPair(source, join(dirname(source), labels), options);
  const name = basename(source);
  const folder = await folderSource(dirname(source));
  const file: DataSource = { ...folder, path: source, files: new Set([name]) };
  const alone = [kerasNpz, parquet].find((format) => format.recognises(file));
  if (alone) return { ...(await alone.open(file, options)), ...(alone === parquet ? { unsplit: true } : {}) };
  throw new InputError(
    'data',
    source,
    'expected a folder, a tar archive, a parquet file, mnist.npz, or an idx file with "images" in its name, got another file',
  );
}

async function openByName(name: string, options: OpenAnywhere): Promise<ImageSet> {
  const { dataFolder = defaultDataFolder() } = options;
  const path = join(dataFolder, name);
  const found = await stat(path).catch(() => undefined);
  if (!found) throw new InputError('data set', name, `expected it in ${dataFolder}, got nothing. Get it with: wrn-onnx data get ${name}`);
  return openSource(await enclosing(await folderSource(path), options.split), options);
}

/** Subfolders that torchvision, Hugging Face, Kaggle and the official archives create in a data folder. */
const KNOWN_FOLDERS =
  /^((cifar-10-batches-(py|bin)|cifar-100-(python|binary))(-target)?|raw|(fashion-?|[kq])?mnist|data|plain_text|default|cifar100?|ILSVRC|CLS-LOC|ILSVRC2012_img_val)$/i;
/** Kaggle's archive of ImageNet: ILSVRC/Data/CLS-LOC. */
const DEPTH = 3;

/** The folder itself, or a known subfolder that holds a data set: some tools take the folder above it. */
async function enclosing(source: DataSource, split: Split, depth = DEPTH): Promise<DataSource> {
  const found = isNamed(source) ? [source] : await inside(source, split, depth);
  if (found.length > 1)
    throw new InputError(
      'data',
      source.path,
      `expected one data set, got ${found.map(({ path }) => relative(source.path, path)).join(', ')}. Name one of these folders`,
    );
  return found[0] ?? source;
}

/** Data sets in the folder of the split, else in known folders. */
async function inside(source: DataSource, split: Split, depth: number): Promise<DataSource[]> {
  const { path, folders } = source;
  for (const name of namesOfSplit(split, folders)) {
    const child = await folderSource(join(path, name));
    if (isNamed(child)) return [child];
    if (child.folders.some((inner) => !CLUTTER.test(inner))) return [source]; // with class folders inside
  }
  if (depth === 0) return [];
  const children = await Promise.all(folders.filter((name) => KNOWN_FOLDERS.test(name)).map((name) => folderSource(join(path, name))));
  const found = await Promise.all(children.map(async (child) => (isNamed(child) ? [child] : inside(child, split, depth - 1))));
  return found.flat();
}

async function openSource(source: DataSource, options: OpenOptions): Promise<ImageSet> {
  try {
    const [format, another] = formats.filter((candidate) => candidate.recognises(source));
    if (!format) throw await unknownFolder(source);
    if (another && another !== imageFolder)
      throw new InputError('data', source.path, `expected one data set, got ${format.name} and ${another.name}`);
    try {
      return await format.open(source, options);
    } catch (error) {
      const inner = format === imageFolder && error instanceof InputError ? await folderBelow(source) : undefined;
      if (!inner) throw error;
      throw new InputError('data', source.path, `${expectedFormats()}, got none of these here. Look in ${basename(inner.path)}/`);
    }
  } finally {
    await source.close();
  }
}
