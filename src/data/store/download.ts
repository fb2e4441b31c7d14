import { constants, type FileHandle, open, rm, stat } from 'node:fs/promises';
import { DownloadError } from '../../errors.ts';
import type { PinnedFile } from '../catalog.ts';
import { hashFile } from './hash.ts';
import { difference } from './stored.ts';

export interface TransferOptions {
  readonly signal?: AbortSignal | undefined;
  /** Gets the bytes of the file that are here so far. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

/**
 * Downloads a file whose size and checksum are known. What is at `path` from an earlier attempt is continued, and a connection
 * that breaks is taken up again as long as each attempt brings something. On failure `path` keeps what came so far. Several may
 * download to one `path` at once: each byte has its place, so that all write the same.
 * @throws DownloadError when the server does not give the file, or other bytes than expected, which are removed;
 *   `signal.reason` when it is aborted.
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
  throw new DownloadError(`${url}: ${problem}. Removed what came`);
}

/** One connection: goes on behind what is there, or starts over when the server does not continue. Returns why it ended early. */
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
    if (error instanceof Error && 'syscall' in error) throw error; // the file, not the network
    return networkProblem(error);
  } finally {
    await target.close();
  }
  if (length <= file.bytes) return undefined;
  await rm(path, { force: true });
  throw new DownloadError(`${url}: expected ${file.bytes} bytes, got more. Removed what came`);
}

async function writeAt(target: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await target.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** fetch hides the reason in the cause. */
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
