/**
 * Decodes HDF5 with the HDF Group's own library, compiled to WebAssembly (h5wasm), which sees only the file that we pass in.
 * It has 4 MB and loads in a third of a second, so we load it when the first such file is read.
 */
import type * as Library from 'h5wasm';
import { InputError } from '../../errors.ts';
import { readStrided } from '../element-types.ts';
import type { HdfArray, HdfGroup, HdfNode, HdfNumbers, HdfValue } from '../hdf5.ts';

/** Why a file cannot be read: the fields of an InputError, because an error loses its class between threads. */
export interface Failure extends Pick<InputError, 'where' | 'problem'> {
  /** The library's memory can no longer be trusted. */
  readonly crashed?: boolean;
}
export type Decoded = HdfGroup | Failure;

const FORMAT = 'hdf5';
/** Smallest size of an object's header and link. A file that lists more objects than fit has cyclic links. */
const MIN_OBJECT_BYTES = 96;
/** Keras nests name scopes a few levels deep. */
const MAX_DEPTH = 12;
/** Weights hardly compress, and bits stored as bytes compress 8:1. A file that inflates more than this is a decompression bomb. */
const MAX_INFLATION = 64;
const INFLATION_SLACK = 1 << 20;

let library: typeof Library | undefined;
let module: Awaited<typeof Library.ready> | undefined;
let crashed = false;
/** While it is true, the library does not print: it throws the same errors. */
let quiet = false;

/** Loads the library if needed. */
async function load(): Promise<void> {
  if (library) return;
  const { error } = console;
  console.error = (...said) => quiet || error.apply(console, said); // the library keeps the function that is there when it loads
  try {
    const loaded = await import('h5wasm');
    module = await loaded.ready;
    module.activate_throwing_error_handler(); // otherwise it prints its errors and continues
    library = loaded;
  } finally {
    console.error = error;
  }
}

/** Memory of the library beside what a file and its values take. */
const HEAP_BYTES = 2 ** 26;
const PAGE_BYTES = 2 ** 16;
/** Copies of a value while it is read: as stored, and converted. */
const COPIES = 3;

/** What the library may allocate. A lying length would make its memory grow to gigabytes, and it never shrinks. */
let heapLimit = HEAP_BYTES;

/** Runs a function, which is not async, while the library may neither print nor allocate more than `heapLimit`. */
function contained<T>(read: () => T): T {
  const { grow } = WebAssembly.Memory.prototype;
  WebAssembly.Memory.prototype.grow = function (this: WebAssembly.Memory, pages: number) {
    if (this.buffer.byteLength + pages * PAGE_BYTES > heapLimit) throw new RangeError('too much memory');
    return grow.call(this, pages);
  };
  quiet = true;
  try {
    return read();
  } finally {
    quiet = false;
    WebAssembly.Memory.prototype.grow = grow;
  }
}

/**
 * Decodes a file.
 * @param skipped paths of objects to skip
 */
export async function decodeHdf5(bytes: Uint8Array, skipped?: RegExp): Promise<Decoded> {
  await load();
  if (crashed)
    return { where: 'file', problem: 'expected a library in order, got one that a damaged file has crashed. Load the page again' };
  heapLimit = HEAP_BYTES + COPIES * bytes.length;
  try {
    checkHeaps(bytes);
    return contained(() => decode(bytes, skipped));
  } catch (error) {
    if (error instanceof InputError) return { where: error.where, problem: error.problem };
    crashed = error instanceof WebAssembly.RuntimeError || error instanceof RangeError; // RangeError: the stack has overflowed
    return { where: 'file', problem: `expected an intact file, got ${describeError(error)}. The file is damaged`, crashed };
  }
}

