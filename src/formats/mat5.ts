/**
 * MAT-file level 5, the format of MATLAB's save -v7 and SciPy's savemat.
 * Source: "MAT-File Format", The MathWorks, chapter 1.
 */
import { inflate } from '#builtin';
import { InputError } from '../errors.ts';
import { Cursor, latin1 } from './cursor.ts';
import { elements } from './shape.ts';

export type NumericData = Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array | Float32Array | Float64Array;

/** A variable. Elements are in column-major order. */
export type MatArray =
  | { readonly kind: 'numeric'; readonly dims: readonly number[]; readonly data: NumericData }
  | { readonly kind: 'char'; readonly dims: readonly number[]; readonly text: string }
  | { readonly kind: 'cell'; readonly dims: readonly number[]; readonly cells: readonly MatArray[] }
  | { readonly kind: 'struct'; readonly dims: readonly number[]; readonly fields: ReadonlyMap<string, readonly MatArray[]> }
  | { readonly kind: 'unsupported'; readonly dims: readonly number[]; readonly className: string };

/** Variables by name, in file order. */
export type MatFile = ReadonlyMap<string, MatArray>;

const HEADER_BYTES = 128;
const VERSION_5 = 0x0100;
const VERSION_7_3 = 0x0200;
const UINT8 = 2;
const MATRIX = 14;
const COMPRESSED = 15;
const COMPLEX = 0x0800;
/** Bits stored as bytes compress 8:1, and only small arrays of ones compress much better. A file that inflates more is a decompression bomb. */
const MAX_INFLATION = 64;
const INFLATION_SLACK = 1 << 20;
/** Published networks nest cells and structs two levels deep. */
const MAX_DEPTH = 16;
/** A network of 1200 layers has 5000 arrays. An array or struct field takes 56 bytes in the file and ten times that in memory. */
const MAX_ARRAYS = 100_000;
/** Kernels have four or five dimensions. */
const MAX_DIMENSIONS = 32;
/** Text in these files is a name of a word or two. */
const MAX_TEXT_BYTES = 1 << 20;

/** Limits that remain while a file is read. */
interface Budget {
  inflatedBytes: number;
  arrays: number;
}

type Decode = (cursor: Cursor, count: number) => NumericData;

/** Numeric element types: bytes per number, and a function that reads them in the file's byte order. */
const numberTypes: Readonly<Record<number, { size: number; decode: Decode }>> = {
  1: { size: 1, decode: (c, n) => Int8Array.from(c.take(n)) },
  2: { size: 1, decode: (c, n) => c.take(n) },
  3: { size: 2, decode: (c, n) => typed(c, n, Int16Array) },
  4: { size: 2, decode: (c, n) => typed(c, n, Uint16Array) },
  5: { size: 4, decode: (c, n) => typed(c, n, Int32Array) },
  6: { size: 4, decode: (c, n) => typed(c, n, Uint32Array) },
  7: { size: 4, decode: (c, n) => typed(c, n, Float32Array) },
  9: { size: 8, decode: (c, n) => typed(c, n, Float64Array) },
  12: { size: 8, decode: (c, n) => Float64Array.from(typed(c, n, BigInt64Array), Number) },
  13: { size: 8, decode: (c, n) => Float64Array.from(typed(c, n, BigUint64Array), Number) },
};
const characterTypes: Readonly<Record<number, 'latin1' | 'utf-8' | 'utf-16'>> = {
  1: 'latin1',
  2: 'latin1',
  4: 'utf-16',
  16: 'utf-8',
  17: 'utf-16',
};

const classes: Readonly<Record<number, string>> = {
  1: 'cell',
  2: 'struct',
  3: 'object',
  4: 'char',
  5: 'sparse',
  ...{ 6: 'double', 7: 'single', 8: 'int8', 9: 'uint8', 10: 'int16', 11: 'uint16', 12: 'int32', 13: 'uint32', 14: 'int64', 15: 'uint64' },
  16: 'function handle',
  17: 'opaque',
};
const FIRST_NUMERIC_CLASS = 6;
const LAST_NUMERIC_CLASS = 15;
const OPAQUE_CLASS = 17;
const EMPTY: MatArray = { kind: 'numeric', dims: [0, 0], data: new Float64Array(0) };

