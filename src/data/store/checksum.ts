/** Whether a file is the one that the catalog pins. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { PinnedFile } from '../catalog.ts';

/** Length and SHA-256 (hexadecimal) of a file's bytes. */
export async function hashFile(path: string): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, sha256: hash.digest('hex') };
}

/** How a file differs from its pinned values; undefined if it matches. */
export function difference(pinned: PinnedFile, found: { readonly bytes: number; readonly sha256: string }): string | undefined {
  if (found.bytes !== pinned.bytes) return `expected ${pinned.bytes} bytes, got ${found.bytes}`;
  if (found.sha256 !== pinned.sha256) return `expected SHA-256 ${pinned.sha256}, got ${found.sha256}`;
  return undefined;
}
