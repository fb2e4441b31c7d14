/**
 * safetensors: an 8-byte little-endian header length, a JSON header (name -> dtype, shape, data_offsets), then
 * the data, contiguous and without gaps. Source: github.com/huggingface/safetensors, "Format".
 */
import { InputError } from '../errors.ts';
import { type ElementName, elementTypes, readStrided } from './element-types.ts';
import { describeJson } from './json.ts';
import { denseStrides, elements } from './shape.ts';

export interface StoredTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** The tensor's bytes, little-endian. A tensor that was read is a view into the file. */
  readonly bytes: Uint8Array;
}

export interface SafetensorsFile {
  readonly metadata: ReadonlyMap<string, string>;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

const FORMAT = 'safetensors';
/** The limit of the reference implementation. */
const MAX_HEADER_BYTES = 100_000_000;
const LENGTH_BYTES = 8;
const ALIGNMENT = 8;
const SPACE = 0x20;

/** Supported types. A file with another type is an error. */
const dtypes: ReadonlyMap<string, ElementName> = new Map(
  Object.entries({
    ...{ BOOL: 'bool', U8: 'uint8', I8: 'int8', U16: 'uint16', I16: 'int16', U32: 'uint32', I32: 'int32', U64: 'uint64', I64: 'int64' },
    ...{ F16: 'float16', BF16: 'bfloat16', F32: 'float32', F64: 'float64' },
  } as const),
);

/** Whether the bytes begin like a safetensors file: a plausible length, then a JSON object. */
export function isSafetensors(bytes: Uint8Array): boolean {
  if (bytes.length < LENGTH_BYTES + 2 || bytes[LENGTH_BYTES] !== '{'.charCodeAt(0)) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return view.getBigUint64(0, true) <= BigInt(bytes.length - LENGTH_BYTES);
}

/**
 * Decodes a file. The tensors are views, not copies.
 * @throws InputError when lengths, types, shapes or offsets are inconsistent
 */
export function readSafetensors(bytes: Uint8Array): SafetensorsFile {
  if (bytes.length < LENGTH_BYTES) throw new InputError(FORMAT, 'header', `expected at least ${LENGTH_BYTES} bytes, got ${bytes.length}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Number(view.getBigUint64(0, true));
  const limit = Math.min(MAX_HEADER_BYTES, bytes.length - LENGTH_BYTES);
  if (length > limit) throw new InputError(FORMAT, 'header', `expected a length of at most ${limit}, got ${length}`);
  // always a plain Uint8Array, because slicing a Buffer does not copy
  const data = new Uint8Array(bytes.buffer, bytes.byteOffset + LENGTH_BYTES + length, bytes.length - LENGTH_BYTES - length);
  const entries = Object.entries(parseHeader(bytes.subarray(LENGTH_BYTES, LENGTH_BYTES + length)));
  const metadata = new Map<string, string>();
  const tensors = new Map<string, StoredTensor>();
  for (const [name, entry] of entries) {
    if (name === '__metadata__') for (const [key, value] of Object.entries(objectOf(entry, name))) metadata.set(key, textOf(value, key));
    else tensors.set(name, readEntry(name, objectOf(entry, `tensor ${name}`), data));
  }
  const ranges = [...tensors.values()]
    .map(({ bytes: b }) => [b.byteOffset - data.byteOffset, b.byteLength] as const)
    .sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  let end = 0;
  for (const [offset, size] of ranges) {
    if (offset !== end) throw new InputError(FORMAT, 'data', `expected the next tensor at offset ${end}, got ${offset}`);
    end += size;
  }
  if (end !== data.length) throw new InputError(FORMAT, 'data', `expected ${end} bytes, got ${data.length}`);
  return { metadata, tensors };
}

/** The tensors as numbers. Values are decoded on demand, row-major. */
export function readSafetensorsValues({
  tensors,
}: SafetensorsFile): Map<string, { type: ElementName; shape: readonly number[]; values(): Float64Array }> {
  return new Map(
    [...tensors].map(([name, { dtype, shape, bytes }]) => {
      const type = dtypes.get(dtype) as ElementName;
      return [name, { type, shape, values: () => readStrided(bytes, { type, shape, strides: denseStrides(shape) }) }];
    }),
  );
}

/**
 * Parses a metadata entry that holds JSON.
 * @param format of the file, for the error
 * @throws InputError when it is missing or not JSON
 */
export function metadataJson({ metadata }: SafetensorsFile, key: string, format: string): unknown {
  try {
    return JSON.parse(metadata.get(key) ?? '');
  } catch {
    throw new InputError(format, `metadata ${key}`, 'expected JSON, got something else');
  }
}

/** Encodes a file. The same tensors in the same order give the same bytes. */
export function writeSafetensors({ metadata, tensors }: SafetensorsFile): Uint8Array {
  const header: [string, unknown][] = [['__metadata__', Object.fromEntries(metadata)]];
  let end = 0;
  for (const [name, { dtype, shape, bytes }] of tensors) {
    header.push([name, { dtype, shape, data_offsets: [end, end + bytes.length] }]);
    end += bytes.length;
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const text = new Uint8Array(Math.ceil(json.length / ALIGNMENT) * ALIGNMENT).fill(SPACE);
  text.set(json);
  const file = new Uint8Array(LENGTH_BYTES + text.length + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
  file.set(text, LENGTH_BYTES);
  let offset = LENGTH_BYTES + text.length;
  for (const { bytes } of tensors.values()) {
    file.set(bytes, offset);
    offset += bytes.length;
  }
  return file;
}

function parseHeader(bytes: Uint8Array): Record<string, unknown> {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new InputError(FORMAT, 'header', 'expected JSON in UTF-8, got something else');
  }
  return objectOf(json, 'header');
}

function objectOf(value: unknown, where: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new InputError(FORMAT, where, `expected a JSON object, got ${describeJson(value)}`);
}

function textOf(value: unknown, key: string): string {
  if (typeof value === 'string') return value;
  throw new InputError(FORMAT, `metadata ${key}`, `expected text, got ${describeJson(value)}`);
}

function readEntry(name: string, entry: Record<string, unknown>, data: Uint8Array): StoredTensor {
  const { dtype, shape, data_offsets: offsets } = entry;
  const fail = (field: string, expected: string, got: unknown) =>
    new InputError(FORMAT, `tensor ${name}`, `expected ${field} ${expected}, got ${describeJson(got)}`);
  const type = typeof dtype === 'string' ? dtypes.get(dtype) : undefined;
  if (typeof dtype !== 'string' || type === undefined) throw fail('dtype', [...dtypes.keys()].join(', '), dtype);
  const size = elementTypes[type].bytes;
  const naturals = (value: unknown): value is number[] => Array.isArray(value) && value.every((v) => Number.isSafeInteger(v) && v >= 0);
  if (!naturals(shape)) throw fail('shape', 'of whole numbers', shape);
  if (!naturals(offsets) || offsets.length !== 2) throw fail('data_offsets', 'of two whole numbers', offsets);
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > data.length) throw fail('data_offsets', `within ${data.length} bytes`, offsets);
  if (elements(shape) * size !== end - begin) throw fail('data_offsets', `${elements(shape) * size} bytes apart`, offsets);
  return { dtype, shape, bytes: data.subarray(begin, end) };
}
