import { readFile } from 'node:fs/promises';
import { fileError, inFile } from '../../data/files/file-error.ts';
import { InputError } from '../../errors.ts';

/**
 * Bytes of a file that the user named.
 * @throws InputError when it cannot be read.
 */
export async function readInput(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      throw new InputError('file', path, 'expected a file, got no such file', { cause: error }); // the general message would also suggest a folder
    throw fileError(path, error);
  }
}

/**
 * What a file holds.
 * @param read decodes its bytes
 * @throws InputError that names the file, when it cannot be read or decoded.
 */
export async function readInputAs<T>(path: string, read: (bytes: Uint8Array) => T | Promise<T>): Promise<T> {
  const bytes = await readInput(path);
  try {
    return await read(bytes);
  } catch (error) {
    throw inFile(path, error);
  }
}
