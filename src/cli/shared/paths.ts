/** Files that the user names: paths, folders and patterns, expanded here because not every shell does. */
import { stat } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { glob, isDynamicPattern } from 'tinyglobby';
import { UsageError } from '../../errors.ts';

/**
 * The files that arguments stand for, in their order; those of a folder or pattern sorted by name. A path that exists
 * stands for itself, even if it looks like a pattern.
 * @param inFolder names of files to take from a folder; all by default
 * @throws UsageError when a folder holds none, or a pattern matches none
 */
export async function expandPaths(paths: readonly string[], inFolder: RegExp = /./): Promise<string[]> {
  const files: string[] = [];
  for (const path of paths) files.push(...(await expand(path, inFolder)));
  return files;
}

async function expand(path: string, inFolder: RegExp): Promise<string[]> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) {
    const files = (await glob('*', { cwd: path })).filter((name) => inFolder.test(name)).sort();
    if (files.length === 0) throw new UsageError(`${path}: expected a folder with files of this kind, got none`);
    return files.map((name) => `${path.replace(/[\\/]+$/, '')}/${name}`);
  }
  const pattern = process.platform === 'win32' ? path.replaceAll('\\', '/') : path;
  if (found || !isDynamicPattern(pattern)) return [path]; // reading it says what is wrong with it
  const files = (await glob(pattern, { absolute: isAbsolute(path) })).sort();
  if (files.length === 0) throw new UsageError(`${path}: expected a pattern that matches files, got no match`);
  return files;
}
