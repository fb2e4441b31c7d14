import { readFile } from 'node:fs/promises';
import { inFile } from '../data/file-error.ts';
import { InputError } from '../errors.ts';

const reasons: Record<string, string> = {
  ENOENT: 'expected a file, got no such file',
  EISDIR: 'expected a file, got a folder',
  EACCES: 'expected a readable file, got permission denied',
  ERR_FS_FILE_TOO_LARGE: 'expected a file of at most 2 GiB, got a larger one',
};

/**
 * Bytes of a file that the user named.
 * @throws InputError when it cannot be read.
 */
export async function readInput(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new InputError('file', path, reasons[code] ?? `expected a readable file, got ${code}`);
  }
}

/**
 * What a file holds.
 * @param read decodes its bytes
 * @throws InputError that names the file, when it cannot be read or decoded.
 */
export async function readInputAs<T>(path: string, read: (bytes: Uint8Array) => T): Promise<T> {
  const bytes = await readInput(path);
  try {
    return read(bytes);
  } catch (error) {
    throw inFile(path, error);
  }
}
