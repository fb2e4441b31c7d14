/** Random access to files. Plain files are read in place, compressed ones are unpacked once. */
import { type FileHandle, open } from 'node:fs/promises';
import { InputError } from '../../errors.ts';
import { compressionOf, decompressed } from './decompress.ts';
import { fileError } from './file-error.ts';
import { openTemporary, temporaryFileError } from './temporary-file.ts';

export interface RandomAccess {
  /** For errors. */
  readonly path: string;
  /** In bytes. */
  readonly size: number;
  /**
   * Fills `into` with the bytes from `position` on.
   * @throws InputError when the file is too short
   */
  read(into: Uint8Array, position: number): Promise<void>;
  close(): Promise<void>;
}

/**
 * Limit on unpacked bytes per data set, against decompression bombs. It is several times the largest set that is
 * published as an archive, and fits into a usual temporary folder.
 */
export const MAX_UNPACKED_BYTES = 2 ** 31;

/**
 * Opens a file. A gzip or xz file is unpacked into a temporary file.
 * @throws InputError when it cannot be read or unpacks to more than MAX_UNPACKED_BYTES
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
 * @throws InputError when there are more than `limit` bytes; UsageError when the temporary folder is not writable
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
