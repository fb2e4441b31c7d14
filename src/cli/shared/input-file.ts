/** Reads files that the user named. */
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

/**
 * JSON in a file, not checked further.
 * @param format of the file, for errors
 * @throws InputError that names the file, when it cannot be read or is not JSON.
 */
export async function readJsonFile(path: string, format: string): Promise<unknown> {
  const bytes = await readInput(path);
  try {
    return JSON.parse(Buffer.from(bytes).toString());
  } catch (error) {
    throw new InputError(format, path, 'expected JSON, got something else or a truncated file', { cause: error });
  }
}
