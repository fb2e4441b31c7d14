import { InputError } from '../errors.ts';

const reasons: Record<string, string> = {
  ENOENT: 'expected a file or folder, got no such thing',
  EISDIR: 'expected a file, got a folder',
  ENOTDIR: 'expected a folder, got a file',
  EACCES: 'expected a readable file, got permission denied',
};

/** A failure of the file system while reading as one line for the user; other errors pass. */
export function fileError(path: string, error: unknown): unknown {
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) return error;
  return new InputError('file', path, reasons[String(error.code)] ?? `expected a readable file, got ${String(error.code)}`);
}
