/** Tensors with values in another file beside the model (onnx, docs/ExternalData.md). */
import {
  decodeModel,
  encodeModel,
  type GraphProto,
  MAX_MODEL_BYTES,
  type ModelProto,
  type NodeProto,
  type TensorProto,
} from '../../proto/onnx.ts';
import { InputError } from '../../src/errors.ts';
import { elements } from '../../src/formats/shape.ts';
import { bitsOfType, dimsOf, isExternal } from './initializer.ts';
import { graphsOf } from './nodes.ts';

/**
 * Reads `length` bytes at `offset` of the file `location`, a path relative to the model's folder.
 * @throws InputError when there is no such file, it is too short, or the path leaves the folder
 */
export type ReadExternal = (location: string, offset: number, length: number) => Uint8Array;

/** How to read the values of external tensors, and where to write those that stay external. */
export interface ExternalData {
  readonly read: ReadExternal;
  /** Names the new data file beside the new model, from its content. */
  nameData(data: Uint8Array): string;
}

/** Limit for all tensors together: they are held in memory, and arrays in Node 20 hold no more. A sparse file may claim any size. */
const MAX_BYTES = 2 ** 32;

/** Values start at page boundaries, so that runtimes can map the file into memory. */
const PAGE = 4096;

/**
 * The bytes of an external tensor.
 * @throws InputError when its location is invalid or cannot be read
 */
function readExternal(tensor: TensorProto, read: ReadExternal | undefined): Uint8Array {
  const where = `tensor ${tensor.name}`;
  const entries = new Map((tensor.external_data ?? []).map(({ key, value }) => [key, value ?? '']));
  const location = entries.get('location');
  if (!location) throw new InputError('onnx', where, 'expected the location of its external data, got none');
  if (!read) throw new InputError('onnx', where, `expected its values in the file, got a reference to ${location}`);
  const size = sizeOf(tensor);
  const offset = Number(entries.get('offset') ?? 0);
  const length = Number(entries.get('length') ?? size);
  if (!Number.isSafeInteger(offset) || offset < 0) throw new InputError('onnx', where, `expected an offset, got ${entries.get('offset')}`);
  if (length !== size) throw new InputError('onnx', where, `expected ${size} bytes of external data, got ${entries.get('length')}`);
  return read(location, offset, size);
}

/**
 * The same tensor with its values inside; unchanged if they are inside already.
 * @throws InputError as `readExternal`
 */
export function localTensor(tensor: TensorProto, read: ReadExternal | undefined): TensorProto {
  if (!isExternal(tensor)) return tensor;
  return { ...tensor, raw_data: readExternal(tensor, read), external_data: [], data_location: null };
}

/** Bytes of an external tensor, from its shape. */
function sizeOf(tensor: TensorProto): number {
  const where = `tensor ${tensor.name}`;
  const bits = bitsOfType(tensor.data_type);
  if (bits === null) throw new InputError('onnx', where, `expected numbers in external data, got data type ${tensor.data_type}`);
  const size = Math.ceil((elements(dimsOf(tensor)) * bits) / 8);
  if (size >= 0 && size <= MAX_BYTES) return size;
  throw new InputError('onnx', where, `expected at most ${MAX_BYTES} bytes of external data, got ${size}`);
}

/**
 * Gathers the values of all external tensors in one new file and makes the tensors refer to it. Changes `model`.
 * @returns the bytes of that file; undefined when no tensor is external
 * @throws InputError when there is external data and no way to read it, or more than `MAX_BYTES`
 */
export function relocate(model: ModelProto, { read, nameData = () => '' }: Partial<ExternalData> = {}): Uint8Array | undefined {
  const tensors = tensorsOf(model).filter(isExternal);
  if (tensors.length === 0) return undefined;
  let end = 0;
  const places = tensors.map((tensor) => {
    const offset = Math.ceil(end / PAGE) * PAGE;
    end = offset + sizeOf(tensor);
    return { tensor, offset };
  });
  if (end > MAX_BYTES) throw new InputError('onnx', 'graph', `expected at most ${MAX_BYTES} bytes of external data, got ${end}`);
  const file = new Uint8Array(end);
  for (const { tensor, offset } of places) {
    file.set(readExternal(tensor, read), offset);
  }
  const location = nameData(file);
  for (const { tensor, offset } of places) {
    const entries = { location, offset: String(offset), length: String(sizeOf(tensor)) };
    tensor.external_data = Object.entries(entries).map(([key, value]) => ({ key, value }));
  }
  return file;
}

/**
 * Checks the location of every external tensor, even unused ones, which a runtime may open as well.
 * @throws InputError when one cannot be read; without `read` nothing is checked
 */
export function requireExternal(model: ModelProto, read: ReadExternal | undefined): void {
  if (!read) return;
  for (const tensor of tensorsOf(model).filter(isExternal)) readExternal(tensor, (location) => read(location, 0, 0));
}

/** Paths of the files that hold values of a model. */
export function externalFiles(model: ModelProto): string[] {
  const locations = tensorsOf(model).flatMap(({ external_data }) => external_data?.find(({ key }) => key === 'location')?.value ?? []);
  return [...new Set(locations)];
}

/**
 * A model file with the values of its external tensors inside, for runtimes that take bytes; the file itself when no tensor is external.
 * @throws InputError when it is not an ONNX model, the values cannot be read, or the result exceeds the size of a protobuf message
 */
export function withExternalData(file: Uint8Array, read: ReadExternal): Uint8Array {
  const model = decodeModel(file);
  const tensors = tensorsOf(model).filter(isExternal);
  if (tensors.length === 0) return file;
  const bytes = tensors.reduce((sum, tensor) => sum + sizeOf(tensor), file.length);
  if (bytes > MAX_MODEL_BYTES) throw new InputError('onnx', 'file', `expected at most 2 GiB with its external data, got ${bytes} bytes`);
  for (const tensor of tensors) {
    Object.assign(tensor, localTensor(tensor, read));
  }
  return encodeModel(model);
}

/** Every tensor of a model: in graphs, graphs inside nodes, attributes and functions. */
export function tensorsOf(model: ModelProto): TensorProto[] {
  return [...(model.graph ? ofGraph(model.graph) : []), ...(model.functions ?? []).flatMap(({ node }) => ofNodes(node))];
}

function ofGraph({ initializer, sparse_initializer, node }: GraphProto): TensorProto[] {
  const sparse = (sparse_initializer ?? []).flatMap(({ values, indices }) => [...(values ? [values] : []), ...(indices ? [indices] : [])]);
  return [...(initializer ?? []), ...sparse, ...ofNodes(node)];
}

function ofNodes(nodes: readonly NodeProto[] | null | undefined): TensorProto[] {
  return (nodes ?? []).flatMap((node) => [
    ...(node.attribute ?? []).flatMap(({ t, tensors }) => [...(t ? [t] : []), ...(tensors ?? [])]),
    ...graphsOf(node).flatMap(ofGraph),
  ]);
}
