/** Brings the data sets of the catalog into the data folder: downloaded, or taken from files that are already on this machine. */
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
import { download } from './download.ts';
import { checkDataSet, dataSetPath, difference } from './stored.ts';

export interface GetOptions {
  /** The folder of all data sets; made when it is not there. */
  readonly dataFolder: string;
  /** A folder or file on this machine to take the data from, in place of the network. */
  readonly from?: string | undefined;
  /** Where the archives are on the network, in place of the official address; ends in a slash. */
  readonly address?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((doing: 'downloading' | 'unpacking', bytes: number, of: number) => void) | undefined;
}

/**
 * Brings one data set into the data folder. Its folder appears under its name when every file is there and verified, never before.
 * @returns false when it was there already, or another process brought it meanwhile.
 * @throws DownloadError when a file cannot be had or is not what is pinned, or the set is got by hand; `signal.reason` when it is aborted;
 *   UsageError when the data folder cannot be written.
 */
export async function getDataSet(entry: CatalogEntry, options: GetOptions): Promise<boolean> {
  const { dataFolder } = options;
  if (entry.byHand !== undefined)
    throw new DownloadError(
      `${entry.name}: is not downloaded from here. ${entry.byHand.replaceAll('FOLDER', dataSetPath(entry, dataFolder))}`,
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
    if (from === undefined) await rm(parts, { recursive: true, force: true }); // last: who shares them finds the set when they are gone
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Collects the files of a data set, each verified while it is written. */
interface Staging {
  wants(name: string): boolean;
  /** Takes a file if it is wanted and what is pinned; else notes why not. Reads `content` to its end or leaves it alone. */
  offer(name: string, origin: string, content: AsyncIterable<Uint8Array>): Promise<void>;
  note(problem: string): void;
  /** @throws DownloadError when a file is missing, with the first note if there is one. */
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

/** Writes at most `limit` bytes, but counts all. */
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

/** @param parts folder of the downloads, of a name that the next attempt finds */
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

/** Deep enough for a folder of data sets, each in a folder of its own, as they come out of their archives. */
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

/** Offers a file, unpacked, or the members of a tar archive. */
async function unpack(path: string, staging: Staging): Promise<void> {
  const name = unpackedName(path);
  try {
    if (staging.wants(name)) await staging.offer(name, path, decompressed(path));
    else await readTar(path, (member, content) => staging.offer(member, `${path}:${member}`, content));
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    staging.note(error.message); // damaged: another file may do
  }
}

function unpackedName(path: string): string {
  return basename(path).replace(/\.(gz|xz)$/, '');
}

async function findFiles(folder: string, depth: number): Promise<string[]> {
  const { files, folders } = await listFolder(folder).catch(() => ({ files: [], folders: [] })); // what cannot be read is not searched
  const found = files.map((name) => join(folder, name));
  if (depth > 0) for (const name of folders) found.push(...(await findFiles(join(folder, name), depth - 1)));
  return found;
}

/** The new folder takes the place of an old, damaged one. */
async function replaceFolder(from: string, to: string): Promise<void> {
  const old = join(dirname(to), temporaryName());
  await rename(to, old).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  });
  await rename(from, to);
  await rm(old, { recursive: true, force: true });
}
