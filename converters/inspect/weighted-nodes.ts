/** The layers of any ONNX file, as rows of the same table as for our own networks. */
import { DataType, type ModelProto, type NodeProto, type TensorProto, toNumber } from '../../proto/onnx.ts';
import { elements } from '../../src/formats/shape.ts';
import type { LayerSummary } from '../../src/network/summary.ts';
import { QUANTIZER_DOMAINS } from '../onnx/forms/qonnx.ts';
import { bitsOfType, dimsOf, isExternal, storedBytes } from '../onnx/initializer.ts';
import { attribute } from '../onnx/nodes.ts';
import { type Constants, scopesOf } from '../onnx/pack/constants.ts';
import { expandFunctions } from '../onnx/pack/expand-functions.ts';
import { nameOf } from '../onnx/pack/slots.ts';
import { describeValue, qualified, type Value } from './onnx-summary.ts';

/**
 * The nodes that read stored tensors or multiply with weights, in the model's graph, in graphs inside its nodes and in functions. Nodes that
 * unpack or compute weights belong to the layer that multiplies with them; a tensor that several nodes read is counted with the first.
 */
export function weightedNodes(file: ModelProto): LayerSummary[] {
  const proto = expandFunctions(file, 'all');
  const scopes = proto.graph ? scopesOf(proto.graph, { irVersion: toNumber(proto.ir_version, 'ir_version') }) : [];
  const found = new Map<NodeProto, readonly Weights[]>();
  for (const scope of scopes) for (const node of scope.graph.node ?? []) found.set(node, weightsOf(node, scope));
  const parts = new Set([...found.values()].flatMap((weights) => weights.flatMap(({ nodes }) => nodes)));
  const [stored, weighed] = [new Once(), new Once()];
  return scopes.flatMap((scope) =>
    (scope.graph.node ?? []).flatMap((node) => {
      if (parts.has(node)) return [];
      const weights = found.get(node) ?? [];
      const own = (node.input ?? []).filter((name) => scope.tensor(name));
      if (own.length === 0 && weights.length === 0) return [];
      const made = weights.flatMap(({ nodes, sources }) => (nodes.length > 0 ? sources : []));
      const tensors = { own: stored.first(scope, own), made: stored.first(scope, made) };
      const counted = weights.filter(({ sources }) => weighed.first(scope, sources.slice(0, 1)).length > 0);
      return [describeNode(node, tensors, weights, counted, shapesOf(scope, node))];
    }),
  );
}

/** Remembers which tensors were seen: a name means the same tensor in every graph that sees it. */
class Once {
  readonly #met = new Map<Constants, Set<string>>();

  /** The stored tensors of these names that were not seen before. */
  first(scope: Constants, names: readonly string[]): TensorProto[] {
    return names.flatMap((name) => {
      const owner = scope.ownerOf(name);
      const met = this.#met.get(owner) ?? new Set();
      const tensor = met.has(name) ? undefined : owner.tensor(name);
      this.#met.set(owner, met.add(name));
      return tensor ?? [];
    });
  }
}

/** The weights of a layer. */
interface Weights {
  readonly dims: readonly number[];
  readonly bits: number | null;
  /** Names of the stored tensors that it is made of. */
  readonly sources: readonly string[];
  /** The nodes that unpack or compute them. */
  readonly nodes: readonly NodeProto[];
  /** Which input of the layer it is. */
  readonly input: number;
}

/** Operators that multiply with a matrix or a kernel of weights. */
const WEIGHTED = new Set([
  ...['Conv', 'ConvTranspose', 'ConvInteger', 'QLinearConv', 'DeformConv'],
  ...['Gemm', 'MatMul', 'MatMulInteger', 'QLinearMatMul', 'Einsum'],
]);
/** Operators with a matrix for the input and one for the state. */
const RECURRENT = new Set(['RNN', 'GRU', 'LSTM']);
/** Operators that may stand between stored weights and their use without changing their shape. */
const TRANSPARENT = new Set(['Identity', 'Cast', 'QuantizeLinear', 'DequantizeLinear', 'Quant', 'IntQuant', 'BipolarQuant']);
/** Longest chain of these operators to follow; a hostile file may hold a cycle. */
const MAX_CHAIN = 8;
/** Largest number of nodes between bits and a layer, so that activations, computed by whole networks, are given up early. */
const MAX_NODES = 64;

/** The matrix or kernel that a node multiplies with; two of a recurrent layer. */
function weightsOf(node: NodeProto, scope: Constants): Weights[] {
  const inputs = (node.input ?? []).map((name, input) => ({ name, input }));
  const readers = [storedWeights, packedWeights, computedWeights];
  const first = (candidates: typeof inputs): Weights[] => {
    for (const read of readers)
      for (const { name, input } of candidates) {
        const weights = read(name, scope);
        if (weights) return [{ ...weights, input }];
      }
    return [];
  };
  if (RECURRENT.has(node.op_type ?? '')) return inputs.slice(1, 3).flatMap((one) => first([one]));
  return WEIGHTED.has(node.op_type ?? '') ? first(inputs) : [];
}