function decode(bytes: Uint8Array, skipped: RegExp | undefined): HdfGroup {
  const { FS, File } = library as typeof Library;
  if (!FS) throw new Error('a library without a memory file system');
  const name = '/file.h5';
  FS.writeFile(name, bytes);
  let file: Library.File | undefined;
  try {
    file = new File(name, 'r');
    return new Reader(file, bytes, skipped).group('/', 0);
  } finally {
    close(file);
    FS.unlink(name);
  }
}

const HEAP = Uint8Array.of(0x47, 0x43, 0x4f, 0x4c, 1, 0, 0, 0); // GCOL, version 1
const HEAP_HEADER_BYTES = 16;

/**
 * Checks the string heaps, because a damaged length in one sends the library into an endless loop. A heap is a list of
 * objects (index, count, length, data padded to 8 bytes) that ends with the free space, index 0.
 * Source: HDF5 File Format Specification, III.E.
 */
function checkHeaps(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let start = bytes.indexOf(HEAP[0] as number); start >= 0; start = bytes.indexOf(HEAP[0] as number, start + 1)) {
    if (!HEAP.every((byte, i) => bytes[start + i] === byte) || start + 2 * HEAP_HEADER_BYTES > bytes.length) continue;
    const end = start + Number(view.getBigUint64(start + 8, true));
    const fail = () =>
      new InputError(FORMAT, `heap at byte ${start}`, 'expected strings that fill it, got other lengths. The file is damaged');
    if (!(end <= bytes.length && end > start)) throw fail();
    for (let at = start + HEAP_HEADER_BYTES; at + HEAP_HEADER_BYTES <= end; ) {
      const index = view.getUint16(at, true);
      const length = Number(view.getBigUint64(at + 8, true));
      const size = index === 0 ? length : HEAP_HEADER_BYTES + length + (-length & 7);
      if (!(size >= HEAP_HEADER_BYTES && at + size <= end)) throw fail();
      at += size;
    }
  }
}

/** Closes a file and ignores errors: closing a damaged file can fail, too. */
function close(file: Library.File | undefined): void {
  try {
    file?.close();
  } catch {}
}

/** The innermost informative line of a library error, which is a call stack. */
function describeError(error: unknown): string {
  const lines = (error instanceof Error ? error.message : String(error)).split('\n').map((line) => line.trim());
  return lines.findLast((line) => line !== '' && !/^(major|minor):/.test(line))?.replace(/^.*\(\): /, '') ?? 'an error';
}

class Reader {
  /** Remaining limits: number of objects, and bytes of values. */
  #objects: number;
  #left: number;

  constructor(
    readonly file: Library.File,
    readonly bytes: Uint8Array,
    readonly skipped: RegExp | undefined,
  ) {
    this.#objects = Math.ceil(bytes.length / MIN_OBJECT_BYTES);
    this.#left = bytes.length * MAX_INFLATION + INFLATION_SLACK;
  }

