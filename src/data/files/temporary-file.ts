/** Files for what does not fit into memory. */
import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UsageError } from '../../errors.ts';
import { whyNotWritten } from './file-error.ts';

/** An empty file, to write and read, that has no name any more: nothing is left behind however the process ends. */
export async function openTemporary(): Promise<FileHandle> {
  const temporary = join(tmpdir(), `wrn-onnx-${randomUUID()}`);
  const file = await open(temporary, 'wx+', 0o600);
  await rm(temporary);
  return file;
}

/**
 * A failure of such a file as a line for the user; other errors pass.
 * @param failed what could not be done, such as `a.gz: cannot be unpacked`
 * @param advice besides another folder
 */
export function temporaryFileError(failed: string, advice: string, error: unknown): unknown {
  const reason = whyNotWritten(error);
  return reason === undefined
    ? error
    : new UsageError(`${failed} into ${tmpdir()}, ${reason}. ${advice}, or name another temporary folder`, { cause: error });
}