type Found = Omit<Weights, 'input'>;

/** A stored matrix or kernel, or one that comes from such through transparent operators. */
function storedWeights(input: string, scope: Constants): Found | undefined {
  let [name, bits]: [string, number | undefined] = [input, undefined];
  for (let step = 0; step < MAX_CHAIN && !scope.tensor(name); step++) {
    const producer = scope.producer(name);
    if (!producer || !TRANSPARENT.has(producer.op_type ?? '')) break;
    if (QUANTIZER_DOMAINS.includes(producer.domain ?? '')) bits ??= quantizerBits(producer, scope);
    name = producer.input?.[0] ?? '';
  }
  const tensor = scope.tensor(name);
  if (!tensor || (tensor.dims?.length ?? 0) < 2) return undefined;
  return { dims: dimsOf(tensor), bits: bits ?? bitsOfType(tensor.data_type), sources: [name], nodes: [] };
}

/** BipolarQuant has one bit, Quant a number of bits as its fourth input. */
function quantizerBits({ op_type, input }: NodeProto, scope: Constants): number | undefined {
  const bits = op_type === 'BipolarQuant' ? undefined : scope.value(input?.[3] ?? '');
  return bits?.kind === 'constant' ? bits.data[0] : op_type === 'BipolarQuant' ? 1 : undefined;
}

/** A matrix or kernel made from stored bits. */
function packedWeights(input: string, scope: Constants): Found | undefined {
  const made = madeOf(input, scope);
  const tensors = made?.sources.map((name) => scope.tensor(name) as TensorProto) ?? [];
  // bits are stored as bytes; this check saves computing weights that are merely transposed
  if (!made || !tensors.some(({ data_type }) => data_type === DataType.UINT8) || tensors.some(isExternal)) return undefined;
  const value = scope.value(input);
  return value.kind === 'constant' && value.unpacked && value.dims.length >= 2 ? { dims: value.dims, bits: 1, ...made } : undefined;
}

/** A matrix or kernel computed from other stored tensors, of a shape that the file states or that follows. */
function computedWeights(input: string, scope: Constants): Found | undefined {
  const made = scope.isFed(input) ? undefined : madeOf(input, scope);
  if (!made || made.nodes.length === 0) return undefined;
  const tensors = made.sources.map((name) => scope.tensor(name) as TensorProto);
  const value = tensors.some(isExternal) ? undefined : scope.value(input);
  const dims = fixed(statedShape(scope, input)) ?? (value?.kind === 'constant' ? value.dims : []);
  const size = (tensor: TensorProto) => elements(dimsOf(tensor));
  const [largest] = [...tensors].sort((a, b) => size(b) - size(a));
  return dims.length >= 2 ? { dims, bits: bitsOfType(largest?.data_type), ...made } : undefined;
}

/** The nodes that compute a value from stored tensors alone, and those tensors; undefined when it depends on more, or on too many. */
function madeOf(name: string, scope: Constants): Pick<Weights, 'nodes' | 'sources'> | undefined {
  const nodes = new Set<NodeProto>();
  const sources = new Set<string>();
  const names = [name];
  for (let next = names.pop(); next !== undefined; next = names.pop()) {
    const node = scope.producer(next);
    if (next === '') continue; // an input that is left out
    if (scope.tensor(next)) sources.add(next);
    else if (!node || nodes.size >= MAX_NODES) return undefined;
    else if (!nodes.has(node)) {
      nodes.add(node);
      names.push(...(node.input ?? []));
    }
  }
  return { nodes: [...nodes], sources: [...sources] };
}

interface Shapes {
  readonly inputs: readonly Value['shape'][];
  readonly output: Value['shape'];
}

/** As far as the file states them. */
function shapesOf(scope: Constants, node: NodeProto): Shapes {
  return { inputs: (node.input ?? []).map((name) => statedShape(scope, name)), output: statedShape(scope, node.output?.[0] ?? '') };
}

function statedShape(scope: Constants, name: string): Value['shape'] {
  for (let at: Constants | undefined = scope; at; at = at.parent) {
    const { input, value_info, output } = at.graph;
    const stated = [...(value_info ?? []), ...(input ?? []), ...(output ?? [])].find((value) => value.name === name);
    if (stated) return describeValue(stated).shape;
  }
  return null;
}

/** Sizes that are all fixed; null otherwise. */
function fixed(shape: readonly (number | string | null)[] | null | undefined): number[] | null {
  return shape?.every((size): size is number => typeof size === 'number' && size > 0) ? [...shape] : null;
}

