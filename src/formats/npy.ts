/**
 * NumPy's array file: magic, version, a header that is a Python literal, the data. Written as version 1.0, read up to 3.0.
 * Source: numpy.lib.format.
 */
import { InputError } from '../errors.ts';
import { Cursor, latin1 } from './cursor.ts';
import { denseStrides, type ElementName, elementTypes, readStrided } from './element-types.ts';
import { elements } from './shape.ts';

const MAGIC = '\x93NUMPY';
/** More than the header of an array of a few dimensions takes. */
export const NPY_HEADER_BYTES = 4096;
const ALIGNMENT = 64;
const PREFIX_BYTES = 10;

/**
 * Encodes a float32 array in C order, piece by piece; `numpy.load` reads it.
 * @param data its elements as they lie in memory, in pieces of any length
 */
export function* writeNpy(shape: readonly number[], data: Iterable<Uint8Array>): Generator<Uint8Array, void, undefined> {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const literal = `{'descr': '<f4', 'fortran_order': False, 'shape': ${tuple}, }`;
  const length = Math.ceil((PREFIX_BYTES + literal.length + 1) / ALIGNMENT) * ALIGNMENT - PREFIX_BYTES;
  const header = Buffer.alloc(PREFIX_BYTES + length);
  header.write(`${MAGIC}\x01\x00`, 'latin1');
  header.writeUInt16LE(length, 8);
  header.write(`${literal.padEnd(length - 1)}\n`, PREFIX_BYTES, 'latin1');
  yield header;
  yield* data;
}

/** What a file says of its array. */
export interface NpyHeader {
  /** Type of an element, `|u1` or `<i8`: byte order, kind, bytes. */
  readonly descr: string;
  /** Whether the first dimension runs fastest. */
  readonly fortranOrder: boolean;
  readonly shape: readonly number[];
  /** Where the elements begin. */
  readonly offset: number;
}

/**
 * Decodes the header.
 * @param start the first NPY_HEADER_BYTES of the file, or all of it.
 * @throws InputError when it is not an array file.
 */
export function readNpyHeader(start: Uint8Array): NpyHeader {
  const cursor = new Cursor(start, 'npy');
  const magic = latin1(cursor.take(MAGIC.length, 'a header'));
  if (magic !== MAGIC) throw new InputError('npy', 'header', "expected NumPy's magic, got something else");
  const major = cursor.uint8();
  cursor.uint8();
  const literal = latin1(cursor.take(major === 1 ? cursor.uint16() : cursor.uint32(), 'a header'));
  const field = (name: string, value: RegExp): string => {
    const found = new RegExp(`'${name}':\\s*(?:${value.source})`).exec(literal)?.[1];
    if (found === undefined) throw new InputError('npy', `header field ${name}`, `expected a plain array's, got ${literal.trim()}`);
    return found;
  };
  const sizes = field('shape', /\(([\d, ]*)\)/);
  return {
    descr: field('descr', /'([<>|=][a-zA-Z]\d*)'/),
    fortranOrder: field('fortran_order', /(True|False)/) === 'True',
    shape: sizes.split(',').flatMap((size) => (size.trim() === '' ? [] : [Number(size)])),
    offset: cursor.offset,
  };
}

/** NumPy's codes of the types that are read. */
const codes: ReadonlyMap<string, ElementName> = new Map<string, ElementName>([
  ['|b1', 'bool'],
  ['|u1', 'uint8'],
  ['|i1', 'int8'],
  ['<u2', 'uint16'],
  ['<i2', 'int16'],
  ['<u4', 'uint32'],
  ['<i4', 'int32'],
  ['<u8', 'uint64'],
  ['<i8', 'int64'],
  ['<f2', 'float16'],
  ['<f4', 'float32'],
  ['<f8', 'float64'],
]);

/** An array of numbers; values are read when asked for, row-major. */
export interface NpyArray {
  readonly type: ElementName;
  readonly shape: readonly number[];
  values(): Float64Array;
}

/**
 * Decodes a whole file.
 * @returns undefined when the elements are no numbers: objects are pickles, which are not read
 * @throws InputError when it is not an array file, or shorter or longer than its shape says
 */
export function readNpy(bytes: Uint8Array): NpyArray | undefined {
  const { descr, fortranOrder, shape, offset } = readNpyHeader(bytes);
  const type = codes.get(descr);
  if (!type) return undefined;
  const data = bytes.subarray(offset);
  const expected = elements(shape) * elementTypes[type].bytes;
  if (data.length !== expected) throw new InputError('npy', 'data', `expected ${expected} bytes, got ${data.length}`);
  return { type, shape, values: () => readStrided(data, { type, shape, strides: denseStrides(shape, fortranOrder) }) };
}
