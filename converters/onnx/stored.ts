/** Values of stored tensors, for every type of weights and of the tensors that weights are computed from. */
import { Float16Array } from '@petamoriken/float16';
import { DataType, type TensorProto, toNumber } from '../../proto/onnx.ts';
import { InputError } from '../../src/errors.ts';
import { elements } from '../../src/formats/shape.ts';
import { doubles, floats } from './graph.ts';
import { dimsOf } from './initializer.ts';

/** A value with its ONNX data type. Half-precision numbers are held as float32, integers as numbers; both are exact. */
export interface TypedValues {
  readonly type: number;
  readonly dims: readonly number[];
  readonly data: ArrayLike<number>;
}

/** Types of weights in layers that compute with floats. */
export const FLOATS: ReadonlySet<number> = new Set([DataType.FLOAT, DataType.FLOAT16, DataType.BFLOAT16, DataType.DOUBLE]);
/** Types of weights in layers that compute with integers. */
export const EIGHT_BIT: ReadonlySet<number> = new Set([DataType.INT8, DataType.UINT8]);

interface StoredType {
  readonly bytes: number;
  read(view: DataView, at: number): number;
  /** The field for values that are not in `raw_data`, and how to decode it. */
  readonly field: 'float_data' | 'double_data' | 'int32_data' | 'int64_data' | 'uint64_data';
  decode?(value: number): number;
}

const halfOf = (bits: number): number => new Float16Array(Uint16Array.of(bits).buffer)[0] as number;
/** A bfloat16 is the upper half of a float32. */
const brainOf = (bits: number): number => new Float32Array(Uint32Array.of(bits * 2 ** 16).buffer)[0] as number;

const storedTypes = new Map<number, StoredType>([
  [DataType.FLOAT, { bytes: 4, read: (view, at) => view.getFloat32(at, true), field: 'float_data' }],
  [DataType.DOUBLE, { bytes: 8, read: (view, at) => view.getFloat64(at, true), field: 'double_data' }],
  [DataType.FLOAT16, { bytes: 2, read: (view, at) => halfOf(view.getUint16(at, true)), field: 'int32_data', decode: halfOf }],
  [DataType.BFLOAT16, { bytes: 2, read: (view, at) => brainOf(view.getUint16(at, true)), field: 'int32_data', decode: brainOf }],
  [DataType.INT8, { bytes: 1, read: (view, at) => view.getInt8(at), field: 'int32_data' }],
  [DataType.UINT8, { bytes: 1, read: (view, at) => view.getUint8(at), field: 'int32_data' }],
  [DataType.BOOL, { bytes: 1, read: (view, at) => view.getUint8(at), field: 'int32_data' }],
  [DataType.INT16, { bytes: 2, read: (view, at) => view.getInt16(at, true), field: 'int32_data' }],
  [DataType.UINT16, { bytes: 2, read: (view, at) => view.getUint16(at, true), field: 'int32_data' }],
  [DataType.INT32, { bytes: 4, read: (view, at) => view.getInt32(at, true), field: 'int32_data' }],
  [DataType.INT64, { bytes: 8, read: (view, at) => Number(view.getBigInt64(at, true)), field: 'int64_data' }],
]);

/** An empty array that holds values of a type without loss. */
export function arrayOf(type: number, length: number): Float32Array | Float64Array | Int8Array | Uint8Array {
  if (type === DataType.FLOAT || type === DataType.FLOAT16 || type === DataType.BFLOAT16) return new Float32Array(length);
  if (type === DataType.INT8 || type === DataType.INT4) return new Int8Array(length);
  const isByte = type === DataType.UINT8 || type === DataType.UINT4 || type === DataType.BOOL;
  return isByte ? new Uint8Array(length) : new Float64Array(length);
}

/**
 * Values of a tensor whose bytes are in the file; undefined for unsupported types.
 * @throws InputError when their number does not fit the shape
 */
export function storedValues(tensor: TensorProto): TypedValues | undefined {
  const type = tensor.data_type ?? DataType.UNDEFINED;
  if (type === DataType.INT4 || type === DataType.UINT4) return halfBytes(tensor, type);
  const stored = storedTypes.get(type);
  if (!stored) return undefined;
  const dims = dimsOf(tensor);
  const { raw_data: raw } = tensor;
  const fields = tensor[stored.field] ?? [];
  const count = raw?.length ? Math.floor(raw.length / stored.bytes) : fields.length;
  if (count !== elements(dims)) throw new InputError('onnx', `tensor ${tensor.name}`, `expected ${elements(dims)} values, got ${count}`);
  const data = arrayOf(type, count);
  if (raw?.length) {
    if (type === DataType.FLOAT) new Uint8Array(data.buffer).set(raw.subarray(0, data.byteLength));
    else {
      const view = new DataView(raw.buffer, raw.byteOffset, raw.length);
      for (let i = 0; i < count; i++) data[i] = stored.read(view, i * stored.bytes);
    }
  } else {
    const { decode = (value: number) => value } = stored;
    for (const [i, value] of fields.entries())
      data[i] = decode(typeof value === 'number' ? value : toNumber(value, `tensor ${tensor.name}`));
  }
  return { type, dims, data };
}

/** Two values per byte, the first in the lower half; the last byte may be half full. */
function halfBytes(tensor: TensorProto, type: number): TypedValues {
  const dims = dimsOf(tensor);
  const bytes = tensor.raw_data?.length ? tensor.raw_data : Uint8Array.from(tensor.int32_data ?? []);
  const length = elements(dims);
  if (bytes.length !== Math.ceil(length / 2))
    throw new InputError(
      'onnx',
      `tensor ${tensor.name}`,
      `expected ${length} values in ${Math.ceil(length / 2)} bytes, got ${bytes.length}`,
    );
  const data = arrayOf(type, length);
  for (let i = 0; i < length; i++) {
    const half = ((bytes[i >> 1] as number) >> (i % 2 === 0 ? 0 : 4)) & 15;
    data[i] = type === DataType.INT4 && half > 7 ? half - 16 : half;
  }
  return { type, dims, data };
}

/** A tensor of these values: the inverse, for the types of weights. */
export function encodeValues({ type, dims, data }: TypedValues): TensorProto {
  if (type === DataType.FLOAT) return floats(dims, Float32Array.from(data));
  if (type === DataType.DOUBLE) return doubles(dims, Float64Array.from(data));
  const bytes = (raw: Int8Array | Uint8Array | Uint16Array) => ({ dims: [...dims], data_type: type, raw_data: new Uint8Array(raw.buffer) });
  if (type === DataType.INT8) return bytes(Int8Array.from(data));
  if (type === DataType.UINT8) return bytes(Uint8Array.from(data));
  if (type === DataType.FLOAT16) return bytes(new Uint16Array(Float16Array.from(data).buffer));
  return bytes(Uint16Array.from(new Uint32Array(Float32Array.from(data).buffer), (word) => word >>> 16)); // bfloat16
}
