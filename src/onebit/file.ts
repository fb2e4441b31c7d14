/** The numbers of one of our ONNX files with one-bit weights, where they lie in the file. */
import { readCalls, readInitializers, readMetadataPairs, type StoredTensor } from '../../proto/reader.ts';
import { InputError } from '../errors.ts';
import { elements } from '../formats/shape.ts';
import { type Metadata, readMetadata } from '../network/file-metadata.ts';
import { LAYERED_DOMAIN, partsOf } from '../network/layered.ts';
import { packedLength } from '../network/sign.ts';

/** Forms whose numbers the kernels run. */
const RUNNABLE = ['packed', 'inline', 'int8', 'int8-amx'];

/** Values of TensorProto.DataType. */
const TYPES = { float32: 1, uint8: 2, int32: 6, int64: 7 } as const;
type TypeName = keyof typeof TYPES;
const SIZES = { float32: 4, uint8: 1, int32: 4, int64: 8 } as const;

/**
 * Opens a file that `wrn-onnx export` wrote in the form `packed`, `inline`, `int8` or `int8-amx`.
 * @throws InputError for any other file, saying what to do
 */
export function readOneBitFile(bytes: Uint8Array): OneBitFile {
  const metadata = readMetadata(readMetadataPairs(bytes));
  if (!metadata)
    throw new InputError('onnx', 'metadata', 'expected a file exported by wrn-onnx, got none of its metadata. Run it with onnxruntime');
  const { form, config } = metadata;
  if (!RUNNABLE.includes(form)) {
    const advice = 'Export the model in one of them, or run this file with onnxruntime';
    throw new InputError('onnx', 'metadata wrn.form', `expected ${RUNNABLE.join(', ')}, got ${form}. ${advice}`);
  }
  if (config.bits !== 1 && config.endBits !== 1)
    throw new InputError('onnx', 'metadata wrn.config', 'expected one-bit weights, got 32 bits in every layer. Run it with onnxruntime');
  return new OneBitFile(metadata, readNumbers(bytes));
}

/** Initializers, and what the attributes of calls hold, which is nothing in files of version 1. */
function readNumbers(bytes: Uint8Array): Map<string, StoredTensor> {
  const numbers = readInitializers(bytes);
  for (const { type, output, attributes } of readCalls(bytes, LAYERED_DOMAIN)) {
    for (const { name: attribute, read } of attributes) {
      const parts = partsOf(type, output, attribute);
      const value = parts.length > 0 ? read() : undefined;
      if (!value) continue; // whoever needs it says that it is missing
      for (const { name, half } of parts) {
        if (numbers.has(name)) throw new InputError('onnx', `tensor ${name}`, 'expected one tensor of this name, got two');
        numbers.set(name, half === undefined ? value : halfOf(value, half));
      }
    }
  }
  return numbers;
}

function halfOf({ name, type, dims, raw }: StoredTensor, half: 0 | 1): StoredTensor {
  const [count, bytes] = [elements(dims) / 2, raw.length / 2];
  return { name, type, dims: [count], raw: raw.subarray(half * bytes, (half + 1) * bytes) };
}

/** Stored numbers by name; each is checked where it is asked for. */
export class OneBitFile {
  readonly metadata: Metadata;
  readonly #tensors: ReadonlyMap<string, StoredTensor>;

  constructor(metadata: Metadata, tensors: ReadonlyMap<string, StoredTensor>) {
    this.metadata = metadata;
    this.#tensors = tensors;
  }

  /** Whether activations have 8 bits. */
  get runsIntegers(): boolean {
    return this.metadata.form === 'int8' || this.metadata.form === 'int8-amx';
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  /**
   * Finite float32 values.
   * @param counts how many there may be
   * @throws InputError when the tensor is missing, of another type or size, or holds a value that is not finite
   */
  floats(name: string, ...counts: readonly number[]): Float32Array {
    const values = new Float32Array(this.#copy(name, 'float32', counts));
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) throw new InputError('onnx', `tensor ${name}`, `expected finite values, got ${values[bad]} at index ${bad}`);
    return values;
  }

  /** One float32 above 0. */
  scale(name: string): number {
    const [value] = this.floats(name, 1) as unknown as [number];
    if (value > 0) return value;
    throw new InputError('onnx', `tensor ${name}`, `expected a scale above 0, got ${value}`);
  }

  byte(name: string): number {
    return this.#raw(name, 'uint8', [1])[0] as number;
  }

  integers(name: string, count: number): Int32Array {
    return new Int32Array(this.#copy(name, 'int32', [count]));
  }

  /** The packed signs of a convolution, in the file's own memory. @param shape OIHW */
  bits(layer: string, shape: readonly number[]): Uint8Array {
    if (this.metadata.version === 1) this.#checkShape(layer, shape);
    const count = elements(shape);
    const bits = this.#raw(`${layer}.bits`, 'uint8', [packedLength(count)]);
    if (count % 8 !== 0 && (bits.at(-1) as number) & (0xff >> (count % 8))) {
      throw new InputError('onnx', `tensor ${layer}.bits`, `expected zeros after the last of ${count} bits, got others`);
    }
    return bits;
  }

  /** Version 1 stores the shape beside the bits. */
  #checkShape(layer: string, shape: readonly number[]): void {
    const stored = new BigInt64Array(this.#copy(`${layer}.shape`, 'int64', [shape.length]));
    if (stored.join() !== shape.join())
      throw new InputError('onnx', `tensor ${layer}.shape`, `expected [${shape.join(', ')}], got [${stored.join(', ')}]`);
  }

  /** A copy: bytes inside a file need not be aligned. (`slice` of a Buffer would be none.) */
  #copy(name: string, type: TypeName, counts: readonly number[]): ArrayBuffer {
    return new Uint8Array(this.#raw(name, type, counts)).buffer;
  }

  #raw(name: string, type: TypeName, counts: readonly number[]): Uint8Array {
    const tensor = this.#tensors.get(name);
    const expected = counts.join(' or ');
    if (!tensor) throw new InputError('onnx', `tensor ${name}`, `expected ${expected} values of ${type}, got nothing`);
    if (tensor.type !== TYPES[type]) throw new InputError('onnx', `tensor ${name}`, `expected ${type}, got data type ${tensor.type}`);
    const count = elements(tensor.dims);
    if (!counts.includes(count)) throw new InputError('onnx', `tensor ${name}`, `expected ${expected} values, got ${count}`);
    if (tensor.raw.length !== count * SIZES[type])
      throw new InputError('onnx', `tensor ${name}`, `expected ${count * SIZES[type]} bytes, got ${tensor.raw.length}`);
    return tensor.raw;
  }
}
