/** Small ONNX models that somebody else could have made, with one-bit weights in many places. */
import { Float, floats, int64s, node } from '../../../converters/onnx/graph.ts';
import {
  DataType,
  encodeModel,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from '../../../proto/onnx.ts';
import { elements } from '../../../src/formats/shape.ts';
import { random } from '../../network/random-model.ts';

export { Float, floats, int64s, node };

export function value(name: string, dims: readonly (number | string)[], type: number = DataType.FLOAT): ValueInfoProto {
  const dim = dims.map((size) => (typeof size === 'number' ? { dim_value: size } : { dim_param: size }));
  return { name, type: { tensor_type: { elem_type: type, shape: { dim } } } };
}

/** A named float32 tensor of +-scale(index). */
export function signs(name: string, dims: readonly number[], scale: (index: number) => number = () => 0.5): TensorProto {
  const next = random(elements(dims) + name.length);
  return {
    ...floats(
      dims,
      Float32Array.from({ length: elements(dims) }, (_, i) => (next() < 0.5 ? -1 : 1) * scale(i)),
    ),
    name,
  };
}

export function noise(name: string, dims: readonly number[]): TensorProto {
  const next = random(elements(dims) + name.length);
  return {
    ...floats(
      dims,
      Float32Array.from({ length: elements(dims) }, () => 2 * next() - 1),
    ),
    name,
  };
}

export function scalar(name: string, x: number): TensorProto {
  return { ...floats([], Float32Array.of(x)), name };
}

export interface Parts {
  readonly nodes: readonly NodeProto[];
  readonly tensors: readonly TensorProto[];
  readonly inputs: readonly ValueInfoProto[];
  readonly outputs?: readonly ValueInfoProto[];
  readonly opset?: number;
  /** Of operators that are not standard; version 1. */
  readonly domains?: readonly string[];
  readonly irVersion?: number;
}

export function model({ nodes, tensors, inputs, outputs = [value('y', [])], opset = 13, domains = [], irVersion = 8 }: Parts): ModelProto {
  const graph: GraphProto = { name: 'g', node: [...nodes], initializer: [...tensors], input: [...inputs], output: outputs.map(untyped) };
  const opset_import = [{ domain: '', version: opset }, ...domains.map((domain) => ({ domain, version: 1 }))];
  return { ir_version: irVersion, opset_import, graph };
}

/** The runtime infers the shapes of outputs. */
function untyped({ name, type }: ValueInfoProto): ValueInfoProto {
  return { name: name ?? '', type: { tensor_type: { elem_type: type?.tensor_type?.elem_type ?? DataType.FLOAT } } };
}

export function file(parts: Parts): Uint8Array {
  return encodeModel(model(parts));
}
