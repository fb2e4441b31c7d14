/** Temporary files for data that does not fit into memory. */
import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UsageError } from '../../errors.ts';
import { whyNotWritten } from './file-error.ts';

/** Opens an empty file for writing and reading. It is already unlinked, so nothing is left behind however the process ends. */
export async function openTemporary(): Promise<FileHandle> {
  const temporary = join(tmpdir(), `wrn-onnx-${randomUUID()}`);
  const file = await open(temporary, 'wx+', 0o600);
  await rm(temporary);
  return file;
}

/**
 * Turns a failure of a temporary file into a line for the user. Returns other errors unchanged.
 * @param failed the failed action, e.g. `a.gz: cannot be unpacked`
 * @param advice what to do, besides using another temporary folder
 */
export function temporaryFileError(failed: string, advice: string, error: unknown): unknown {
  const reason = whyNotWritten(error);
  return reason === undefined
    ? error
    : new UsageError(`${failed} into ${tmpdir()}, ${reason}. ${advice}, or set TMPDIR to another temporary folder`, { cause: error });
}
