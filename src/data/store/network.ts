/** Published networks in the data folder: `networks/`, one file each under its publisher's name. */
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DownloadError, UsageError } from '../../errors.ts';
import { whyNotWritten } from '../files/file-error.ts';
import type { PublishedNetwork } from '../networks.ts';
import { difference, hashFile } from './checksum.ts';
import { download, type TransferOptions } from './download.ts';

export interface GetNetworkOptions extends TransferOptions {
  /** The folder of all data sets. Networks get a folder in it, which is created if necessary. */
  readonly dataFolder: string;
  /** A mirror with the file instead of the official address, with a trailing slash. */
  readonly address?: string | undefined;
}

/** Path of a network's file; undefined if it is not here. A file of this name is always verified. */
export function networkFile({ download }: PublishedNetwork, dataFolder: string): string | undefined {
  const path = download && join(dataFolder, 'networks', download.name);
  return path !== undefined && existsSync(path) ? path : undefined;
}

/**
 * Puts the file of a published network into the data folder; a partial download is resumed.
 * @returns its path
 * @throws DownloadError when it is not available, differs from its pinned checksum or needs a download by hand;
 *   `signal.reason` when it is aborted; UsageError when the data folder is not writable
 */
export async function getNetwork(entry: PublishedNetwork, { dataFolder, address, ...transfer }: GetNetworkOptions): Promise<string> {
  const file = entry.download;
  if (!file) throw new DownloadError(`${entry.name}: ${(entry.byHand ?? '').replaceAll('NAME', `${entry.name}.onnx`)}`);
  const folder = join(dataFolder, 'networks');
  const path = join(folder, file.name);
  try {
    if (existsSync(path)) {
      if (difference(file, await hashFile(path)) === undefined) return path;
      await rm(path);
    }
    await mkdir(folder, { recursive: true });
    const part = `${path}.part`;
    await download((address ?? file.address) + file.name, file, part, transfer);
    await rename(part, path);
    return path;
  } catch (error) {
    const reason = whyNotWritten(error);
    if (reason === undefined) throw error;
    throw new UsageError(`${folder}: cannot be written, ${reason}. Set WRN_ONNX_DATA to another folder`, { cause: error });
  }
}
