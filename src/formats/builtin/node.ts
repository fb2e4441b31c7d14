/** Inflate, CRC-32 and SHA-256, which Node has built in. package.json maps `#builtin` to this file in Node, and to `web.ts` elsewhere. */
import { kMaxLength } from 'node:buffer';
import { createHash } from 'node:crypto';
import * as zlib from 'node:zlib';

/**
 * Inflates data with zlib's wrapping or without it (RFC 1950, RFC 1951).
 * @returns undefined when it would be longer than `limit` bytes
 * @throws Error when it is damaged or cut short
 */
export function inflate(bytes: Uint8Array, wrapping: 'zlib' | 'none', limit: number): Uint8Array | undefined {
  const inflateSync = wrapping === 'zlib' ? zlib.inflateSync : zlib.inflateRawSync;
  try {
    return inflateSync(bytes, { maxOutputLength: Math.max(1, Math.min(limit, kMaxLength)) });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE') return undefined;
    throw error;
  }
}

export function crc32(bytes: Uint8Array): number {
  return zlib.crc32(bytes);
}

/** SHA-256 of the concatenated parts, in hexadecimal digits. */
export function sha256(...parts: readonly (Uint8Array | string)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}
