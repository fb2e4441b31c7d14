/** Reads and writes ONNX files; knows the format, but nothing about networks. */
import { Reader } from 'protobufjs/minimal.js';
import { InputError } from '../src/errors.ts';
import { onnx } from './generated/onnx.js';

export type ModelProto = onnx.ModelProto.$Properties;
export type GraphProto = onnx.GraphProto.$Properties;
export type FunctionProto = onnx.FunctionProto.$Properties;
export type NodeProto = onnx.NodeProto.$Properties;
export type AttributeProto = onnx.AttributeProto.$Properties;
export type TensorProto = onnx.TensorProto.$Properties;
export type ValueInfoProto = onnx.ValueInfoProto.$Properties;
export type TypeProto = onnx.TypeProto.$Properties;

export const DataType = onnx.TensorProto.DataType;
export const AttributeType = onnx.AttributeProto.AttributeType;

/** The size limit of a protobuf message; larger models keep their weights in external files. */
export const MAX_MODEL_BYTES = 2 ** 31 - 1;

/**
 * Decodes an ONNX file. Unknown fields are kept, and `encodeModel` writes them again.
 * @throws InputError when the bytes are not an ONNX model.
 */
export function decodeModel(bytes: Uint8Array): ModelProto {
  if (bytes.length > MAX_MODEL_BYTES) throw new InputError('onnx', 'file', `expected at most 2 GiB, got ${bytes.length} bytes`);
  const reader = Reader.create(plain(bytes));
  reader.discardUnknown = false;
  let model: ModelProto;
  try {
    model = onnx.ModelProto.decode(reader);
  } catch (error) {
    throw new InputError('onnx', `at byte ${reader.pos}`, `expected a protobuf message, got ${(error as Error).message}`, { cause: error });
  }
  if (!model.graph) throw new InputError('onnx', 'graph', 'expected a model with a graph, got none');
  if (!model.opset_import?.length) throw new InputError('onnx', 'opset_import', 'expected at least one operator set, got none');
  return model;
}

/** Encodes a model. The same model gives the same bytes. */
export function encodeModel(model: ModelProto): Uint8Array {
  return plain(onnx.ModelProto.encode(model).finish());
}

/** A Buffer as a Uint8Array on the same memory: protobufjs slices its input, and Buffer's `slice` does not copy. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

/**
 * An integer field as a number; absent fields are 0.
 * @throws InputError beyond 2^53, where numbers are not exact.
 */
export function toNumber(value: number | { toNumber(): number } | null | undefined, where = 'integer'): number {
  const number = typeof value === 'object' && value !== null ? value.toNumber() : (value ?? 0);
  if (!Number.isSafeInteger(number)) throw new InputError('onnx', where, `expected an integer below 2^53, got ${number}`);
  return number;
}
