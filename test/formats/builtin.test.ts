/** What Node has built in and what stands for it in a browser do the same. */
import { deflateRawSync, deflateSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import * as node from '../../src/formats/builtin/node.ts';
import * as web from '../../src/formats/builtin/web.ts';
import { noise } from '../data/crafted.ts';

const text = new TextEncoder().encode('bits '.repeat(300_000));
const random = noise(700_000, 1);

describe.each([
  ['node', node],
  ['web', web],
])('%s', (_, { inflate, crc32, sha256 }) => {
  test.each([
    ['nothing', new Uint8Array()],
    ['repetition', text],
    ['noise', random],
  ])('%s is inflated', (_, bytes) => {
    expect(Buffer.from(bytes).equals(inflate(deflateSync(bytes), 'zlib', bytes.length) as Uint8Array)).toBe(true);
    expect(Buffer.from(bytes).equals(inflate(deflateRawSync(bytes), 'none', bytes.length) as Uint8Array)).toBe(true);
  });

  test('more than the limit is not inflated', () => {
    expect(inflate(deflateSync(text), 'zlib', text.length - 1)).toBeUndefined();
    expect(inflate(deflateRawSync(text), 'none', 1000)).toBeUndefined();
  });

  test.each([
    ['cut short', deflateSync(text).subarray(0, -10), 'unexpected end of file'],
    ['without its head', deflateSync(text).subarray(2), 'incorrect header check'],
    ['with another checksum', Buffer.concat([deflateSync(text).subarray(0, -1), Buffer.from([7])]), 'incorrect data check'],
  ])('data %s are refused', (_, bytes, message) => {
    expect(() => inflate(bytes, 'zlib', 1e9)).toThrow(message);
  });

  /** The check values of the CRC catalogue and of FIPS 180-4. */
  test('checksums', () => {
    expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf43926);
    expect(sha256('a', new TextEncoder().encode('bc'))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });
});
