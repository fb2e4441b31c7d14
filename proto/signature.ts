/**
 * What an ONNX file takes and gives, and what it says of itself, without the codec: pages load a kilobyte instead of it.
 * The field numbers are those of onnx.proto.
 */
import { readFields } from './wire.ts';

/** An input or output. */
export interface SignatureValue {
  readonly name: string;
  /** A value of the enumeration TensorProto.DataType, e.g. 1 for float32; 0 when it is no tensor. */
  readonly type: number;
  /** Undefined where a size is not fixed: some exporters write -1 there. */
  readonly dims: readonly (number | undefined)[];
}

export interface Signature {
  /** The inputs that a caller gives; before IR version 4 the stored tensors stand among the inputs, too. */
  readonly inputs: readonly SignatureValue[];
  readonly outputs: readonly SignatureValue[];
  /** Pairs of `metadata_props`, in the order of the file. */
  readonly metadata: readonly { readonly key: string; readonly value: string }[];
}

/** Fields of each message that are read. */
const MODEL = { graph: 7, metadata: 14 };
const ENTRY = { key: 1, value: 2 };
const GRAPH = { initializer: 5, input: 11, output: 12 };
const VALUE = { name: 1, type: 2 };
const TYPE = { tensor: 1 };
const TENSOR_TYPE = { element: 1, shape: 2 };
const SHAPE = { dim: 1 };
const DIM = { size: 1 };
const TENSOR = { name: 8 };

/**
 * Reads the signature of any ONNX file.
 * @throws InputError when the bytes are no protobuf message
 */
export function readSignature(file: Uint8Array): Signature {
  const graph = parts(file, 'model', MODEL.graph).at(-1) ?? new Uint8Array();
  const stored = new Set(parts(graph, 'graph', GRAPH.initializer).map((tensor) => textOf(tensor, 'tensor', TENSOR.name)));
  return {
    inputs: parts(graph, 'graph', GRAPH.input)
      .map(readValue)
      .filter(({ name }) => !stored.has(name)),
    outputs: parts(graph, 'graph', GRAPH.output).map(readValue),
    metadata: parts(file, 'model', MODEL.metadata).map((entry) => ({
      key: textOf(entry, 'metadata', ENTRY.key),
      value: textOf(entry, 'metadata', ENTRY.value),
    })),
  };
}

function readValue(message: Uint8Array): SignatureValue {
  const inner = (outer: Uint8Array, number: number) => parts(outer, 'value', number).at(-1) ?? new Uint8Array();
  const tensor = inner(inner(message, VALUE.type), TYPE.tensor);
  return {
    name: textOf(message, 'value', VALUE.name),
    type: integerOf(tensor, TENSOR_TYPE.element) ?? 0,
    dims: parts(inner(tensor, TENSOR_TYPE.shape), 'value', SHAPE.dim).map((dim) => {
      const size = integerOf(dim, DIM.size) ?? 0;
      return size > 0 && Number.isFinite(size) ? size : undefined;
    }),
  };
}

/** The fields of one number that are messages or texts. */
function parts(message: Uint8Array, where: string, number: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (const field of readFields(message, where)) if (field.number === number && field.kind === 'bytes') found.push(field.bytes);
  return found;
}

const text = new TextDecoder();

function textOf(message: Uint8Array, where: string, number: number): string {
  return text.decode(parts(message, where, number).at(-1) ?? new Uint8Array());
}

function integerOf(message: Uint8Array, number: number): number | undefined {
  let value: number | undefined;
  for (const field of readFields(message, 'value')) if (field.number === number && field.kind === 'integer') value = field.value;
  return value;
}
