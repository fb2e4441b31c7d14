/** What an ONNX file takes and gives, without the codec. The field numbers are those of onnx.proto. */
import { messages } from './fields.ts';
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
}

/** Fields of each message that are read. */
const MODEL = { graph: 7 };
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
  const graph = inner(file, 'model', MODEL.graph);
  const stored = new Set([...messages(graph, 'graph', GRAPH.initializer)].map((tensor) => textOf(tensor, 'tensor', TENSOR.name)));
  const values = (number: number) => [...messages(graph, 'graph', number)].map(readValue);
  return { inputs: values(GRAPH.input).filter(({ name }) => !stored.has(name)), outputs: values(GRAPH.output) };
}

function readValue(message: Uint8Array): SignatureValue {
  const tensor = inner(inner(message, 'value', VALUE.type), 'type', TYPE.tensor);
  return {
    name: textOf(message, 'value', VALUE.name),
    type: integerOf(tensor, 'type', TENSOR_TYPE.element),
    dims: [...messages(inner(tensor, 'type', TENSOR_TYPE.shape), 'shape', SHAPE.dim)].map((dim) => {
      const size = integerOf(dim, 'shape', DIM.size);
      return size > 0 && Number.isFinite(size) ? size : undefined;
    }),
  };
}

/** The message in a field; an empty one where it is absent. Of several the last holds, as in any protobuf message. */
function inner(message: Uint8Array, where: string, number: number): Uint8Array {
  return [...messages(message, where, number)].at(-1) ?? new Uint8Array();
}

const text = new TextDecoder();

function textOf(message: Uint8Array, where: string, number: number): string {
  return text.decode(inner(message, where, number));
}

/** An integer field; 0 where it is absent. */
function integerOf(message: Uint8Array, where: string, number: number): number {
  let value = 0;
  for (const field of readFields(message, where)) if (field.number === number && field.kind === 'integer') value = field.value;
  return value;
}
