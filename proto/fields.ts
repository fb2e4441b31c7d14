/**
 * What a network's numbers need of an ONNX file: its metadata and its stored tensors, without the codec. The field numbers
 * are those of onnx.proto.
 */
import { InputError } from '../src/errors.ts';
import { readFields, readPacked } from './wire.ts';

/** A stored tensor; `raw` lies in the file and need not be aligned. */
export interface StoredTensor {
  readonly name: string;
  /** A value of the enumeration TensorProto.DataType, e.g. 1 for float32. */
  readonly type: number;
  readonly dims: readonly number[];
  readonly raw: Uint8Array;
}

/** Fields of each message that are read. */
const MODEL = { graph: 7, metadata: 14 };
const ENTRY = { key: 1, value: 2 };
const GRAPH = { node: 1, initializer: 5, output: 12 };
const NODE = { output: 2, type: 4, attribute: 5, domain: 7 };
const ATTRIBUTE = { name: 1, float: 2, tensor: 5, floats: 7 };
const VALUE = { name: 1 };
const TENSOR = { dims: 1, type: 2, name: 8, raw: 9, external: 13, location: 14 };
/** Fields of a tensor that hold values elsewhere than in `raw`: float, int32, string, int64, double and uint64 data. */
const TYPED_DATA = [4, 5, 6, 7, 10, 11];

const text = new TextDecoder();

/**
 * The pairs of `metadata_props`, of any ONNX file, in its order.
 * @throws InputError when the bytes are no protobuf message
 */
export function readMetadataPairs(file: Uint8Array): { key: string; value: string }[] {
  const pairs: { key: string; value: string }[] = [];
  for (const entry of messages(file, 'model', MODEL.metadata)) {
    let [key, value] = ['', ''];
    for (const field of readFields(entry, 'metadata')) {
      if (field.kind !== 'bytes') continue;
      if (field.number === ENTRY.key) key = text.decode(field.bytes);
      if (field.number === ENTRY.value) value = text.decode(field.bytes);
    }
    pairs.push({ key, value });
  }
  return pairs;
}

/**
 * The initializers of the graph by name.
 * @throws InputError when the bytes are no protobuf message, or a name stands twice
 */
export function readInitializers(file: Uint8Array): Map<string, StoredTensor> {
  const tensors = new Map<string, StoredTensor>();
  for (const graph of messages(file, 'model', MODEL.graph)) {
    for (const message of messages(graph, 'graph', GRAPH.initializer)) {
      const tensor = readTensor(message);
      if (tensors.has(tensor.name)) throw new InputError('onnx', `tensor ${tensor.name}`, 'expected one tensor of this name, got two');
      tensors.set(tensor.name, tensor);
    }
  }
  return tensors;
}

/** A node of the graph that calls a function. */
export interface Call {
  readonly type: string;
  /** Name of its first output. */
  readonly output: string;
  readonly attributes: readonly CallAttribute[];
}

export interface CallAttribute {
  readonly name: string;
  /** The value as a tensor: one that is stored, a float32 or a list of them; undefined for other types. @throws InputError as `readInitializers` */
  read(): StoredTensor | undefined;
}

/**
 * The calls of functions of a domain, in order.
 * @throws InputError when the bytes are no protobuf message
 */
export function readCalls(file: Uint8Array, domain: string): Call[] {
  const calls: Call[] = [];
  for (const graph of messages(file, 'model', MODEL.graph)) {
    for (const node of messages(graph, 'graph', GRAPH.node)) {
      const first = (number: number) => text.decode(messages(node, 'node', number).next().value ?? new Uint8Array());
      if (first(NODE.domain) !== domain) continue;
      const attributes = [...messages(node, 'node', NODE.attribute)].map((message) => {
        const name = text.decode(messages(message, 'attribute', ATTRIBUTE.name).next().value ?? new Uint8Array());
        return { name, read: () => readAttribute(message, name) };
      });
      calls.push({ type: first(NODE.type), output: first(NODE.output), attributes });
    }
  }
  return calls;
}

const FLOAT32 = 1;

function readAttribute(message: Uint8Array, name: string): StoredTensor | undefined {
  let value: StoredTensor | undefined;
  const many: Uint8Array[] = []; // packed, or one field for each number
  for (const field of readFields(message, 'attribute')) {
    if (field.kind === 'integer') continue;
    if (field.number === ATTRIBUTE.tensor) value = { ...readTensor(field.bytes), name };
    else if (field.number === ATTRIBUTE.float) value = { name, type: FLOAT32, dims: [], raw: field.bytes };
    else if (field.number === ATTRIBUTE.floats) many.push(field.bytes);
  }
  if (many.length === 0) return value;
  const raw = joined(many);
  return { name, type: FLOAT32, dims: [raw.length / 4], raw };
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0] as Uint8Array;
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/**
 * The names of the graph's outputs.
 * @throws InputError when the bytes are no protobuf message
 */
export function readOutputNames(file: Uint8Array): string[] {
  const names: string[] = [];
  for (const graph of messages(file, 'model', MODEL.graph))
    for (const output of messages(graph, 'graph', GRAPH.output))
      for (const name of messages(output, 'output', VALUE.name)) names.push(text.decode(name));
  return names;
}

function readTensor(message: Uint8Array): StoredTensor {
  let [name, type, raw, elsewhere] = ['', 0, new Uint8Array(), ''];
  const dims: number[] = [];
  for (const field of readFields(message, 'tensor')) {
    const { number } = field;
    if (field.kind === 'fixed32') continue;
    if (field.kind === 'integer') {
      if (number === TENSOR.dims) dims.push(field.value);
      else if (number === TENSOR.type) type = field.value;
      else if (number === TENSOR.location && field.value !== 0) elsewhere = 'another file';
    } else if (number === TENSOR.dims) dims.push(...readPacked(field.bytes, 'tensor dims'));
    else if (number === TENSOR.name) name = text.decode(field.bytes);
    else if (number === TENSOR.raw) raw = field.bytes as Uint8Array<ArrayBuffer>;
    else if (number === TENSOR.external) elsewhere = 'another file';
    else if (TYPED_DATA.includes(number)) elsewhere = 'fields of their own type';
  }
  if (elsewhere) throw new InputError('onnx', `tensor ${name}`, `expected the values in raw_data, got ${elsewhere}. Export the file anew`);
  return { name, type, dims, raw };
}

/** The fields of one number that are messages or texts. */
export function* messages(message: Uint8Array, where: string, number: number): Generator<Uint8Array> {
  for (const field of readFields(message, where)) if (field.number === number && field.kind === 'bytes') yield field.bytes;
}
