/** Writing a result so that nothing is lost or half-written: a temporary name beside the target, then a rename. */
import { accessSync, constants, existsSync, rmSync, statSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { whyNotWritten } from '../../data/files/file-error.ts';
import { UsageError } from '../../errors.ts';
import { exitOnInterrupt } from './interrupt.ts';

export interface OutputOptions {
  /** Replace an existing file. */
  readonly force: boolean;
  /** Inspects the temporary file; when it throws, the target stays as it was and nothing is left behind. */
  readonly verify?: (temporary: string) => Promise<void>;
}

/**
 * Writes `bytes`, or pieces of them, to `path`.
 * @throws UsageError when the file exists and `force` is off, or the folder cannot be written.
 */
export async function writeOutput(path: string, bytes: Uint8Array | Iterable<Uint8Array>, { force, verify }: OutputOptions): Promise<void> {
  requireWritable(path, force);
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  const interrupt = exitOnInterrupt(`${path} not written`, () => rmSync(temporary, { force: true }));
  try {
    await writeFile(temporary, bytes, { flag: 'wx' });
    await verify?.(temporary);
    requireWritable(path, force); // again: verification takes seconds
    await rename(temporary, path);
  } catch (error) {
    throw writeError(path, error);
  } finally {
    await rm(temporary, { force: true });
    interrupt.release();
  }
}

/**
 * Refuses to overwrite, and a folder that cannot be written, before any work is done.
 * @throws UsageError when the file exists and `force` is off, or is a folder, or its folder is not there or not to be written.
 */
export function requireWritable(path: string, force: boolean): void {
  if (existsSync(path)) {
    if (statSync(path).isDirectory()) throw new UsageError(`${path}: expected the name of a file, got a folder`);
    if (!force) throw new UsageError(`${path} exists. Use --force to replace it`);
  }
  try {
    accessSync(`${dirname(path)}/.`, constants.W_OK); // with the dot a file is no folder
  } catch (error) {
    throw writeError(path, error);
  }
}

/** A failure of the file system as a line for the user; other errors pass. */
function writeError(path: string, error: unknown): unknown {
  const reason = whyNotWritten(error);
  return reason === undefined ? error : new UsageError(`${path}: cannot be written, ${reason}`, { cause: error });
}
