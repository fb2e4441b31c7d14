/** What the file system refuses, as one line for the user. */
import { InputError, UsageError } from '../../errors.ts';

const reading: Readonly<Record<string, string>> = {
  ENOENT: 'expected a file or folder, got no such thing',
  EISDIR: 'expected a file, got a folder',
  ENOTDIR: 'expected a folder, got a file',
  EACCES: 'expected a readable file, got permission denied',
  ELOOP: 'expected a file or folder, got links that lead in a circle',
  ERR_FS_FILE_TOO_LARGE: 'expected a file of at most 2 GiB, got a larger one',
};

const writing: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such folder',
  ENOTDIR: 'a file is in the place of a folder',
  EEXIST: 'a file is in its place',
  EISDIR: 'a folder is in its place',
  ERR_FS_EISDIR: 'a folder is in its place',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EBUSY: 'another program has it open',
  EROFS: 'its file system is read-only',
  ENOSPC: 'no space is left on its disk',
  ENAMETOOLONG: 'its name is too long for the file system',
  EILSEQ: 'the file system does not take its name',
  EINVAL: 'the file system does not take its name',
  ELOOP: 'its links lead in a circle',
  EPIPE: 'nobody reads the pipe any more',
  ENXIO: 'there is nothing behind it',
  EDQUOT: 'the quota of its disk is used up',
};

/** What the file system says of a name that no file can have. */
const noName = new Set(['ENAMETOOLONG', 'EILSEQ', 'EINVAL']);

/** A failure while reading, as an InputError, or a UsageError for a name that no file can have; other errors pass. */
export function fileError(path: string, error: unknown): unknown {
  const code = codeOf(error);
  if (code !== undefined && noName.has(code)) return new UsageError(`${path}: ${writing[code]}`, { cause: error });
  return code === undefined
    ? error
    : new InputError('file', path, reading[code] ?? `expected a readable file, got ${code}`, { cause: error });
}

/** Why something could not be written, in words; undefined for errors that are not of the file system. */
export function whyNotWritten(error: unknown): string | undefined {
  const code = codeOf(error);
  return code === undefined ? undefined : (writing[code] ?? code);
}

/** What is wrong with the content of a file, with the name of the file unless it is said already; other errors pass. */
export function inFile(path: string, error: unknown): unknown {
  if (!(error instanceof InputError) || error.where === path || [' ', ':', '/'].some((next) => error.where.startsWith(path + next)))
    return error;
  return new InputError(error.format, error.where === 'file' ? path : `${path} ${error.where}`, error.problem, { cause: error });
}

function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error && 'code' in error)) return undefined;
  return 'syscall' in error || error.code === 'ERR_FS_FILE_TOO_LARGE' ? String(error.code) : undefined;
}
