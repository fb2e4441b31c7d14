/**
 * HDF5, as Keras and MATLAB 7.3 write it: groups, arrays of numbers, text, references. The HDF Group's own library,
 * compiled to WebAssembly, decodes it: in Node in a thread, which is stopped when it takes too long, in pages on the spot.
 * package.json chooses `hdf5/thread.ts` or `hdf5/library.ts` as `#hdf5`.
 */
import { type Decoded, decodeHdf5 } from '#hdf5';
import { InputError, UsageError } from '../errors.ts';
import { describeJson } from './json.ts';

export type HdfNumbers =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | Float32Array
  | Float64Array;

/** Value of an attribute or an array: numbers, strings, or paths of referenced objects; null for other types. */
export type HdfValue = HdfNumbers | readonly string[] | null;

interface Common {
  readonly attributes: ReadonlyMap<string, HdfValue>;
}
export interface HdfGroup extends Common {
  readonly kind: 'group';
  readonly members: ReadonlyMap<string, HdfNode>;
}
export interface HdfArray extends Common {
  readonly kind: 'array';
  /** Row-major. */
  readonly shape: readonly number[];
  readonly value: HdfValue;
}
export type HdfNode = HdfGroup | HdfArray;

const FORMAT = 'hdf5';
const SIGNATURE = Uint8Array.of(0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a);
/** Possible offsets of the signature. A program may put its own header first; MATLAB's has 512 bytes. */
const STARTS = [0, 512, 1024, 2048];
/** Whether the bytes are an HDF5 file. */
export function isHdf5(bytes: Uint8Array): boolean {
  return STARTS.some((start) => SIGNATURE.every((byte, i) => bytes[start + i] === byte));
}

/** What was decoded, by the bytes of the file that was HDF5 or had it inside. */
const decoded = new WeakMap<Uint8Array, Decoded>();

/**
 * Decodes the HDF5 of a file, so that `readHdf5` has it for these very bytes. A damaged file is no error yet.
 * @param hdf5 the part of the file that is HDF5
 * @param skipped paths of objects to skip
 */
export async function prepareHdf5(file: Uint8Array, hdf5: Uint8Array = file, skipped?: RegExp): Promise<void> {
  if (!decoded.has(file)) decoded.set(file, await decodeHdf5(hdf5, skipped));
}

/**
 * What `prepareHdf5` has decoded.
 * @throws InputError when the file is damaged
 * @throws UsageError when it was not prepared
 */
export function readHdf5(file: Uint8Array): HdfGroup {
  const read = decoded.get(file);
  if (!read)
    throw new UsageError('HDF5 file: expected bytes that prepareToRead was called with, got others. Use openModel instead of readModel');
  if ('problem' in read) throw new InputError(FORMAT, read.where, read.problem);
  return read;
}

/** The strings of an attribute. Keras splits long lists into several attributes: `name0`, `name1`... */
export function textsOf({ attributes }: HdfNode, name: string): readonly string[] | undefined {
  const found = attributes.get(name);
  if (isTexts(found)) return found;
  if (found !== undefined) return found?.length === 0 ? [] : undefined; // an empty list has no type
  const parts: string[] = [];
  for (let i = 0; ; i++) {
    const part = attributes.get(`${name}${i}`);
    if (part === undefined) return i === 0 ? undefined : parts;
    if (!isTexts(part)) throw new InputError(FORMAT, `attribute ${name}${i}`, `expected texts, got ${describeJson(typeof part)}`);
    parts.push(...part);
  }
}

export function isTexts(value: HdfValue | undefined): value is readonly string[] {
  return Array.isArray(value);
}

/** The object at a path below a group; undefined when there is none. */
export function nodeAt(group: HdfGroup, path: string): HdfNode | undefined {
  let node: HdfNode | undefined = group;
  for (const name of path.split('/').filter(Boolean)) node = node?.kind === 'group' ? node.members.get(name) : undefined;
  return node;
}
