/** Values of a stored tensor, from any of the fields that may hold them. */
import { DataType, type TensorProto, toNumber } from '../../proto/onnx.ts';
import { InputError } from '../../src/errors.ts';
import { elements } from '../../src/formats/shape.ts';

/** Whether the values are in another file. */
export function isExternal(tensor: TensorProto): boolean {
  return (tensor.external_data?.length ?? 0) > 0;
}

/** Shape of a tensor. */
export function dimsOf(tensor: TensorProto): number[] {
  return (tensor.dims ?? []).map((size) => toNumber(size, `${tensor.name} dims`));
}

/**
 * Float32 values of a tensor from `raw_data` or `float_data`.
 * @throws InputError when type, count or location differ.
 */
export function floatsOf(tensor: TensorProto): Float32Array {
  const name = `tensor ${tensor.name}`;
  if (tensor.data_type !== DataType.FLOAT) throw new InputError('onnx', name, `expected float32, got ${typeName(tensor.data_type)}`);
  if (isExternal(tensor)) throw new InputError('onnx', name, 'expected the values in the file, got a reference to another file');
  const count = elements(dimsOf(tensor));
  const values = tensor.raw_data?.length ? rawFloats(tensor.raw_data) : Float32Array.from(tensor.float_data ?? []);
  if (values.length !== count) throw new InputError('onnx', name, `expected ${count} values, got ${values.length}`);
  return values;
}

/**
 * Bytes of a uint8 tensor from `raw_data` or `int32_data`.
 * @throws InputError when the type or the count is another.
 */
export function bytesOf(tensor: TensorProto): Uint8Array {
  const name = `tensor ${tensor.name}`;
  if (tensor.data_type !== DataType.UINT8) throw new InputError('onnx', name, `expected uint8, got ${typeName(tensor.data_type)}`);
  const bytes = tensor.raw_data?.length ? tensor.raw_data : Uint8Array.from(tensor.int32_data ?? []);
  const count = elements(dimsOf(tensor));
  if (bytes.length !== count) throw new InputError('onnx', name, `expected ${count} bytes, got ${bytes.length}`);
  return bytes;
}

/**
 * Integers of an int64 tensor from `raw_data` or `int64_data`.
 * @throws InputError when type or count differ, or a value is not exact as a number.
 */
export function int64sOf(tensor: TensorProto): number[] {
  const name = `tensor ${tensor.name}`;
  if (tensor.data_type !== DataType.INT64) throw new InputError('onnx', name, `expected int64, got ${typeName(tensor.data_type)}`);
  const raw = tensor.raw_data ?? new Uint8Array();
  const view = new DataView(raw.buffer, raw.byteOffset, raw.length);
  const values = raw.length
    ? Array.from({ length: Math.floor(raw.length / 8) }, (_, i) => toNumber(Number(view.getBigInt64(i * 8, true)), name))
    : (tensor.int64_data ?? []).map((value) => toNumber(value, name));
  const count = elements(dimsOf(tensor));
  if (values.length !== count) throw new InputError('onnx', name, `expected ${count} values, got ${values.length}`);
  return values;
}

/**
 * Compares the shape of a tensor in a file with that of the topology.
 * @throws InputError when they differ.
 */
export function checkShape(name: string, got: readonly number[], expected: readonly number[]): void {
  if (got.join() !== expected.join())
    throw new InputError('onnx', `tensor ${name}`, `expected shape [${expected.join(', ')}], got [${got.join(', ')}]`);
}

/** Name of a data type, e.g. `float32`. */
export function typeName(type: number | null | undefined): string {
  const name = Object.entries(DataType).find(([, value]) => value === type)?.[0];
  return name === undefined ? `type ${type}` : name === 'FLOAT' ? 'float32' : name.toLowerCase();
}

/** Bits of one value of a data type; null for strings and unknown types. */
export function bitsOfType(type: number | null | undefined): number | null {
  const name = typeName(type);
  const bits = { bool: 8, double: 64 }[name] ?? Number(/^[a-z]+(\d+)/.exec(name)?.[1]);
  return bits || null;
}

/** Bytes of a tensor's values in this file; 0 when they are in another file. */
export function storedBytes(tensor: TensorProto): number {
  if (isExternal(tensor)) return 0;
  if (tensor.raw_data?.length) return tensor.raw_data.length;
  const length = (values: readonly unknown[] | null | undefined) => values?.length ?? 0;
  const strings = (tensor.string_data ?? []).reduce((sum, text) => sum + text.length, 0);
  const small = Math.ceil((length(tensor.int32_data) * Math.min(32, bitsOfType(tensor.data_type) ?? 32)) / 8);
  const wide = length(tensor.double_data) + length(tensor.int64_data) + length(tensor.uint64_data);
  return strings + small + 4 * length(tensor.float_data) + 8 * wide;
}

function rawFloats(raw: Uint8Array): Float32Array {
  const values = new Float32Array(Math.floor(raw.length / 4)); // a copy: bytes inside a file need not be aligned
  new Uint8Array(values.buffer).set(raw.subarray(0, values.byteLength));
  return values;
}
