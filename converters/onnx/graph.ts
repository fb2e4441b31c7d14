/** Collects the nodes and constants of an ONNX graph in order. */
import { Float16Array } from '@petamoriken/float16';
import {
  type AttributeProto,
  AttributeType,
  DataType,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from '../../proto/onnx.ts';
import { InputError } from '../../src/errors.ts';
import { elements } from '../../src/formats/shape.ts';

/**
 * Values of attributes: a whole number is an INT, an array of them INTS, a Float a FLOAT, a Float32Array FLOATS, a tensor a TENSOR;
 * a Given is what the caller of the function gives.
 */
export type Attributes = Readonly<Record<string, number | readonly number[] | Float | Float32Array | TensorProto | Given>>;

/** Marks an attribute as FLOAT, which JavaScript's 1 does not show. */
export class Float {
  constructor(readonly value: number) {}
}

/** Marks an attribute of a node in a function: the value is that of the function's attribute `name`. */
export class Given {
  constructor(
    readonly name: string,
    readonly type: keyof typeof AttributeType,
  ) {}
}

/** How a graph stores and computes its float numbers: `FLOAT` or `FLOAT16` of ONNX. */
export type FloatType = typeof DataType.FLOAT | typeof DataType.FLOAT16;

/** Versions that most runtimes read: local functions need IR 8. */
export const [IR_VERSION, OPSET] = [8, 17];

export class Graph {
  readonly nodes: NodeProto[] = [];
  readonly initializers: TensorProto[] = [];
  readonly #names = new Set<string>();

  constructor(readonly floatType: FloatType = DataType.FLOAT) {}

  /** Appends a node named after its output, and returns that name. */
  node(opType: string, inputs: readonly string[], output: string, attributes: Attributes = {}, domain = ''): string {
    this.nodes.push(node(opType, inputs, output, attributes, domain));
    return output;
  }

  /** Adds a constant unless one of this name exists, and returns its name. */
  constant(name: string, tensor: () => TensorProto): string {
    if (!this.#names.has(name)) this.initializers.push({ ...tensor(), name });
    this.#names.add(name);
    return name;
  }

  /** @throws InputError when the graph computes in float16 and a number exceeds its range */
  floats(name: string, dims: readonly number[], data: Float32Array): string {
    return this.constant(name, () => (this.floatType === DataType.FLOAT16 ? halves(name, dims, data) : floats(dims, data)));
  }

  int64s(name: string, values: readonly number[]): string {
    return this.constant(name, () => int64s(values));
  }

  bytes(name: string, data: Uint8Array): string {
    return this.constant(name, () => ({ dims: [data.length], data_type: DataType.UINT8, raw_data: data }));
  }

  /** A model of these nodes and constants, in standard ops. */
  toModel(name: string, input: ValueInfoProto[], output: ValueInfoProto[]): ModelProto {
    return {
      ir_version: IR_VERSION,
      opset_import: [{ domain: '', version: OPSET }],
      graph: { name, node: this.nodes, initializer: this.initializers, input, output },
    };
  }
}

/** An input or output. A string instead of a size names a size that may vary. */
export function valueInfo(name: string, type: number, dims: readonly (number | string)[]): ValueInfoProto {
  const dim = dims.map((size) => (typeof size === 'string' ? { dim_param: size } : { dim_value: size }));
  return { name, type: { tensor_type: { elem_type: type, shape: { dim } } } };
}

export function node(opType: string, inputs: readonly string[], output: string, attributes: Attributes = {}, domain = ''): NodeProto {
  return {
    op_type: opType,
    name: output,
    input: [...inputs],
    output: [output],
    attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
    ...(domain && { domain }),
  };
}

function attribute(name: string, value: Attributes[string]): AttributeProto {
  if (typeof value === 'number') return { name, type: AttributeType.INT, i: value };
  if (Array.isArray(value)) return { name, type: AttributeType.INTS, ints: value };
  if (value instanceof Float32Array) return { name, type: AttributeType.FLOATS, floats: [...value] };
  if (value instanceof Given) return { name, type: AttributeType[value.type], ref_attr_name: value.name };
  if (value instanceof Float) return { name, type: AttributeType.FLOAT, f: value.value };
  return { name, type: AttributeType.TENSOR, t: value as TensorProto };
}

/** A float32 tensor. `raw_data` is little-endian, as is every machine that onnxruntime runs on. */
export function floats(dims: readonly number[], data: Float32Array): TensorProto {
  if (data.length !== elements(dims)) throw new RangeError(`${data.length} values do not fill [${dims.join(', ')}]`);
  return { dims: [...dims], data_type: DataType.FLOAT, raw_data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
}

/** A float64 tensor. */
export function doubles(dims: readonly number[], data: Float64Array): TensorProto {
  return { dims: [...dims], data_type: DataType.DOUBLE, raw_data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
}

/** Largest finite float16 (IEEE 754 binary16). */
export const MAX_FLOAT16 = 65504;

/** A float16 tensor: each number rounded to the nearest, ties to even. */
function halves(name: string, dims: readonly number[], data: Float32Array): TensorProto {
  const beyond = data.find((value) => !(Math.abs(value) <= MAX_FLOAT16));
  if (beyond !== undefined)
    throw new InputError('model', `${name} as float16`, `expected numbers of at most ${MAX_FLOAT16}, got ${beyond}. Use another form`);
  const rounded = new Uint16Array(Float16Array.from(data).buffer);
  return { dims: [...dims], data_type: DataType.FLOAT16, raw_data: new Uint8Array(rounded.buffer) };
}

/** A one-dimensional int64 tensor. */
export function int64s(values: readonly number[]): TensorProto {
  return {
    dims: [values.length],
    data_type: DataType.INT64,
    raw_data: new Uint8Array(BigInt64Array.from(values, BigInt).buffer),
  };
}
