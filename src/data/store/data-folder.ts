/** The data folder: one folder per data set, with the files of the catalog. */
import { stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Environment, processEnvironment } from '../../environment.ts';
import type { CatalogEntry } from '../catalog.ts';
import { difference, hashFile } from './checksum.ts';

/** Where `data get` stores data sets and `openImageSet` finds them by name: WRN_ONNX_DATA, or the platform's cache folder. */
export function defaultDataFolder(env: Environment = processEnvironment(), platform: NodeJS.Platform = process.platform): string {
  if (env['WRN_ONNX_DATA']) return resolve(env['WRN_ONNX_DATA']);
  return join(cacheFolder(platform, env), 'wrn-onnx', 'data');
}

function cacheFolder(platform: NodeJS.Platform, env: Environment): string {
  if (platform === 'win32') return env['LOCALAPPDATA'] ?? join(homedir(), 'AppData', 'Local');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Caches');
  return env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
}

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
