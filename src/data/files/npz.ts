/** Arrays of NumPy's npz files (ZIP archives of npy files), read as forward-only streams. */
import { InputError } from '../../errors.ts';
import { NPY_HEADER_BYTES, type NpyHeader, readNpyHeader } from '../../formats/npy.ts';
import { findZipMember, readZipDirectory, ZIP_TAIL_BYTES } from '../../formats/zip.ts';
import { inflated } from './decompress.ts';
import { bytesOf, firstBytes } from './forward-access.ts';
import type { RandomAccess } from './random-access.ts';

/** An array of an npz file. */
export interface StoredArray extends NpyHeader {
  /** Size of header and elements. */
  readonly bytes: number;
  content(): AsyncIterable<Uint8Array>;
}

/**
 * Finds an array by its name.
 * @param format for errors
 * @throws InputError when it is missing or not a plain array
 */
export async function findArray(file: RandomAccess, name: string, format: string): Promise<StoredArray> {
  const read = async (offset: number, count: number) => {
    const bytes = new Uint8Array(count);
    await file.read(bytes, offset);
    return bytes;
  };
  const tail = Math.max(0, file.size - ZIP_TAIL_BYTES);
  const members = readZipDirectory(await read(tail, file.size - tail), tail);
  const member = members.get(`${name}.npy`);
  if (!member)
    throw new InputError(format, file.path, `expected an array ${name}, got ${[...members.keys()].slice(0, 5).join(', ') || 'none'}`);
  const { start, deflated } = await findZipMember(`${name}.npy`, member, read);
  const end = start + member.compressed;
  if (end > file.size) throw new InputError(format, file.path, `expected ${end} bytes, got ${file.size}`);
  const content = () => {
    const stored = bytesOf(file, start, end);
    return deflated ? inflated(file.path, stored, 'deflate') : stored;
  };
  return { ...readNpyHeader(await firstBytes(content(), NPY_HEADER_BYTES)), bytes: member.size, content };
}

/** Possible label types: bytes per label, and a function that reads one. */
const integers: Readonly<Record<string, readonly [bytes: number, read: (view: DataView, at: number) => number]>> = {
  '|u1': [1, (view, at) => view.getUint8(at)],
  '<u2': [2, (view, at) => view.getUint16(at, true)],
  '<i2': [2, (view, at) => view.getInt16(at, true)],
  '<i4': [4, (view, at) => view.getInt32(at, true)],
  '<i8': [8, (view, at) => Number(view.getBigInt64(at, true))],
};

/**
 * Reads an array of labels, one per image, of any integer type.
 * @throws InputError when their number differs, or one is not in `first` to `first + classes - 1`
 */
export async function readLabels(
  file: RandomAccess,
  name: string,
  { format, length, first, classes }: { format: string; length: number; first: number; classes: number },
): Promise<Int32Array> {
  const labels = await findArray(file, name, format);
  const integer = integers[labels.descr];
  if (!integer || labels.shape.length !== 1 || labels.shape[0] !== length)
    throw new InputError(format, `${file.path} ${name}`, `expected ${length} integers, one per image, got ${describeArray(labels)}`);
  const [size, read] = integer;
  requireBytes(file, name, labels, length * size, format);
  const bytes = await firstBytes(labels.content(), labels.bytes);
  if (bytes.length < labels.bytes)
    throw new InputError(format, `${file.path} ${name}`, `expected ${labels.bytes} bytes, got ${bytes.length}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset + labels.offset);
  return Int32Array.from({ length }, (_, i) => {
    const label = read(view, i * size);
    if (label >= first && label < first + classes) return label - first;
    throw new InputError(format, `${file.path} image ${i}`, `expected a label from ${first} to ${first + classes - 1}, got ${label}`);
  });
}

export function describeArray({ descr, shape }: NpyHeader): string {
  return `${descr} of ${shape.join(' x ')}`;
}

/** @throws InputError when the elements of an array have another size */
export function requireBytes(file: RandomAccess, name: string, { bytes, offset }: StoredArray, expected: number, format: string): void {
  if (bytes !== offset + expected)
    throw new InputError(format, `${file.path} ${name}`, `expected ${offset + expected} bytes, got ${bytes}`);
}
