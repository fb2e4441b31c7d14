/** File system errors as one line for the user. */
import { InputError, UsageError } from '../../errors.ts';

const reading: Readonly<Record<string, string>> = {
  ENOENT: 'expected a file or folder, got nothing at this path',
  EISDIR: 'expected a file, got a folder',
  ENOTDIR: 'expected a folder, got a file',
  EACCES: 'expected a readable file, got permission denied',
  ELOOP: 'expected a file or folder, got cyclic links',
  ERR_FS_FILE_TOO_LARGE: 'expected a file of at most 2 GiB, got a larger one',
};

const writing: Readonly<Record<string, string>> = {
  ENOENT: 'the folder does not exist',
  ENOTDIR: 'part of its path is a file, not a folder',
  EEXIST: 'a file of this name exists',
  EISDIR: 'a folder of this name exists',
  ERR_FS_EISDIR: 'a folder of this name exists',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EBUSY: 'another program has it open',
  EROFS: 'its file system is read-only',
  ENOSPC: 'the disk is full',
  ENAMETOOLONG: 'its name is too long for the file system',
  EILSEQ: 'the file system does not allow its name',
  EINVAL: 'the file system does not allow its name',
  ELOOP: 'its path has cyclic links',
  EPIPE: 'the reader of the pipe is gone',
  ENXIO: 'no device or reader is connected',
  EDQUOT: 'the disk quota is used up',
};

/** Error codes for a name that no file can have. */
const noName = new Set(['ENAMETOOLONG', 'EILSEQ', 'EINVAL']);

/** Turns a read failure into an InputError, or into a UsageError for a name that no file can have. Returns other errors unchanged. */
export function fileError(path: string, error: unknown): unknown {
  const code = codeOf(error);
  if (code !== undefined && noName.has(code)) return new UsageError(`${path}: ${writing[code]}`, { cause: error });
  return code === undefined
    ? error
    : new InputError('file', path, reading[code] ?? `expected a readable file, got ${code}`, { cause: error });
}

/** Why a write failed, as text; undefined if the error is not from the file system. */
export function whyNotWritten(error: unknown): string | undefined {
  const code = codeOf(error);
  return code === undefined ? undefined : (writing[code] ?? code);
}

/** Adds the file name to an error about the file's content, unless it has it already. Returns other errors unchanged. */
export function inFile(path: string, error: unknown): unknown {
  if (!(error instanceof InputError) || error.where === path || [' ', ':', '/'].some((next) => error.where.startsWith(path + next)))
    return error;
  return new InputError(error.format, error.where === 'file' ? path : `${path} ${error.where}`, error.problem, { cause: error });
}

function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error && 'code' in error)) return undefined;
  return 'syscall' in error || error.code === 'ERR_FS_FILE_TOO_LARGE' ? String(error.code) : undefined;
}
