/**
 * Writes a result so that nothing is lost or half-written. A regular file is written under a temporary name beside it, then renamed.
 * Devices and pipes are written through. Everything else is refused. Symbolic links are followed.
 */
import { accessSync, type BigIntStats, constants, fstatSync, lstatSync, realpathSync, rmSync, statSync } from 'node:fs';
import { open, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { whyNotWritten } from '../../data/files/file-error.ts';
import { makeScratch, sweep, temporaryName } from '../../data/files/leftovers.ts';
import { UsageError } from '../../errors.ts';
import { exitOnInterrupt } from './interrupt.ts';
import { leaveStdout } from './results.ts';

export interface OutputRules {
  /** Replace an existing file. */
  readonly force: boolean;
  /** Input files, which the result must not replace. */
  readonly sources?: readonly string[] | undefined;
}

export interface OutputOptions extends OutputRules {
  /** Inspects the temporary file; when it throws, the target stays as it was and nothing is left behind. */
  readonly verify?: (temporary: string) => Promise<void>;
}

/** For the help of an option that names an output. */
export const OUTPUT_HELP = 'a link is followed, a device or pipe written through';

/**
 * Writes `bytes`, or pieces of them, to `path`.
 * @throws UsageError as `requireWritable`, and for errors of the file system.
 */
export async function writeOutput(path: string, bytes: Uint8Array | Iterable<Uint8Array>, options: OutputOptions): Promise<void> {
  const target = requireWritable(path, options);
  const { verify } = options;
  try {
    if (target.kind === 'stream') await writeThrough(target.path, bytes, verify);
    else
      await writeFileAt(target.path, bytes, async (temporary) => {
        await verify?.(temporary);
        requireWritable(path, options); // again: verification takes seconds
      });
  } catch (error) {
    throw writeError(path, error);
  }
}

async function writeFileAt(
  path: string,
  bytes: Uint8Array | Iterable<Uint8Array>,
  verify: (temporary: string) => Promise<void>,
): Promise<void> {
  sweep(dirname(path));
  const temporary = join(dirname(path), temporaryName());
  const interrupt = exitOnInterrupt(`${path} not written`, () => rmSync(temporary, { force: true }));
  try {
    await writeFile(temporary, bytes, { flag: 'wx' });
    await verify(temporary);
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
    interrupt.release();
  }
}

async function writeThrough(path: string, bytes: Uint8Array | Iterable<Uint8Array>, verify: OutputOptions['verify']): Promise<void> {
  if (verify && bytes instanceof Uint8Array) {
    const scratch = makeScratch();
    const interrupt = exitOnInterrupt(`${path} not written`, () => rmSync(scratch, { recursive: true, force: true }));
    try {
      await writeFileAt(join(scratch, 'file'), bytes, verify);
    } finally {
      await rm(scratch, { recursive: true, force: true });
      interrupt.release();
    }
  }
  const stream = await open(path, constants.O_WRONLY);
  try {
    for (const piece of bytes instanceof Uint8Array ? [bytes] : bytes) await stream.writeFile(piece);
  } finally {
    await stream.close();
  }
}

export interface Target {
  readonly kind: 'file' | 'stream';
  /** For a file: its real path. */
  readonly path: string;
}

/**
 * Refuses what must not be written, before any work is done.
 * @throws UsageError when the file exists and `force` is off, is a source, or no regular file, device or pipe; or its folder is
 *   not there or not writable.
 */
export function requireWritable(path: string, { force, sources = [] }: OutputRules): Target {
  const found = statOf(path);
  if (found === undefined) {
    if (isThere(path)) throw new UsageError(`${path}: expected a link to a file, got a broken link. Remove it`);
    return inFolder(path, path);
  }
  if (found.isDirectory()) throw new UsageError(`${path}: expected the name of a file, got a folder`);
  if (isStdout(found) && !found.isCharacterDevice()) {
    leaveStdout(); // stdout carries only the bytes of the result
    return { kind: 'stream', path };
  }
  if (found.isCharacterDevice() || found.isFIFO()) return { kind: 'stream', path };
  if (!found.isFile()) throw new UsageError(`${path}: expected a regular file, a character device or a pipe, got something else`);
  if (sources.some((source) => isSame(found, statSync(source, { bigint: true, throwIfNoEntry: false }))))
    throw new UsageError(`${path}: is also an input. Choose another name`);
  if (!force) throw new UsageError(`${path} exists. Use --force to replace it`);
  return inFolder(path, realpathSync(path));
}

function inFolder(path: string, real: string): Target {
  try {
    accessSync(`${dirname(real)}/.`, constants.W_OK); // with the dot a file is no folder
  } catch (error) {
    throw writeError(path, error);
  }
  return { kind: 'file', path: real };
}

/** Follows links; undefined when nothing is there. */
function statOf(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw writeError(path, error);
  }
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** Whether both are the same file, also through links, hard links and other spellings. */
function isSame(a: BigIntStats, b: BigIntStats | undefined): boolean {
  return b !== undefined && a.ino === b.ino && a.dev === b.dev;
}

function isStdout(found: BigIntStats): boolean {
  try {
    return isSame(found, fstatSync(1, { bigint: true }));
  } catch {
    return false; // closed
  }
}

/** Turns a file system error into a line for the user. Returns other errors unchanged. */
export function writeError(path: string, error: unknown): unknown {
  const reason = whyNotWritten(error);
  return reason === undefined ? error : new UsageError(`${path}: cannot be written, ${reason}`, { cause: error });
}