/** Whether the bytes begin like a MAT file of level 5 or 7.3. */
export function isMat5(bytes: Uint8Array): boolean {
  if (bytes.length < HEADER_BYTES) return false;
  const mark = latin1(bytes.subarray(126, 128));
  return mark === 'IM' || mark === 'MI';
}

/**
 * Decodes all variables.
 * @throws InputError with the byte offset, counted in the inflated data if the variable is compressed
 */
export function readMat5(bytes: Uint8Array): MatFile {
  const cursor = readHeader(bytes);
  const variables = new Map<string, MatArray>();
  const budget: Budget = { inflatedBytes: bytes.length * MAX_INFLATION + INFLATION_SLACK, arrays: MAX_ARRAYS };
  while (cursor.left > 0) {
    const body = readVariable(cursor, budget);
    if (body.left === 0) continue;
    const { name, array } = readArray(body, budget, 0);
    if (variables.has(name)) throw new InputError('mat5', `variable ${name}`, 'expected it once, got it twice');
    variables.set(name, array);
  }
  return variables;
}

/** Size of the header before the first variable. */
export const MAT_HEADER_BYTES = HEADER_BYTES;
/** Upper bound for the head of an array, which includes its name. */
export const MAT_ARRAY_HEAD_BYTES = 1024;

/** The head of an array. It locates the numbers in a file that is too large for memory. */
export interface MatArrayHead {
  readonly name: string;
  readonly dims: readonly number[];
  /** Whether the numbers are stored as unsigned bytes. */
  readonly isBytes: boolean;
  /** Offset of the numbers from the start of the variable. */
  readonly offset: number;
  readonly bytes: number;
}

/**
 * Reads the byte order of a file from its first MAT_HEADER_BYTES.
 * @throws InputError when it is not a MAT 5 file
 */
export function isLittleEndianMat5(header: Uint8Array): boolean {
  return readHeader(header).littleEndian;
}

/**
 * Decodes the 8-byte tag of a variable: whether it is compressed, and its length after the tag. The content of an
 * uncompressed variable begins with the tag itself.
 * @throws InputError when it is another tag
 */
export function readMatVariableTag(tag: Uint8Array, littleEndian: boolean): { compressed: boolean; end: number } {
  const cursor = new Cursor(tag, 'mat5', littleEndian);
  const { type, bytes } = readTag(cursor);
  if (type !== MATRIX && type !== COMPRESSED) throw cursor.error(`expected a variable, got element type ${type}`);
  return { compressed: type === COMPRESSED, end: type === COMPRESSED ? bytes : bytes + (-bytes & 7) };
}

/**
 * Decodes the head of an array.
 * @param start the first MAT_ARRAY_HEAD_BYTES of the inflated variable, or all of it if it is shorter
 * @throws InputError when it is not an array
 */
export function readMatArrayHead(start: Uint8Array, littleEndian: boolean): MatArrayHead {
  const cursor = new Cursor(start, 'mat5', littleEndian);
  const { type } = readTag(cursor);
  if (type !== MATRIX) throw cursor.error(`expected an array, got element type ${type}`);
  readNumbers(cursor); // skip flags and class: the stored element type decides
  const { dims, name } = readDimsAndName(cursor);
  const data = readTag(cursor);
  return { name, dims, isBytes: data.type === UINT8, offset: data.small ? cursor.offset - 4 : cursor.offset, bytes: data.bytes };
}

/** A cursor after the header, with the file's byte order. */
function readHeader(bytes: Uint8Array): Cursor {
  if (!isMat5(bytes)) throw new InputError('mat5', 'header', 'expected a MAT 5 file, got no endian indicator (IM or MI)');
  const cursor = new Cursor(bytes, 'mat5', bytes[126] === 'I'.charCodeAt(0));
  cursor.seek(HEADER_BYTES - 4);
  const version = cursor.uint16();
  if (version === VERSION_7_3)
    throw new InputError(
      'mat5',
      'header',
      "expected a MAT 5 file, got MAT 7.3, which is HDF5. Save it again in MATLAB with the option '-v7'",
    );
  if (version !== VERSION_5) throw new InputError('mat5', 'header', `expected version ${VERSION_5}, got ${version}`);
  cursor.seek(HEADER_BYTES);
  return cursor;
}

