/** Writes a folder of results as a whole: into a temporary folder beside it, which is then renamed. */
import { accessSync, constants, lstatSync, mkdirSync, readdirSync, realpathSync, rmSync, statSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { whyNotWritten } from '../../data/files/file-error.ts';
import { sweep, temporaryName } from '../../data/files/leftovers.ts';
import { UsageError } from '../../errors.ts';
import { exitOnInterrupt } from './interrupt.ts';
import { writeError } from './output-file.ts';

export interface FolderRules {
  /** Replace an existing folder. */
  readonly force: boolean;
  /** Whether the command writes this file, given as a relative path with `/`. */
  readonly owns: (path: string) => boolean;
}

/** Help of `--force`. */
export const FOLDER_FORCE_HELP = 'replace an existing folder, unless it holds files that this command does not write';

/**
 * Writes `files`, by relative path with `/`, as the folder `path`. An existing folder is replaced as a whole: it never holds
 * files of two runs.
 * @throws UsageError as `requireWritableFolder`, and for errors of the file system
 */
export async function writeFolder(path: string, files: ReadonlyMap<string, Uint8Array>, rules: FolderRules): Promise<void> {
  const target = requireWritableFolder(path, rules);
  const parent = dirname(target);
  sweep(parent);
  const [fresh, old] = [temporaryName(), temporaryName()].map((name) => join(parent, name)) as [string, string];
  const interrupt = exitOnInterrupt(`${path} not written`, () => rmSync(fresh, { recursive: true, force: true }));
  try {
    for (const [name, bytes] of files) {
      const file = join(fresh, name);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, bytes, { flag: 'wx' });
    }
    requireWritableFolder(path, rules); // again: the work took seconds
    if (!isThere(target)) return await rename(fresh, target);
    await rename(target, old);
    await rename(fresh, target).catch(async (error: unknown) => {
      await rename(old, target);
      throw error;
    });
    await rm(old, { recursive: true, force: true });
  } catch (error) {
    throw writeError(path, error);
  } finally {
    await rm(fresh, { recursive: true, force: true });
    interrupt.release();
  }
}

/**
 * Refuses what must not be written, before any work is done.
 * @returns the folder's real path
 * @throws UsageError when it exists and `force` is off, holds files of others, or is no folder; or its parent is not there or
 *   not writable
 */
export function requireWritableFolder(path: string, { force, owns }: FolderRules): string {
  const absolute = resolve(path);
  if (!isThere(absolute)) return writable(path, absolute);
  const found = statSync(absolute, { throwIfNoEntry: false });
  if (!found?.isDirectory()) throw new UsageError(`${path}: expected the name of a folder, got ${found ? 'a file' : 'a broken link'}`);
  if (!force) throw new UsageError(`${path} exists. Use --force to replace it`);
  const real = realpathSync(absolute);
  const foreign = filesIn(real).find((name) => !owns(name));
  if (foreign !== undefined)
    throw new UsageError(`${path}: holds ${foreign}, which this command does not write. Choose another folder, and copy the files`);
  return writable(path, real);
}

function writable(path: string, real: string): string {
  if (basename(real) === '') throw new UsageError(`${path}: expected the name of a folder, got the root`);
  try {
    accessSync(`${dirname(real)}/.`, constants.W_OK); // with the dot a file is no folder
  } catch (error) {
    throw writeError(path, error);
  }
  return real;
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** Relative paths with `/` of all that lies in a folder; links and empty folders count as files. */
function filesIn(folder: string, root = folder): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    const inside = entry.isDirectory() ? filesIn(path, root) : [];
    return inside.length > 0 ? inside : [relative(root, path).replaceAll(sep, '/')];
  });
}

/**
 * Creates folders inside a folder that several processes fill. Existing ones stay.
 * @throws UsageError when that fails
 */
export function makeFolders(path: string, names: readonly string[]): void {
  try {
    for (const name of names) mkdirSync(join(path, name), { recursive: true });
  } catch (error) {
    throw new UsageError(`${path}: cannot be used, ${whyNotWritten(error) ?? String(error)}`, { cause: error });
  }
}
