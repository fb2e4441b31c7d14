/** Tensors whose values stand in another file beside the model (onnx, docs/ExternalData.md). */
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

/** Where the values of external tensors are read, and where those that stay external go. */
export interface ExternalData {
  readonly read: ReadExternal;
  /** Names the new file, beside the new model, by what it holds. */
  nameData(data: Uint8Array): string;
}

/** Of all tensors together: they are held in memory, and an array of Node 20 holds no more. A file full of holes may be of any size. */
const MAX_BYTES = 2 ** 32;

/** Values start at pages, so that runtimes can map the file into memory. */
const PAGE = 4096;

/**
 * The bytes of an external tensor.
 * @throws InputError when its place is not stated as the format asks, or cannot be read
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
 * The same tensor with its values inside; itself where they are.
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
 * Gathers what the model's external tensors hold in one new file, and makes them refer to it. Changes `model`.
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
 * Looks at the place of every external tensor: also of those that nothing uses, which a runtime may open all the same.
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
 * A model file with the values of its external tensors inside, for runtimes that are handed bytes; the file itself when none is external.
 * @throws InputError when it is no ONNX model, the values cannot be read, or all together are more than a protobuf message holds
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

/** Every tensor of a model: of graphs, of graphs inside nodes, of attributes, of functions. */
function tensorsOf(model: ModelProto): TensorProto[] {
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
