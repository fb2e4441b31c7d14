/**
 * ZIP archives, read through the central directory: stored and deflated members, ZIP64.
 * Source: PKWARE APPNOTE 6.3.
 */
import { crc32, inflate } from '#builtin';
import { InputError } from '../errors.ts';
import { Cursor } from './cursor.ts';

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const END64_LOCATOR = 0x07064b50;
const END64 = 0x06064b50;
const LOCAL_HEADER_BYTES = 30;
const END_BYTES = 22;
const LOCATOR_BYTES = 20;
const MAX_COMMENT = 0xffff;
/** 16 and 32-bit values that refer to the ZIP64 extra field. */
const IN_EXTRA_16 = 0xffff;
const IN_EXTRA_32 = 0xffffffff;
const ZIP64_EXTRA = 1;
const ENCRYPTED = 1;
const STORED = 0;
const DEFLATED = 8;
/** Weights hardly compress. An archive whose members add up to more than this is a decompression bomb, even if they share data. */
const MAX_INFLATION = 64;

/** The last bytes of a file that hold the directory of an archive with a few members. */
export const ZIP_TAIL_BYTES = 1 << 17;

/** An entry of the directory. */
export interface ZipMember {
  readonly method: number;
  readonly crc: number;
  /** Bytes in the archive; `size` is the number of inflated bytes. */
  readonly compressed: number;
  readonly size: number;
  /** Offset of its local header. */
  readonly offset: number;
}

/** Members of an archive by name. Each read decompresses and counts against the limit, so read a member only once. */
export interface ZipFile {
  readonly names: readonly string[];
  /**
   * Bytes of a member; undefined when there is no member of this name.
   * @throws InputError when it is damaged, encrypted or uses another compression method
   */
  read(name: string): Uint8Array | undefined;
}

/** Whether the bytes begin like a ZIP archive with a member. */
export function isZip(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && new Cursor(bytes, 'zip').uint32() === LOCAL;
}

/** Names of an archive's members; empty when the directory is damaged. `readZip` then reports the damage. */
export function zipNames(bytes: Uint8Array): readonly string[] {
  try {
    return [...readZipDirectory(bytes).keys()];
  } catch (error) {
    if (error instanceof InputError) return [];
    throw error;
  }
}

/**
 * Reads the directory of an archive.
 * @throws InputError when it is damaged
 */
export function readZip(bytes: Uint8Array): ZipFile {
  const members = readZipDirectory(bytes);
  let budget = bytes.length * MAX_INFLATION;
  return {
    names: [...members.keys()],
    read(name) {
      const member = members.get(name);
      if (member === undefined) return undefined;
      budget -= member.size;
      if (budget < 0)
        throw new InputError('zip', `member ${name}`, `expected members of at most ${MAX_INFLATION} times the file size, got more`);
      return extract(bytes, name, member);
    },
  };
}

/**
 * Reads only the directory, for archives that are too large for memory.
 * @param tail the file's last ZIP_TAIL_BYTES, or all of it if it is shorter
 * @param start offset of `tail` in the file
 * @throws InputError when it is damaged
 */
export function readZipDirectory(tail: Uint8Array, start = 0): Map<string, ZipMember> {
  const cursor = new Cursor(tail, 'zip');
  const { count, offset } = findDirectory(cursor, start);
  cursor.seek(offset - start);
  const members = new Map<string, ZipMember>();
  for (let i = 0; i < count; i++) {
    const { name, member } = readMember(cursor);
    if (members.has(name)) throw new InputError('zip', `member ${name}`, 'expected it once, got it twice');
    members.set(name, member);
  }
  return members;
}

/**
 * Offset of a member's bytes in the file, and whether they are deflated.
 * @param read returns `count` bytes of the file from `offset` on
 * @throws InputError when there is no local header at its offset, or it uses another compression method
 */
export async function findZipMember(
  name: string,
  { offset, method }: ZipMember,
  read: (offset: number, count: number) => Promise<Uint8Array>,
): Promise<{ start: number; deflated: boolean }> {
  const where = `member ${name}`;
  const cursor = new Cursor(await read(offset, LOCAL_HEADER_BYTES), 'zip');
  return { start: offset + LOCAL_HEADER_BYTES + readLocalHeader(cursor, where), deflated: isDeflated(method, where) };
}

function isDeflated(method: number, where: string): boolean {
  if (method === DEFLATED || method === STORED) return method === DEFLATED;
  throw new InputError('zip', where, `expected a stored or deflated member, got method ${method}`);
}

/** Skips the fixed part of a local header. Returns the length of the name and extra fields that follow. */
function readLocalHeader(cursor: Cursor, where: string): number {
  if (cursor.uint32() !== LOCAL) throw new InputError('zip', where, 'expected a local header, got something else');
  cursor.take(22);
  return cursor.uint16() + cursor.uint16();
}

/** The returned offset counts from the start of the file. The cursor holds the bytes from `start` on. */
function findDirectory(cursor: Cursor, start: number): { count: number; offset: number } {
  const { length } = cursor.bytes;
  for (let at = length - END_BYTES; at >= Math.max(0, length - END_BYTES - MAX_COMMENT); at--) {
    cursor.seek(at);
    if (cursor.uint32() !== END) continue;
    cursor.take(6);
    const count = cursor.uint16();
    cursor.take(4);
    const offset = cursor.uint32();
    if (count !== IN_EXTRA_16 && offset !== IN_EXTRA_32) return { count, offset };
    return findDirectory64(cursor, at, start) ?? { count, offset };
  }
  throw new InputError('zip', 'file', 'expected an end of central directory, got none. The file is truncated');
}

function findDirectory64(cursor: Cursor, end: number, start: number): { count: number; offset: number } | undefined {
  if (end < LOCATOR_BYTES) return undefined;
  cursor.seek(end - LOCATOR_BYTES);
  if (cursor.uint32() !== END64_LOCATOR) return undefined;
  cursor.take(4);
  cursor.seek(cursor.uint64() - start);
  if (cursor.uint32() !== END64) throw cursor.error('expected the ZIP64 end of central directory, got something else');
  cursor.take(28);
  const count = cursor.uint64();
  cursor.take(8);
  return { count, offset: cursor.uint64() };
}

function readMember(cursor: Cursor): { name: string; member: ZipMember } {
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

function extract(bytes: Uint8Array, name: string, { method, crc, compressed, size, offset }: ZipMember): Uint8Array {
  const where = `member ${name}`;
  const cursor = new Cursor(bytes, 'zip');
  cursor.seek(offset);
  cursor.take(readLocalHeader(cursor, where), 'a local header');
  const stored = cursor.take(compressed, where);
  const data = isDeflated(method, where) ? inflateMember(stored, size, where) : stored;
  if (data.length !== size) throw new InputError('zip', where, `expected ${size} bytes, got ${data.length}`);
  if (crc32(data) !== crc) throw new InputError('zip', where, 'expected its CRC-32, got another. The file is damaged');
  return data;
}

function inflateMember(stored: Uint8Array, size: number, where: string): Uint8Array {
  let inflated: Uint8Array | undefined;
  try {
    inflated = inflate(stored, 'none', size);
  } catch (error) {
    throw new InputError('zip', where, `expected deflated data, got ${(error as Error).message}`, { cause: error });
  }
  if (!inflated) throw new InputError('zip', where, `expected ${size} bytes, got more`);
  return inflated;
}
