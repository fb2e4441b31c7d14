/** Files read at any position: plain ones as they lie, compressed ones unpacked once. */
import { type FileHandle, open } from 'node:fs/promises';
import { InputError } from '../../errors.ts';
import { compressionOf, decompressed } from './decompress.ts';
import { fileError } from './file-error.ts';
import { openTemporary, temporaryFileError } from './temporary-file.ts';

export interface RandomAccess {
  /** For messages. */
  readonly path: string;
  /** In bytes. */
  readonly size: number;
  /**
   * Fills `into` with the bytes from `position` on.
   * @throws InputError when the file ends before.
   */
  read(into: Uint8Array, position: number): Promise<void>;
  close(): Promise<void>;
}

/**
 * Most that is unpacked for one data set, in bytes: several times the largest set that is published as an archive,
 * and less than what a temporary folder has to spare. Stops decompression bombs.
 */
export const MAX_UNPACKED_BYTES = 2 ** 31;

/**
 * Opens a file; gzip and xz are unpacked into a temporary file.
 * @throws InputError when it cannot be read or unpacks to more than MAX_UNPACKED_BYTES.
 */
export async function openFile(path: string): Promise<RandomAccess> {
  if (await compressionOf(path)) return spool(path, decompressed(path), MAX_UNPACKED_BYTES);
  try {
    const file = await open(path);
    return await overHandle(path, file);
  } catch (error) {
    throw fileError(path, error);
  }
}

/**
 * Writes a stream to a temporary file.
 * @throws InputError when there are more than `limit` bytes; UsageError when the temporary folder cannot be written.
 */
export async function spool(path: string, content: AsyncIterable<Uint8Array>, limit: number): Promise<RandomAccess> {
  let file: FileHandle | undefined;
  try {
    file = await openTemporary();
    let size = 0;
    for await (const chunk of content) {
      size += chunk.length;
      if (size > limit) throw new InputError('file', path, `expected at most ${limit} bytes when unpacked, got more. Unpack it yourself`);
      await file.writeFile(chunk);
    }
    return await overHandle(path, file);
  } catch (error) {
    await file?.close();
    throw temporaryFileError(`${path}: cannot be unpacked`, 'Unpack it yourself', error);
  }
}

async function overHandle(path: string, file: FileHandle): Promise<RandomAccess> {
  const { size } = await file.stat();
  return {
    path,
    size,
    async read(into, position) {
      for (let done = 0; done < into.length; ) {
        const { bytesRead } = await file.read(into, done, into.length - done, position + done);
        if (bytesRead === 0) throw new InputError('file', path, `expected ${position + into.length} bytes, got ${position + done}`);
        done += bytesRead;
      }
    },
    close: () => file.close(),
  };
}
