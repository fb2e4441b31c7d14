/** Advice for a folder that is not a data set. */
import { basename, dirname, join, resolve } from 'node:path';
import { InputError } from '../errors.ts';
import { IMAGE_FILE, inOtherFormat } from './files/decode-image.ts';
import { type DataSource, folderSource } from './files/source.ts';
import { formats, isNamed } from './kinds/formats.ts';
import { CLUTTER } from './kinds/image-folder.ts';
import { imagenet } from './kinds/imagenet.ts';

/** Limit of folders to search. */
const MAX_LOOKED_INTO = 20;
const sourceOf = (folder: string) => folderSource(folder).catch(() => undefined);
const imagesIn = ({ files }: DataSource) => [...files].filter((name) => IMAGE_FILE.test(name) && !CLUTTER.test(name)).length;

/** A folder inside that holds a data set; class folders of images do not count. */
export async function folderBelow({ path, folders }: DataSource): Promise<DataSource | undefined> {
  const inner = await Promise.all(folders.slice(0, MAX_LOOKED_INTO).map((name) => sourceOf(join(path, name))));
  return inner.find((child) => child && isNamed(child) && !imagenet.recognises(child));
}

/** Whether a folder of images is one class folder of several. */
async function isClassFolder(path: string, above: DataSource): Promise<boolean> {
  const others = above.folders.filter((name) => !CLUTTER.test(name) && name !== basename(resolve(path))).slice(0, MAX_LOOKED_INTO);
  const found = await Promise.all(others.map((name) => sourceOf(join(above.path, name))));
  return found.some((other) => other && imagesIn(other) > 0);
}

/** `expected` and the names of all formats. */
export const expectedFormats = () => `expected ${formats.map(({ name }) => name).join(', ')}`;

/** The error for a folder that is not a data set. It says what the folder looks like, and where a data set is. */
export async function unknownFolder(source: DataSource): Promise<InputError> {
  const { path, files, folders } = source;
  const above = await sourceOf(dirname(resolve(path)));
  const images = imagesIn(source);
  const inner = await folderBelow(source);
  const isOneClass = images > 0 && above !== undefined && (await isClassFolder(path, above));
  const otherwise = [...files].map(inOtherFormat).find((advice) => advice !== '');
  const looks = [
    isOneClass && `${images} images of one class. Use the folder above, ${above.path}`,
    images > 0 && `${images} images without class folders. Put the images of each class into a folder with its name`,
    inner && `none of these here. Look in ${basename(inner.path)}/`,
    above && isNamed(above) && `none of these here. Use the folder above, ${above.path}`,
    [...files].some((name) => name.endsWith('.arrow')) &&
      'Arrow files of the library datasets. Save them as parquet: dataset.to_parquet("test-00000-of-00001.parquet")',
    files.size === 0 && folders.every((name) => CLUTTER.test(name)) && 'an empty folder',
    `none of these, but ${[...files, ...folders].slice(0, 3).join(', ')}${otherwise ?? ''}`,
  ].find((line) => typeof line === 'string');
  return new InputError('data', path, `${expectedFormats()}, got ${looks}`);
}