/**
 * Multiply-accumulates of one image, or of one row that the caller feeds: sizes behind the first count. Null where a size is not known.
 * A convolution multiplies every weight at each position of its output, a transposed one at each of its input.
 */
function products(node: NodeProto, { dims, input }: Weights, { inputs, output }: Shapes): number | null {
  if (RECURRENT.has(node.op_type ?? '') || node.op_type === 'Einsum') return null;
  const weights = elements(dims);
  if (node.op_type === 'ConvTranspose') return at(fixed(inputs[0]?.slice(2)), weights);
  if (node.op_type?.includes('Conv')) return at(fixed(output?.slice(2)) ?? windowOutput(node, dims, fixed(inputs[0]?.slice(2))), weights);
  if (node.op_type === 'Gemm') return weights;
  const other = inputs[1 - input];
  const product = output ?? (input === 1 && other ? [...other.slice(0, -1), dims.at(-1) as number] : null);
  const isStack = dims.length > 2 && (product?.length ?? 0) <= dims.length;
  const isRight = input > 0;
  if (isRight && !isStack && dims.length <= 2 && (product?.length ?? 2) <= 2) return weights;
  const inner = (isRight ? dims.at(-2) : dims.at(-1)) ?? 1;
  const counted = isStack || (!isRight && product?.length === 2) ? product : product?.slice(1);
  return counted ? at(fixed(counted), inner) : null;
}

/** Sizes of a convolution's output, from those of its input (onnx, docs/Operators.md, Conv); null where these are not known. */
function windowOutput(node: NodeProto, dims: readonly number[], input: readonly number[] | null): number[] | null {
  const ints = (name: string) => attribute(node, name)?.ints?.map((i) => toNumber(i, name));
  const auto = new TextDecoder().decode(attribute(node, 'auto_pad')?.s ?? new Uint8Array());
  const [strides, dilations, pads] = [ints('strides'), ints('dilations'), ints('pads')];
  if (!input) return null;
  return input.map((size, axis) => {
    const stride = strides?.[axis] ?? 1;
    if (auto.startsWith('SAME')) return Math.ceil(size / stride);
    const padded = size + (pads?.[axis] ?? 0) + (pads?.[axis + input.length] ?? 0);
    return Math.floor((padded - (dilations?.[axis] ?? 1) * ((dims[axis + 2] ?? 1) - 1) - 1) / stride) + 1;
  });
}

const at = (sizes: readonly number[] | null | undefined, each: number) => (sizes ? each * elements(sizes) : null);

/** @param stored tensors that are counted with this node: those that it reads itself, and those that its weights are made of */
function describeNode(
  node: NodeProto,
  stored: { readonly own: readonly TensorProto[]; readonly made: readonly TensorProto[] },
  [matrix, second]: readonly Weights[],
  counted: readonly Weights[],
  shapes: Shapes,
): LayerSummary {
  const dims = matrix?.dims ?? [];
  const count = (all: readonly Weights[]) => all.reduce((sum, one) => sum + elements(one.dims), 0);
  const weights = count(counted);
  const unpacked = count(counted.filter(({ nodes }) => nodes.length > 0));
  const convolves = node.op_type?.includes('Conv') ?? false;
  const isTransposed = node.op_type === 'ConvTranspose';
  const outputFirst = convolves ? !isTransposed : node.op_type === 'Gemm' && Number(attribute(node, 'transB')?.i ?? 0) !== 0;
  const recurrent = RECURRENT.has(node.op_type ?? '') ? [second?.dims[2], dims[2]] : undefined;
  const [outputs, inputs] = recurrent ?? (outputFirst ? dims : isTransposed ? [dims[1], dims[0]] : [...dims].reverse());
  const ints = (name: string) => attribute(node, name)?.ints?.map((i) => toNumber(i, name)) ?? null;
  const groups = toNumber(attribute(node, 'group')?.i ?? 1, 'group');
  const times = (channels: number | undefined, grouped: boolean) => (channels === undefined ? null : channels * (grouped ? groups : 1));
  const size = shapes.output && shapes.output.length > 2 ? fixed(shapes.output.slice(2)) : null;
  return {
    name: nameOf(node),
    op: qualified(node),
    kernel: ints('kernel_shape') ?? (convolves && matrix ? dims.slice(2) : null),
    stride: ints('strides'),
    inputChannels: times(inputs, convolves && !isTransposed),
    outputChannels: times(outputs, isTransposed),
    output: size,
    weights,
    bits: second ? Math.max(matrix?.bits ?? 0, second.bits ?? 0) : (matrix?.bits ?? null),
    multiplyAccumulates: matrix ? products(node, matrix, shapes) : 0,
    bytes: [...stored.own, ...stored.made].reduce((sum, tensor) => sum + storedBytes(tensor), 0),
    float32Bytes: 4 * stored.own.reduce((sum, tensor) => sum + elements(dimsOf(tensor)), unpacked),
  };
}