/** A cursor over the array of the next variable, inflated if it is compressed. */
function readVariable(cursor: Cursor, budget: Budget): Cursor {
  const { type, data } = readElement(cursor);
  if (type === MATRIX) return data;
  if (type !== COMPRESSED) throw cursor.error(`expected a variable, got element type ${type}`);
  const inner = readElement(new Cursor(inflateVariable(data, budget), 'mat5', cursor.littleEndian));
  if (inner.type !== MATRIX) throw cursor.error(`expected an array in the compressed variable, got element type ${inner.type}`);
  return inner.data;
}

function inflateVariable(data: Cursor, budget: Budget): Uint8Array {
  const fail = (problem: string, options?: ErrorOptions) => new InputError('mat5', 'compressed variable', `expected ${problem}`, options);
  let inflated: Uint8Array | undefined;
  try {
    inflated = inflate(data.take(data.left), 'zlib', budget.inflatedBytes);
  } catch (error) {
    throw fail(`zlib data, got ${(error as Error).message}`, { cause: error });
  }
  if (!inflated) throw fail(`at most ${MAX_INFLATION} times the file size after inflation, got more`);
  budget.inflatedBytes -= inflated.length;
  return inflated;
}

/** Reads the tag of an element. A small element stores its data in the tag, returned as `small`. */
function readTag(cursor: Cursor): { type: number; bytes: number; small?: Uint8Array } {
  const word = cursor.uint32();
  if (word >>> 16 === 0) return { type: word, bytes: cursor.uint32() };
  const bytes = word >>> 16;
  if (bytes > 4) throw cursor.error(`expected a small element of at most 4 bytes, got ${bytes}`);
  return { type: word & 0xffff, bytes, small: cursor.take(4).subarray(0, bytes) };
}

/** A cursor over the data of the next element, and its type. Skips the padding; compressed data has none. */
function readElement(cursor: Cursor): { type: number; data: Cursor } {
  const { type, bytes, small } = readTag(cursor);
  const data = small ?? cursor.take(bytes, 'an element');
  if (!small && type !== COMPRESSED) cursor.take(Math.min(cursor.left, -bytes & 7));
  return { type, data: new Cursor(data, 'mat5', cursor.littleEndian) };
}

function readNumbers(cursor: Cursor): NumericData {
  const { type, data } = readElement(cursor);
  const reader = numberTypes[type];
  if (!reader) throw cursor.error(`expected numbers, got element type ${type}`);
  if (data.left % reader.size !== 0) throw cursor.error(`expected a multiple of ${reader.size} bytes, got ${data.left}`);
  return reader.decode(data, data.left / reader.size);
}

/** A text element. */
function readTextElement(cursor: Cursor): { type: number; bytes: Uint8Array } {
  const { type, data } = readElement(cursor);
  if (data.left > MAX_TEXT_BYTES) throw cursor.error(`expected at most ${MAX_TEXT_BYTES} bytes of text, got ${data.left}`);
  return { type, bytes: data.bytes };
}

function readText(cursor: Cursor): string {
  return latin1(readTextElement(cursor).bytes);
}

/** Counts arrays and struct fields against the limit. */
function spend(cursor: Cursor, budget: Budget, count: number): void {
  budget.arrays -= count;
  if (budget.arrays < 0) throw cursor.error(`expected at most ${MAX_ARRAYS} arrays and fields, got more`);
}

function readArray(cursor: Cursor, budget: Budget, depth: number): { name: string; array: MatArray } {
  if (depth > MAX_DEPTH) throw cursor.error(`expected at most ${MAX_DEPTH} nested arrays, got more`);
  spend(cursor, budget, 1);
  const flags = readNumbers(cursor)[0] ?? 0;
  const classId = flags & 0xff;
  if (classId === OPAQUE_CLASS) return { name: readText(cursor), array: { kind: 'unsupported', dims: [], className: 'opaque' } };
  const { dims, count, name } = readDimsAndName(cursor);
  if (flags & COMPLEX) return { name, array: { kind: 'unsupported', dims, className: 'complex' } };
  return { name, array: readBody(cursor, classId, dims, count, budget, depth) };
}

