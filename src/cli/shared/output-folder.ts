/** Writing a folder so that it is there in full or not at all. */
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { mkdir, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { makeScratch } from '../../data/files/leftovers.ts';
import { UsageError } from '../../errors.ts';
import { exitOnInterrupt } from './interrupt.ts';

export interface FolderRules {
  /** Replace a folder that was written before. */
  readonly force: boolean;
  /** A file by which a folder of this kind is known: no other folder is replaced. */
  readonly mark: string;
}

/**
 * Refuses what must not be written, before any work is done.
 * @throws UsageError when there is something that is neither an empty folder nor, with `force`, one that was written before
 */
export function requireFolder(path: string, { force, mark }: FolderRules): void {
  const parent = dirname(resolve(path));
  if (!statSync(parent, { throwIfNoEntry: false })?.isDirectory())
    throw new UsageError(`${path}: cannot be written, ${parent} is no folder`);
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) return;
  if (!found.isDirectory()) throw new UsageError(`${path}: expected the name of a folder, got a file`);
  if (readdirSync(path).length === 0) return;
  if (!existsSync(join(path, mark))) throw new UsageError(`${path} exists and holds other files. Choose another name`);
  if (!force) throw new UsageError(`${path} exists. Use --force to replace it`);
}

/**
 * Writes files to a folder beside `path`, then renames it.
 * @param files by their path in the folder
 * @throws UsageError as `requireFolder`, and for errors of the file system
 */
export async function writeFolder(path: string, files: ReadonlyMap<string, Uint8Array>, rules: FolderRules): Promise<void> {
  requireFolder(path, rules);
  const scratch = makeScratch(dirname(resolve(path)));
  const interrupt = exitOnInterrupt(`${path} not written`, () => rmSync(scratch, { recursive: true, force: true }));
  try {
    const made = join(scratch, 'new');
    for (const folder of new Set([...files.keys()].map((name) => dirname(join(made, name))))) await mkdir(folder, { recursive: true });
    for (const [name, bytes] of files) await writeFile(join(made, name), bytes, { flag: 'wx' });
    requireFolder(path, rules); // again: writing takes a while
    if (existsSync(path)) await (readdirSync(path).length === 0 ? rmdir(path) : rename(path, join(scratch, 'old')));
    await rename(made, path);
  } finally {
    await rm(scratch, { recursive: true, force: true });
    interrupt.release();
  }
}
