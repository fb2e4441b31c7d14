/**
 * Reads the parts of an ONNX file that running a network needs, without the codec, so that a page stays small: metadata,
 * stored tensors, inputs and outputs. The field numbers are those of onnx.proto.
 */
import { InputError } from '../src/errors.ts';
import { integerField, messageField, messageFields, readFields, readPacked, textField } from './wire.ts';

/** A stored tensor; `raw` lies in the file and need not be aligned. */
export interface StoredTensor {
  readonly name: string;
  /** A value of the enumeration TensorProto.DataType, e.g. 1 for float32. */
  readonly type: number;
  readonly dims: readonly number[];
  readonly raw: Uint8Array;
}

/** An input or output. */
export interface SignatureValue {
  readonly name: string;
  /** A value of the enumeration TensorProto.DataType, e.g. 1 for float32; 0 when it is not a tensor. */
  readonly type: number;
  /** Undefined where a size is not fixed: some exporters write -1 there. */
  readonly dims: readonly (number | undefined)[];
}

export interface Signature {
  /** The inputs that a caller gives; before IR version 4 the stored tensors stand among the inputs, too. */
  readonly inputs: readonly SignatureValue[];
  readonly outputs: readonly SignatureValue[];
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

/** Fields of each message that are read. */
const MODEL = { graph: 7, metadata: 14 };
const ENTRY = { key: 1, value: 2 };
const GRAPH = { node: 1, initializer: 5, input: 11, output: 12 };
const NODE = { output: 2, type: 4, attribute: 5, domain: 7 };
const ATTRIBUTE = { name: 1, float: 2, tensor: 5, floats: 7 };
const VALUE = { name: 1, type: 2 };
const TYPE = { tensor: 1 };
const TENSOR_TYPE = { element: 1, shape: 2 };
const SHAPE = { dim: 1 };
const DIM = { size: 1 };
const TENSOR = { dims: 1, type: 2, name: 8, raw: 9, external: 13, location: 14 };
/** Fields of a tensor that hold values elsewhere than in `raw`: float, int32, string, int64, double and uint64 data. */
const TYPED_DATA = [4, 5, 6, 7, 10, 11];

/**
 * The pairs of `metadata_props`, of any ONNX file, in its order.
 * @throws InputError when the bytes are not a protobuf message
 */
export function readMetadataPairs(file: Uint8Array): { key: string; value: string }[] {
  return [...messageFields(file, 'model', MODEL.metadata)].map((entry) => ({
    key: textField(entry, 'metadata', ENTRY.key),
    value: textField(entry, 'metadata', ENTRY.value),
  }));
}

/**
 * The initializers of the graph by name.
 * @throws InputError when the bytes are not a protobuf message, or a name stands twice
 */
export function readInitializers(file: Uint8Array): Map<string, StoredTensor> {
  const tensors = new Map<string, StoredTensor>();
  for (const graph of messageFields(file, 'model', MODEL.graph)) {
    for (const message of messageFields(graph, 'graph', GRAPH.initializer)) {
      const tensor = readTensor(message);
      if (tensors.has(tensor.name)) throw new InputError('onnx', `tensor ${tensor.name}`, 'expected one tensor of this name, got two');
      tensors.set(tensor.name, tensor);
    }
  }
  return tensors;
}

/**
 * The calls of functions of a domain, in order.
 * @throws InputError when the bytes are not a protobuf message
 */
export function readCalls(file: Uint8Array, domain: string): Call[] {
  const calls: Call[] = [];
  for (const graph of messageFields(file, 'model', MODEL.graph)) {
    for (const node of messageFields(graph, 'graph', GRAPH.node)) {
      if (textField(node, 'node', NODE.domain) !== domain) continue;
      const [output = new Uint8Array()] = messageFields(node, 'node', NODE.output);
      const attributes = [...messageFields(node, 'node', NODE.attribute)].map((message) => {
        const name = textField(message, 'attribute', ATTRIBUTE.name);
        return { name, read: () => readAttribute(message, name) };
      });
      calls.push({ type: textField(node, 'node', NODE.type), output: new TextDecoder().decode(output), attributes });
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
 * The inputs and outputs of any ONNX file.
 * @throws InputError when the bytes are not a protobuf message
 */
export function readSignature(file: Uint8Array): Signature {
  const graph = messageField(file, 'model', MODEL.graph);
  const stored = new Set([...messageFields(graph, 'graph', GRAPH.initializer)].map((tensor) => textField(tensor, 'tensor', TENSOR.name)));
  const values = (number: number) => [...messageFields(graph, 'graph', number)].map(readValue);
  return { inputs: values(GRAPH.input).filter(({ name }) => !stored.has(name)), outputs: values(GRAPH.output) };
}

function readTensor(message: Uint8Array): StoredTensor {
  let [type, raw, elsewhere] = [0, new Uint8Array(), ''];
  const dims: number[] = [];
  const name = textField(message, 'tensor', TENSOR.name);
  for (const field of readFields(message, 'tensor')) {
    const { number } = field;
    if (field.kind === 'fixed32') continue;
    if (field.kind === 'integer') {
      if (number === TENSOR.dims) dims.push(field.value);
      else if (number === TENSOR.type) type = field.value;
      else if (number === TENSOR.location && field.value !== 0) elsewhere = 'another file';
    } else if (number === TENSOR.dims) dims.push(...readPacked(field.bytes, 'tensor dims'));
    else if (number === TENSOR.raw) raw = field.bytes as Uint8Array<ArrayBuffer>;
    else if (number === TENSOR.external) elsewhere = 'another file';
    else if (TYPED_DATA.includes(number)) elsewhere = 'fields of their own type';
  }
  if (elsewhere) throw new InputError('onnx', `tensor ${name}`, `expected the values in raw_data, got ${elsewhere}. Export the file again`);
  return { name, type, dims, raw };
}

function readValue(message: Uint8Array): SignatureValue {
  const tensor = messageField(messageField(message, 'value', VALUE.type), 'type', TYPE.tensor);
  return {
    name: textField(message, 'value', VALUE.name),
    type: integerField(tensor, 'type', TENSOR_TYPE.element),
    dims: [...messageFields(messageField(tensor, 'type', TENSOR_TYPE.shape), 'shape', SHAPE.dim)].map((dim) => {
      const size = integerField(dim, 'shape', DIM.size);
      return size > 0 && Number.isFinite(size) ? size : undefined;
    }),
  };
}
