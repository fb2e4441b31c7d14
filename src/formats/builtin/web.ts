/** The same functions as in `node.ts`, for browsers, whose built-in ones are all asynchronous. */
import { sha256 as sha256Of } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import crc from 'crc-32';
import { Inflate } from 'pako';
import type * as node from './node.ts';

/** Input bytes per call of pako. */
const CHUNK = 1 << 18;

export const inflate: typeof node.inflate = (bytes, wrapping, limit) => {
  const inflator = new Inflate({ raw: wrapping === 'none', chunkSize: CHUNK });
  const chunks: Uint8Array[] = [];
  let length = 0;
  inflator.onData = (chunk) => {
    length += chunk.length;
    if (length <= limit) chunks.push(chunk);
  };
  for (let from = 0; from < bytes.length && !inflator.ended && length <= limit; from += CHUNK)
    inflator.push(bytes.subarray(from, from + CHUNK), false);
  if (length > limit) return undefined;
  if (inflator.err) throw new Error(inflator.msg);
  if (!inflator.ended) throw new Error('unexpected end of file');
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
};

export const crc32: typeof node.crc32 = (bytes) => crc.buf(bytes) >>> 0;

export const sha256: typeof node.sha256 = (...parts) => {
  const hash = sha256Of.create();
  for (const part of parts) hash.update(typeof part === 'string' ? utf8ToBytes(part) : part);
  return bytesToHex(hash.digest());
};
