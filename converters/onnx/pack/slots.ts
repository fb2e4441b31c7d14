/** The inputs through which layers take their weights. */
import type { FunctionProto, ModelProto, NodeProto } from '../../../proto/onnx.ts';
import { attribute } from '../nodes.ts';

/** A matrix or kernel of weights, and the layer that multiplies with it. */
export interface Slot {
  /** Name of the tensor. */
  readonly tensor: string;
  /** Name of the layer, or of its output when it has none. */
  readonly layer: string;
  readonly op: string;
  /** Axes of the tensor that may carry a scale each, the output channels first. */
  readonly axes: (dims: readonly number[]) => number[];
  /** Name of the activations that they are multiplied with; undefined inside a function. */
  readonly activations?: string | undefined;
}

/** Parameters of the model's functions that are weights of layers inside: `domain::name` -> index -> layer. */
export type WeightParameters = ReadonlyMap<string, ReadonlyMap<number, Pick<Slot, 'op' | 'axes'>>>;

/** The inputs of a node that may hold weights. */
export function slotsOf(node: NodeProto, functions: WeightParameters): Slot[] {
  const op = node.op_type ?? '';
  const slot = (input: number, about: Pick<Slot, 'op' | 'axes'>, activations?: number): Slot[] => {
    const tensor = node.input?.[input];
    return tensor ? [{ tensor, layer: nameOf(node), ...about, activations: node.input?.[activations ?? -1] }] : [];
  };
  const called = functions.get(functionKey(node.domain, op));
  if (called) return [...called].flatMap(([input, about]) => slot(input, about));
  if (node.domain && node.domain !== 'ai.onnx') return [];
  const weights = (input: number, axis: (dims: readonly number[]) => number, activations?: number) =>
    slot(input, { op, axes: (dims) => otherAxes(dims, axis(dims)) }, activations);
  const flag = (name: string) => Number(attribute(node, name)?.i ?? 0) !== 0;
  switch (op) {
    case 'Conv':
      return weights(1, () => 0, 0);
    case 'ConvTranspose':
      return weights(1, () => 1, 0);
    case 'DeformConv':
    case 'ConvInteger':
      return weights(1, () => 0);
    case 'QLinearConv':
      return weights(3, () => 0);
    case 'MatMulInteger':
      return [...weights(1, last), ...weights(0, beforeLast)];
    case 'QLinearMatMul':
      return [...weights(3, last), ...weights(0, beforeLast)];
    case 'Einsum':
      return (node.input ?? []).flatMap((_, i) => weights(i, () => 0));
    case 'Gemm':
      return [...weights(1, () => (flag('transB') ? 0 : 1), 0), ...weights(0, () => (flag('transA') ? 1 : 0), 1)];
    case 'MatMul':
      return [...weights(1, last, 0), ...weights(0, beforeLast, 1)];
    case 'RNN':
    case 'GRU':
    case 'LSTM':
      return [...weights(1, () => 1), ...weights(2, () => 1)];
    case 'Gather': // an embedding: one row per index
      return weights(0, () => 0);
    default:
      return [];
  }
}

const last = (dims: readonly number[]) => dims.length - 1;
const beforeLast = (dims: readonly number[]) => Math.max(0, dims.length - 2);
const otherAxes = (dims: readonly number[], first: number) => [first, ...dims.map((_, i) => i).filter((i) => i !== first)];

export function functionKey(domain: string | null | undefined, name: string | null | undefined): string {
  return `${domain ?? ''}::${name}`;
}

/** Follows the parameters of functions into the layers of their bodies, and into the functions that these call. */
export function weightParameters({ functions }: ModelProto): WeightParameters {
  const bodies = new Map((functions ?? []).map((f) => [functionKey(f.domain, f.name), f]));
  const found = new Map<string, ReadonlyMap<number, Pick<Slot, 'op' | 'axes'>>>();
  const follow = (key: string, { node, input }: FunctionProto): void => {
    found.set(key, new Map()); // a function that calls itself ends here
    const parameters = new Map<number, Pick<Slot, 'op' | 'axes'>>();
    for (const one of node ?? []) {
      const callee = functionKey(one.domain, one.op_type);
      const body = bodies.get(callee);
      if (body && !found.has(callee)) follow(callee, body);
      for (const { tensor, op, axes } of slotsOf(one, found)) {
        const index = (input ?? []).indexOf(tensor);
        if (index >= 0) parameters.set(index, { op, axes });
      }
    }
    found.set(key, parameters);
  };
  for (const [key, body] of bodies) if (!found.has(key)) follow(key, body);
  return found;
}

/** The name of the node, or of its output when it has none. */
export function nameOf({ name, output }: NodeProto): string {
  return name || output?.[0] || '';
}
