/** Puts data sets of the catalog into the data folder, from the network or from local files. */
import { createHash } from 'node:crypto';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { DownloadError, InputError, UsageError } from '../../errors.ts';
import type { CatalogEntry } from '../catalog.ts';
import { decompressed } from '../files/decompress.ts';
import { fileError, whyNotWritten } from '../files/file-error.ts';
import { makeScratch, temporaryName } from '../files/leftovers.ts';
import { listFolder } from '../files/source.ts';
import { readTar } from '../files/tar.ts';
import { difference } from './checksum.ts';
import { checkDataSet, dataSetPath } from './data-folder.ts';
import { download } from './download.ts';

export interface GetOptions {
  /** The folder of all data sets. It is created if necessary. */
  readonly dataFolder: string;
  /** A local folder or file to use instead of the network. */
  readonly from?: string | undefined;
  /** A mirror with the archives instead of the official address, with a trailing slash. */
  readonly address?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((doing: 'downloading' | 'unpacking', bytes: number, of: number) => void) | undefined;
}

/**
 * Puts one data set into the data folder. Its folder appears only once every file is complete and verified.
 * @returns false if it was there already, or another process put it there meanwhile
 * @throws DownloadError when a file is not available or differs from its pinned checksum, or the set needs a download by hand;
 *   `signal.reason` when it is aborted; UsageError when the data folder is not writable
 */
export async function getDataSet(entry: CatalogEntry, options: GetOptions): Promise<boolean> {
  const { dataFolder } = options;
  if (entry.byHand !== undefined)
    throw new DownloadError(
      `${entry.name}: cannot be downloaded automatically. ${entry.byHand.replaceAll('FOLDER', dataSetPath(entry, dataFolder))}`,
    );
  if ((await checkDataSet(entry, dataFolder)) === undefined) return false;
  try {
    await bring(entry, options);
    return true;
  } catch (error) {
    if (!options.signal?.aborted && (await checkDataSet(entry, dataFolder)) === undefined) return false;
    const reason = whyNotWritten(error);
    if (reason === undefined) throw error;
    throw new UsageError(`${dataFolder}: cannot be written, ${reason}. Set WRN_ONNX_DATA to another folder`, { cause: error });
  }
}

