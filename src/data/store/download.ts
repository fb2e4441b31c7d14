/** Downloads that resume. */
import { constants, type FileHandle, open, rm, stat } from 'node:fs/promises';
import { DownloadError } from '../../errors.ts';
import type { PinnedFile } from '../catalog.ts';
import { difference, hashFile } from './checksum.ts';

export interface TransferOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of bytes received so far. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

/**
 * Downloads a file with known size and checksum. Resumes a partial file at `path`, and reconnects as long as each attempt
 * makes progress. On failure `path` keeps the partial file. Several downloads to the same `path` may run at once, because
 * each writes the same bytes at the same offsets.
 * @throws DownloadError when the server does not provide the file, or sends wrong bytes, which are removed;
 *   `signal.reason` when it is aborted
 */
export async function download(url: string, file: PinnedFile, path: string, options: TransferOptions = {}): Promise<void> {
  for (let received = await sizeOf(path); received < file.bytes; ) {
    const problem = await attempt(url, file, path, received, options);
    const now = await sizeOf(path);
    const resume = now > 0 ? `. Run it again to resume after ${now} of ${file.bytes} bytes` : '';
    options.signal?.throwIfAborted();
    if (now <= received) throw new DownloadError(`${url}: ${problem ?? 'expected data, got none'}${resume}`);
    received = now;
  }
  const problem = difference(file, await hashFile(path));
  if (problem === undefined) return;
  await rm(path, { force: true });
  throw new DownloadError(`${url}: ${problem}. Removed the download`);
}

/** One connection. Resumes, or starts over if the server does not support ranges. Returns the reason if it ended early. */
async function attempt(
  url: string,
  file: PinnedFile,
  path: string,
  from: number,
  { signal, onProgress }: TransferOptions,
): Promise<string | undefined> {
  let response: Response;
  try {
    const headers = { 'accept-encoding': 'identity', ...(from > 0 && { range: `bytes=${from}-` }) };
    response = await fetch(url, { headers, ...(signal && { signal }) });
  } catch (error) {
    return networkProblem(error);
  }
  const continues = response.status === 206 && response.headers.get('content-range')?.startsWith(`bytes ${from}-`) === true;
  if (!response.body || !(continues || response.status === 200)) {
    await response.body?.cancel();
    return `expected the file, got HTTP ${response.status} ${response.statusText}`.trimEnd();
  }
  let length = continues ? from : 0;
  const promised = length + Number(response.headers.get('content-length') ?? file.bytes - length);
  if (promised !== file.bytes) {
    await response.body.cancel();
    return `expected a file of ${file.bytes} bytes, got one of ${promised}`;
  }
  const target = await open(path, constants.O_WRONLY | constants.O_CREAT);
  try {
    for await (const chunk of response.body) {
      const at = length;
      length += chunk.length;
      if (length > file.bytes) break;
      await writeAt(target, chunk, at);
      onProgress?.(length);
    }
  } catch (error) {
    if (error instanceof Error && 'syscall' in error) throw error; // the file failed, not the network
    return networkProblem(error);
  } finally {
    await target.close();
  }
  if (length <= file.bytes) return undefined;
  await rm(path, { force: true });
  throw new DownloadError(`${url}: expected ${file.bytes} bytes, got more. Removed the download`);
}

async function writeAt(target: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await target.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** The reason for a network failure. fetch hides it in the cause. */
function networkProblem(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (cause instanceof Error && 'code' in cause) return `expected a connection, got ${String(cause.code)}`;
  return `expected the whole file, got ${cause instanceof Error ? cause.message : String(cause)}`;
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}
