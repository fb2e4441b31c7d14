/** The data folder: one folder per data set, with the files of the catalog. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { CatalogEntry, PinnedFile } from '../catalog.ts';
import { hashFile } from './hash.ts';

/** Folder of one data set. */
export function dataSetPath(entry: CatalogEntry, dataFolder: string): string {
  return join(dataFolder, entry.name);
}

/** Whether all files exist with the right sizes (`checkDataSet` verifies checksums). For a set downloaded by hand: whether its folder exists. */
export async function isPresent(entry: CatalogEntry, dataFolder: string): Promise<boolean> {
  if (entry.byHand !== undefined) return (await stat(dataSetPath(entry, dataFolder)).catch(() => undefined))?.isDirectory() ?? false;
  for (const file of entry.files) {
    const about = await stat(join(dataSetPath(entry, dataFolder), file.name)).catch(() => undefined);
    if (about?.size !== file.bytes) return false;
  }
  return true;
}

/** Hashes every file. Returns the first difference from the pinned values; undefined if there is none. */
export async function checkDataSet(entry: CatalogEntry, dataFolder: string): Promise<string | undefined> {
  for (const file of entry.files) {
    const path = join(dataSetPath(entry, dataFolder), file.name);
    const found = await hashFile(path).catch(() => undefined);
    const problem = found ? difference(file, found) : `expected a file of ${file.bytes} bytes, got none`;
    if (problem) return `${path}: ${problem}`;
  }
  return undefined;
}

/** How a file differs from its pinned values; undefined if it matches. */
export function difference(pinned: PinnedFile, found: { readonly bytes: number; readonly sha256: string }): string | undefined {
  if (found.bytes !== pinned.bytes) return `expected ${pinned.bytes} bytes, got ${found.bytes}`;
  if (found.sha256 !== pinned.sha256) return `expected SHA-256 ${pinned.sha256}, got ${found.sha256}`;
  return undefined;
}