function readDimsAndName(cursor: Cursor): { dims: number[]; count: number; name: string } {
  const sizes = readNumbers(cursor);
  if (sizes.length > MAX_DIMENSIONS) throw cursor.error(`expected at most ${MAX_DIMENSIONS} sizes, got ${sizes.length}`);
  const dims = Array.from(sizes);
  const count = elements(dims);
  if (dims.length < 2 || !dims.every((size) => Number.isSafeInteger(size) && size >= 0) || !Number.isSafeInteger(count)) {
    throw cursor.error(`expected at least two sizes, got [${dims.slice(0, 8).join(', ')}]`);
  }
  return { dims, count, name: readText(cursor) };
}

function readBody(cursor: Cursor, classId: number, dims: readonly number[], count: number, budget: Budget, depth: number): MatArray {
  const kind = classes[classId];
  if (kind === undefined) throw cursor.error(`expected an array class from 1 to 17, got ${classId}`);
  if (kind === 'cell') return { kind, dims, cells: readArrays(cursor, count, budget, depth) };
  if (kind === 'struct') return { kind, dims, fields: readFields(cursor, count, budget, depth) };
  if (kind === 'char') return { kind, dims, text: readCharacters(cursor) };
  if (classId < FIRST_NUMERIC_CLASS || classId > LAST_NUMERIC_CLASS) return { kind: 'unsupported', dims, className: kind };
  const data = readNumbers(cursor);
  if (data.length !== count) throw cursor.error(`expected ${count} numbers, got ${data.length}`);
  return { kind: 'numeric', dims, data };
}

function readCharacters(cursor: Cursor): string {
  const { type, bytes } = readTextElement(cursor);
  const encoding = characterTypes[type];
  if (!encoding) throw cursor.error(`expected characters, got element type ${type}`);
  if (encoding === 'latin1') return latin1(bytes);
  const label = encoding === 'utf-8' ? encoding : `${encoding}${cursor.littleEndian ? 'le' : 'be'}`;
  return new TextDecoder(label, { ignoreBOM: true }).decode(bytes);
}

function readArrays(cursor: Cursor, count: number, budget: Budget, depth: number): MatArray[] {
  if (count > cursor.left / 8) throw cursor.error(`expected ${count} arrays, got ${cursor.left} bytes left`);
  return Array.from({ length: count }, () => {
    const { type, data } = readElement(cursor);
    if (type !== MATRIX) throw cursor.error(`expected an array, got element type ${type}`);
    return data.left === 0 ? EMPTY : readArray(data, budget, depth + 1).array;
  });
}

function readFields(cursor: Cursor, count: number, budget: Budget, depth: number): Map<string, MatArray[]> {
  const nameLength = readNumbers(cursor)[0] ?? 0;
  const names = readText(cursor);
  if (nameLength < 1 || names.length % nameLength !== 0)
    throw cursor.error(`expected field names of ${nameLength} bytes, got ${names.length} bytes`);
  spend(cursor, budget, names.length / nameLength);
  const fieldNames = Array.from({ length: names.length / nameLength }, (_, i) => {
    const name = names.slice(i * nameLength, (i + 1) * nameLength);
    return name.slice(0, name.indexOf('\0') >>> 0);
  });
  const fields = new Map(fieldNames.map((name) => [name, [] as MatArray[]]));
  const values = readArrays(cursor, count * fieldNames.length, budget, depth);
  for (const [i, value] of values.entries()) fields.get(fieldNames[i % fieldNames.length] as string)?.push(value);
  return fields;
}

interface TypedArrayConstructor<T> {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike): T;
}

function typed<T>(cursor: Cursor, count: number, type: TypedArrayConstructor<T>): T {
  const size = type.BYTES_PER_ELEMENT;
  const aligned = cursor.take(count * size).slice(); // a copy, because typed arrays need aligned data
  if (!cursor.littleEndian) for (let i = 0; i < aligned.length; i += size) aligned.subarray(i, i + size).reverse();
  return new type(aligned.buffer);
}
