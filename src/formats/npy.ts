/**
 * NumPy's array file: magic, version, a header that is a Python literal, the data. We write version 1.0 and read up to 3.0.
 * Source: numpy.lib.format.
 */
import { InputError } from '../errors.ts';
import { Cursor, latin1 } from './cursor.ts';
import { type ElementName, elementTypes, readStrided } from './element-types.ts';
import { denseStrides, elements } from './shape.ts';

const MAGIC = '\x93NUMPY';
/** Upper bound for the header of an array with a few dimensions. */
export const NPY_HEADER_BYTES = 4096;
const ALIGNMENT = 64;
const PREFIX_BYTES = 10;

/**
 * Encodes a float32 array in C order, chunk by chunk, for `numpy.load`.
 * @param data the elements in chunks of any length
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

/** The decoded header. */
export interface NpyHeader {
  /** Element type: byte order, kind and bytes, e.g. `|u1` or `<i8`. */
  readonly descr: string;
  /** Whether the array is column-major. */
  readonly fortranOrder: boolean;
  readonly shape: readonly number[];
  /** Byte offset of the elements. */
  readonly offset: number;
}

/**
 * Decodes the header.
 * @param start the first NPY_HEADER_BYTES of the file, or all of it if it is shorter
 * @throws InputError when it is not an array file
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
    if (found === undefined)
      throw new InputError('npy', `header field ${name}`, `expected the value of a plain array, got ${literal.trim()}`);
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

/** NumPy's codes of the supported types. */
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

/** An array of numbers. Values are decoded on demand, row-major. */
export interface NpyArray {
  readonly type: ElementName;
  readonly shape: readonly number[];
  values(): Float64Array;
}

/**
 * Decodes a whole file.
 * @returns undefined when the elements are not numbers; objects are pickles, which we do not read
 * @throws InputError when it is not an array file, or its size does not match its shape
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