  group(path: string, depth: number): HdfGroup {
    if (depth > MAX_DEPTH) throw new InputError(FORMAT, `group ${path}`, `expected at most ${MAX_DEPTH} nested groups, got more`);
    const group = this.file.get(path) as Library.Group;
    const members = new Map<string, HdfNode>();
    for (const name of group.keys()) {
      const inner = `${path === '/' ? '' : path}/${name}`;
      if (--this.#objects < 0)
        throw new InputError(FORMAT, `group ${path}`, 'expected no more objects than fit into the file, got cyclic links');
      if (this.skipped?.test(inner)) continue;
      const node = group.get(name);
      if (node && 'keys' in node) members.set(name, this.group(inner, depth + 1));
      else if (node && 'metadata' in node && 'shape' in node) members.set(name, this.array(node as Library.Dataset, inner));
    }
    return { kind: 'group', attributes: this.attributes(group), members };
  }

  array(node: Library.Dataset, path: string): HdfArray {
    const shape = node.shape ?? [];
    const read = () => (isHalf(node.metadata) ? this.#halves(node, path) : node.value);
    return { kind: 'array', attributes: this.attributes(node), shape, value: this.#value(path, node.metadata, read) };
  }

  attributes(node: Library.Group | Library.Dataset): Map<string, HdfValue> {
    const attributes = new Map<string, HdfValue>();
    for (const [name, attribute] of Object.entries(node.attrs))
      attributes.set(
        name,
        this.#value(`${node.path} attribute ${name}`, attribute.metadata, () => (isHalf(attribute.metadata) ? null : attribute.value)),
      );
    return attributes;
  }

  /** Reads a value after its size is checked. */
  #value(
    where: string,
    { size, total_size: count, littleEndian, type }: Library.Metadata,
    read: () => Library.OutputData | null,
  ): HdfValue {
    this.#left -= size * count;
    if (!(this.#left >= 0)) throw new InputError(FORMAT, where, `expected at most ${MAX_INFLATION} times the file size in total, got more`);
    if (isNumber(type) && (size > 8 || (size > 1 && !littleEndian) || (type === FLOAT && size < 2)))
      throw new InputError(
        FORMAT,
        where,
        `expected little-endian integers or floats of 16, 32 or 64 bits, got ${8 * size} bits${littleEndian ? '' : ', big-endian'}`,
      );
    heapLimit = Math.max(heapLimit, HEAP_BYTES + COPIES * (this.bytes.length + size * count));
    const value = read();
    if (typeof value === 'string') return [value];
    if (ArrayBuffer.isView(value)) return value as HdfNumbers;
    if (!Array.isArray(value)) return null;
    const items = (value as unknown[]).map((item) => (typeof item === 'string' ? item : this.#pathOf(item)));
    return items.every((item) => item !== null) ? (items as string[]) : null;
  }

  /** Values of an array of float16, which the library reads but does not convert. */
  #halves({ file_id, path, metadata }: Library.Dataset, where: string): Float32Array {
    if (this.#holdsBfloat16())
      throw new InputError(FORMAT, where, 'expected float16, float32 or float64, got bfloat16. Save it as float32');
    const { _malloc, _free, get_dataset_data } = module as NonNullable<typeof module>;
    const bytes = metadata.size * metadata.total_size;
    const at = _malloc(bytes);
    if (at === 0 && bytes > 0) throw new Error('too much memory');
    try {
      get_dataset_data(file_id, path, null, null, null, BigInt(at));
      const raw = module?.HEAPU8.slice(at, at + bytes) as Uint8Array;
      return Float32Array.from(readStrided(raw, { type: 'float16', shape: [metadata.total_size], strides: [1] }));
    } finally {
      _free(at);
    }
  }

  #holdsBfloat16(): boolean {
    const { bytes } = this;
    const bias = 12; // the rarest byte: others of the pattern are zero
    for (let at = bytes.indexOf(BFLOAT16[bias] as number); at >= 0; at = bytes.indexOf(BFLOAT16[bias] as number, at + 1))
      if (BFLOAT16.every((byte, i) => bytes[at - bias + i] === byte)) return true;
    return false;
  }

  /** Path of the referenced object; null if the item is not a reference. */
  #pathOf(item: unknown): string | null {
    const Reference = library?.Reference;
    if (!Reference || !(item instanceof Reference)) return null;
    const target = this.file.dereference(item);
    return target && 'path' in target && typeof target.path === 'string' ? target.path : null;
  }
}

/** The library's type classes for integers and floats. */
const FLOAT = 1;
const isNumber = (type: number) => type === 0 || type === FLOAT;
const isHalf = ({ type, size }: Library.Metadata) => type === FLOAT && size === 2;
/**
 * The type of bfloat16 in a file, from its size on: precision 16 at bit 0, exponent of 8 bits at bit 7, mantissa of 7 bits at bit 0,
 * bias 127. Source: HDF5 File Format Specification, IV.A.2.d.
 */
const BFLOAT16 = Uint8Array.of(2, 0, 0, 0, 0, 0, 16, 0, 7, 8, 0, 7, 127, 0, 0, 0);
