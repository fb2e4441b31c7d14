/** The files of a data set, from a folder or a tar archive. Both appear as files with base names. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../../errors.ts';
import { fileError } from './file-error.ts';
import { MAX_UNPACKED_BYTES, openFile, type RandomAccess, spool } from './random-access.ts';
import { readTar } from './tar.ts';

export interface DataSource {
  readonly path: string;
  /** Base names of the files, without `.gz`. */
  readonly files: ReadonlySet<string>;
  /** Names of the subfolders; empty for an archive. */
  readonly folders: readonly string[];
  readonly isArchive?: boolean;
  /**
   * Opens a file by its base name. The caller closes it.
   * @throws InputError when it is missing or cannot be read
   */
  open(name: string): Promise<RandomAccess>;
  /** Releases files that were unpacked but not opened. */
  close(): Promise<void>;
}

/** @throws InputError when the folder cannot be read */
export async function folderSource(path: string): Promise<DataSource> {
  const { files, folders } = await listFolder(path);
  const present = new Set(files);
  return {
    path,
    files: new Set(files.map((name) => name.replace(/\.gz$/, ''))),
    folders,
    async open(name) {
      const file = [name, `${name}.gz`].find((candidate) => present.has(candidate));
      if (file === undefined) throw missing(path, name);
      return openFile(join(path, file));
    },
    async close() {},
  };
}

/**
 * Names in a folder, sorted by code unit. Links count as their targets, broken links as files.
 * @throws InputError when the folder cannot be read
 */
export async function listFolder(path: string): Promise<{ files: string[]; folders: string[] }> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    const files: string[] = [];
    const folders: string[] = [];
    for (const entry of entries) {
      const target = entry.isSymbolicLink() ? await stat(join(path, entry.name)).catch(() => entry) : entry;
      (target.isDirectory() ? folders : files).push(entry.name);
    }
    return { files: files.sort(), folders: folders.sort() };
  } catch (error) {
    throw fileError(path, error);
  }
}

/**
 * Reads an archive once and unpacks the wanted files.
 * @param wanted base names
 * @throws InputError when the archive is damaged, holds a wanted file twice or unpacks to more than MAX_UNPACKED_BYTES
 */
export async function archiveSource(path: string, wanted: ReadonlySet<string>): Promise<DataSource> {
  const files = new Set<string>();
  const unpacked = new Map<string, RandomAccess>();
  const close = async () => {
    for (const file of unpacked.values()) await file.close();
    unpacked.clear();
  };
  let left = MAX_UNPACKED_BYTES;
  try {
    await readTar(path, async (name, content) => {
      files.add(name);
      if (!wanted.has(name)) return;
      if (unpacked.has(name)) throw new InputError('tar', path, `expected one ${name}, got two`);
      const file = await spool(`${path}:${name}`, content, left);
      unpacked.set(name, file);
      left -= file.size;
    });
  } catch (error) {
    await close();
    throw error;
  }
  return {
    path,
    files,
    folders: [],
    isArchive: true,
    async open(name) {
      const file = unpacked.get(name);
      if (!file) throw missing(path, name);
      unpacked.delete(name);
      return file;
    },
    close,
  };
}

function missing(path: string, name: string): InputError {
  return new InputError('file', join(path, name), 'expected a file, got no such file');
}