async function bring(entry: CatalogEntry, options: GetOptions): Promise<void> {
  const { dataFolder, from } = options;
  const parts = join(dataFolder, `.${entry.name}.download`);
  await mkdir(dataFolder, { recursive: true });
  const temporary = makeScratch(dataFolder);
  try {
    const staging = stage(entry, temporary, options);
    if (from === undefined) await fromNetwork(entry, staging, parts, options);
    else await fromMachine(entry, staging, from);
    staging.checkComplete();
    await replaceFolder(temporary, dataSetPath(entry, dataFolder));
    if (from === undefined) await rm(parts, { recursive: true, force: true }); // last, so that a process that shares the parts finds the set once they are gone
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Collects the files of a data set and verifies each while writing it. */
interface Staging {
  wants(name: string): boolean;
  /** Takes a wanted file if it matches its checksum, otherwise notes the problem. Reads `content` to its end or not at all. */
  offer(name: string, origin: string, content: AsyncIterable<Uint8Array>): Promise<void>;
  note(problem: string): void;
  /** @throws DownloadError when a file is missing, with the first noted problem if there is one */
  checkComplete(): void;
}

function stage(entry: CatalogEntry, folder: string, { from, signal, onProgress }: GetOptions): Staging {
  const missing = new Map(entry.files.map((file) => [file.name, file]));
  const total = entry.files.reduce((sum, file) => sum + file.bytes, 0);
  const problems: string[] = [];
  let staged = 0;
  return {
    wants: (name) => missing.has(name),
    async offer(name, origin, content) {
      const file = missing.get(name);
      if (!file) return;
      const found = await writeHashed(join(folder, name), file.bytes, content, (bytes) => {
        signal?.throwIfAborted();
        onProgress?.('unpacking', staged + bytes, total);
      });
      const problem = difference(file, found);
      if (problem) {
        problems.push(`${origin}: ${problem}`);
      } else {
        missing.delete(name);
        staged += file.bytes;
      }
    },
    note: (problem) => problems.push(problem),
    checkComplete() {
      const [file] = missing.values();
      if (!file) return;
      const place = from ?? entry.address;
      throw new DownloadError(problems[0] ?? `${entry.name}: expected ${file.name} in ${place}, plain or packed, got no such file`);
    },
  };
}

/** Writes at most `limit` bytes, but counts all bytes. */
async function writeHashed(
  path: string,
  limit: number,
  content: AsyncIterable<Uint8Array>,
  onBytes: (bytes: number) => void,
): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  const file = await open(path, 'w');
  let bytes = 0;
  try {
    for await (const chunk of content) {
      bytes += chunk.length;
      if (bytes > limit) continue;
      hash.update(chunk);
      await file.writeFile(chunk);
      onBytes(bytes);
    }
  } finally {
    await file.close();
  }
  return { bytes, sha256: hash.digest('hex') };
}

/** @param parts folder of the downloads, with a fixed name so that the next attempt can resume */
async function fromNetwork(
  entry: CatalogEntry,
  staging: Staging,
  parts: string,
  { address, signal, onProgress }: GetOptions,
): Promise<void> {
  await mkdir(parts, { recursive: true });
  const total = entry.archives.reduce((sum, archive) => sum + archive.bytes, 0);
  let done = 0;
  for (const archive of entry.archives) {
    const onBytes = (bytes: number) => onProgress?.('downloading', done + bytes, total);
    await download((address ?? entry.address) + archive.name, archive, join(parts, archive.name), { signal, onProgress: onBytes });
    done += archive.bytes;
  }
  for (const archive of entry.archives) await unpack(join(parts, archive.name), staging);
}

/** Deep enough for a folder of data sets that each have their own folder, as unpacked from their archives. */
const SEARCH_DEPTH = 3;

async function fromMachine(entry: CatalogEntry, staging: Staging, from: string): Promise<void> {
  const about = await stat(from).catch((error: unknown) => {
    throw fileError(from, error);
  });
  const files = about.isDirectory() ? await findFiles(from, SEARCH_DEPTH) : [from];
  const archives = new Set(entry.archives.map(({ name }) => unpackedName(name)));
  const plain = files.filter((path) => staging.wants(unpackedName(path)));
  const packed = files.filter((path) => !plain.includes(path) && (path === from || archives.has(unpackedName(path))));
  for (const path of [...plain, ...packed]) {
    if (entry.files.some(({ name }) => staging.wants(name))) await unpack(path, staging);
  }
}

/** Offers an unpacked file, or the members of a tar archive. */
async function unpack(path: string, staging: Staging): Promise<void> {
  const name = unpackedName(path);
  try {
    if (staging.wants(name)) await staging.offer(name, path, decompressed(path));
    else await readTar(path, (member, content) => staging.offer(member, `${path}:${member}`, content));
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    staging.note(error.message); // damaged, but another file may provide the same data
  }
}

function unpackedName(path: string): string {
  return basename(path).replace(/\.(gz|xz)$/, '');
}

async function findFiles(folder: string, depth: number): Promise<string[]> {
  const { files, folders } = await listFolder(folder).catch(() => ({ files: [], folders: [] })); // skip unreadable folders
  const found = files.map((name) => join(folder, name));
  if (depth > 0) for (const name of folders) found.push(...(await findFiles(join(folder, name), depth - 1)));
  return found;
}

/** Moves the new folder into place and removes an old, damaged one. */
async function replaceFolder(from: string, to: string): Promise<void> {
  const old = join(dirname(to), temporaryName());
  await rename(to, old).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  });
  await rename(from, to);
  await rm(old, { recursive: true, force: true });
}
