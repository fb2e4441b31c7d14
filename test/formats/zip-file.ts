/** ZIP archives, written by APPNOTE as torch.save and others write them. */
import { crc32, deflateRawSync } from 'node:zlib';

export interface Member {
  readonly name: string;
  readonly data: Uint8Array;
  readonly deflated?: boolean;
  /** Sizes and offset in the ZIP64 extra field of the directory. */
  readonly zip64?: boolean;
  /** Fields of the directory that lie. */
  readonly lie?: Partial<Record<'flags' | 'method' | 'crc' | 'stored' | 'size' | 'offset', number>>;
}

export interface ArchiveOptions {
  readonly zip64?: boolean;
  readonly comment?: string;
}

const MAX32 = 0xffffffff;

export function zipFile(members: readonly Member[], { zip64 = false, comment = '' }: ArchiveOptions = {}): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const member of members) {
    const stored = member.deflated ? deflateRawSync(member.data) : Buffer.from(member.data);
    const name = Buffer.from(member.name);
    const fields = {
      flags: 0,
      method: member.deflated ? 8 : 0,
      crc: crc32(member.data),
      stored: stored.length,
      size: member.data.length,
      offset,
      ...member.lie,
    };
    const common = [u16(fields.flags), u16(fields.method), u32(0), u32(fields.crc)];
    const local = Buffer.concat([
      u32(0x04034b50),
      u16(20),
      ...common,
      u32(fields.stored),
      u32(fields.size),
      u16(name.length),
      u16(0),
      name,
    ]);
    const extra = member.zip64
      ? Buffer.concat([u16(0x5a5a), u16(1), Buffer.alloc(1), u16(1), u16(24), u64(fields.size), u64(fields.stored), u64(fields.offset)])
      : Buffer.alloc(0);
    const short = (value: number) => u32(member.zip64 ? MAX32 : value);
    directory.push(
      Buffer.concat([
        u32(0x02014b50),
        u32(20),
        ...common,
        short(fields.stored),
        short(fields.size),
        u16(name.length),
        u16(extra.length),
        Buffer.alloc(10),
        short(fields.offset),
        name,
        extra,
      ]),
    );
    parts.push(local, stored);
    offset += local.length + stored.length;
  }
  const size = directory.reduce((sum, entry) => sum + entry.length, 0);
  const end64 = [u32(0x06064b50), u64(44), u32(0), u64(0), u64(members.length), u64(members.length), u64(size), u64(offset)];
  const locator = [u32(0x07064b50), u32(0), u64(offset + size), u32(1)];
  const counts = zip64 ? [u16(0xffff), u16(0xffff)] : [u16(members.length), u16(members.length)];
  const end = [u32(0x06054b50), u32(0), ...counts, u32(size), u32(zip64 ? MAX32 : offset), u16(comment.length), Buffer.from(comment)];
  return Buffer.concat([...parts, ...directory, ...(zip64 ? [...end64, ...locator] : []), ...end]);
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}
