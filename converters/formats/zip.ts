/**
 * ZIP archives, read through the central directory: stored and deflated members, ZIP64 sizes.
 * Source: PKWARE APPNOTE 6.3.
 */
import { crc32, inflateRawSync } from 'node:zlib';
import { InputError } from '../../src/errors.ts';
import { Cursor } from './cursor.ts';

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const END64_LOCATOR = 0x07064b50;
const END64 = 0x06064b50;
const END_BYTES = 22;
const LOCATOR_BYTES = 20;
const MAX_COMMENT = 0xffff;
/** A 16 or 32-bit field that says: see the ZIP64 extra field. */
const IN_EXTRA_16 = 0xffff;
const IN_EXTRA_32 = 0xffffffff;
const ZIP64_EXTRA = 1;
const ENCRYPTED = 1;
/** Weights hardly compress; more than this over the whole archive, be it inflated or named by many members, is a bomb. */
const MAX_INFLATION = 64;

interface Member {
  readonly method: number;
  readonly crc: number;
  readonly compressed: number;
  readonly size: number;
  readonly offset: number;
}

/** Members of an archive by name; decompressed when asked for, which is once. */
export interface ZipFile {
  readonly names: readonly string[];
  /**
   * Bytes of a member; undefined when there is none of this name.
   * @throws InputError when it is damaged, encrypted or compressed by another method
   */
  read(name: string): Uint8Array | undefined;
}

/** Whether the bytes begin like a ZIP archive with a member. */
export function isZip(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && new Cursor(bytes, 'zip').uint32() === LOCAL;
}

/**
 * Reads the directory of an archive.
 * @throws InputError when it does not add up
 */
export function readZip(bytes: Uint8Array): ZipFile {
  const cursor = new Cursor(bytes, 'zip');
  const { count, offset } = findDirectory(cursor);
  cursor.seek(offset);
  const members = new Map<string, Member>();
  for (let i = 0; i < count; i++) {
    const { name, member } = readMember(cursor);
    if (members.has(name)) throw new InputError('zip', `member ${name}`, 'expected it once, got it twice');
    members.set(name, member);
  }
  let budget = bytes.length * MAX_INFLATION;
  return {
    names: [...members.keys()],
    read(name) {
      const member = members.get(name);
      if (member === undefined) return undefined;
      budget -= member.size;
      if (budget < 0)
        throw new InputError('zip', `member ${name}`, `expected members of at most ${MAX_INFLATION} times the file, got more`);
      return extract(bytes, name, member);
    },
  };
}

function findDirectory(cursor: Cursor): { count: number; offset: number } {
  const { length } = cursor.bytes;
  for (let at = length - END_BYTES; at >= Math.max(0, length - END_BYTES - MAX_COMMENT); at--) {
    cursor.seek(at);
    if (cursor.uint32() !== END) continue;
    cursor.take(6);
    const count = cursor.uint16();
    cursor.take(4);
    const offset = cursor.uint32();
    if (count !== IN_EXTRA_16 && offset !== IN_EXTRA_32) return { count, offset };
    return findDirectory64(cursor, at) ?? { count, offset };
  }
  throw new InputError('zip', 'file', 'expected an end of central directory, got none. The file is truncated');
}

function findDirectory64(cursor: Cursor, end: number): { count: number; offset: number } | undefined {
  if (end < LOCATOR_BYTES) return undefined;
  cursor.seek(end - LOCATOR_BYTES);
  if (cursor.uint32() !== END64_LOCATOR) return undefined;
  cursor.take(4);
  cursor.seek(cursor.uint64());
  if (cursor.uint32() !== END64) throw cursor.error('expected the ZIP64 end of central directory, got something else');
  cursor.take(28);
  const count = cursor.uint64();
  cursor.take(8);
  return { count, offset: cursor.uint64() };
}

function readMember(cursor: Cursor): { name: string; member: Member } {
  if (cursor.uint32() !== CENTRAL) throw cursor.error('expected an entry of the central directory, got something else');
  cursor.take(4);
  const flags = cursor.uint16();
  const method = cursor.uint16();
  cursor.take(4);
  const crc = cursor.uint32();
  let [compressed, size] = [cursor.uint32(), cursor.uint32()];
  const [nameLength, extraLength, commentLength] = [cursor.uint16(), cursor.uint16(), cursor.uint16()];
  cursor.take(8);
  let offset = cursor.uint32();
  const name = new TextDecoder().decode(cursor.take(nameLength, 'a name'));
  const extra = new Cursor(cursor.take(extraLength, 'extra fields'), 'zip');
  cursor.take(commentLength, 'a comment');
  if (flags & ENCRYPTED) throw new InputError('zip', `member ${name}`, 'expected no encryption, got an encrypted member');
  while (extra.left >= 4) {
    const id = extra.uint16();
    const field = new Cursor(extra.take(extra.uint16(), 'an extra field'), 'zip');
    if (id !== ZIP64_EXTRA) continue;
    if (size === IN_EXTRA_32) size = field.uint64();
    if (compressed === IN_EXTRA_32) compressed = field.uint64();
    if (offset === IN_EXTRA_32) offset = field.uint64();
  }
  return { name, member: { method, crc, compressed, size, offset } };
}

function extract(bytes: Uint8Array, name: string, { method, crc, compressed, size, offset }: Member): Uint8Array {
  const where = `member ${name}`;
  const cursor = new Cursor(bytes, 'zip');
  cursor.seek(offset);
  if (cursor.uint32() !== LOCAL) throw new InputError('zip', where, 'expected a local header, got something else');
  cursor.take(22);
  const [nameLength, extraLength] = [cursor.uint16(), cursor.uint16()];
  cursor.take(nameLength + extraLength, 'a local header');
  const stored = cursor.take(compressed, where);
  const data = method === 0 ? stored : inflate(stored, method, size, where);
  if (data.length !== size) throw new InputError('zip', where, `expected ${size} bytes, got ${data.length}`);
  if (crc32(data) !== crc) throw new InputError('zip', where, 'expected its checksum, got another. The file is damaged');
  return data;
}

function inflate(stored: Uint8Array, method: number, size: number, where: string): Uint8Array {
  if (method !== 8) throw new InputError('zip', where, `expected a stored or deflated member, got method ${method}`);
  try {
    return inflateRawSync(stored, { maxOutputLength: Math.max(1, size) });
  } catch (error) {
    throw new InputError('zip', where, `expected deflated data, got ${(error as Error).message}`);
  }
}
