/** The layers of any ONNX file, whatever network it is, as rows of the same table as ours. */
import { DataType, type GraphProto, type ModelProto, type NodeProto, type TensorProto, toNumber } from '../../proto/onnx.ts';
import { elements } from '../../src/formats/shape.ts';
import type { LayerSummary } from '../../src/network/summary.ts';
import { bitsOfType, dimsOf, isExternal, storedBytes } from '../onnx/initializer.ts';
import { allGraphs, attribute } from '../onnx/nodes.ts';
import { Constants } from '../onnx/pack/constants.ts';
import { describeValue, qualified, storedTensors, type Value } from './onnx-summary.ts';

/** The nodes that read stored tensors or multiply with weights. What unpacks one-bit weights belongs to the layer that multiplies with them. */
export function weightedNodes(proto: ModelProto): LayerSummary[] {
  const irVersion = toNumber(proto.ir_version, 'ir_version');
  return (proto.graph ? allGraphs(proto.graph) : []).flatMap((graph) => rowsOf(graph, irVersion));
}

function rowsOf(graph: GraphProto, irVersion: number): LayerSummary[] {
  const nodes = graph.node ?? [];
  const tensors = new Map(storedTensors(graph).map((tensor) => [tensor.name ?? '', tensor]));
  const producers = new Map(nodes.flatMap((node) => (node.output ?? []).map((name) => [name, node] as const)));
  const shapes = new Map([...(graph.value_info ?? []), ...(graph.output ?? [])].map((v) => [v.name ?? '', describeValue(v).shape]));
  const constants = new Constants(graph, irVersion, undefined);
  const found = new Map(
    nodes
      .filter(({ op_type }) => WEIGHTED.has(op_type ?? ''))
      .map((node) => [node, storedWeights(node, tensors, producers) ?? packedWeights(node, constants, tensors, producers)]),
  );
  const parts = new Set([...found.values()].flatMap((weights) => weights?.nodes ?? []));
  const seen = new Set<TensorProto>(); // layers share the table that unpacks
  return nodes.flatMap((node) => {
    if (parts.has(node)) return [];
    const own = (node.input ?? []).flatMap((name) => tensors.get(name) ?? []);
    const weights = found.get(node);
    const bits = (weights?.tensors ?? []).filter((tensor) => !seen.has(tensor));
    for (const tensor of bits) seen.add(tensor);
    const shape = shapes.get(node.output?.[0] ?? '') ?? null;
    return own.length === 0 && !weights ? [] : [describeNode(node, { own, bits }, weights, shape)];
  });
}

/** What a layer multiplies with. */
interface Weights {
  readonly dims: readonly number[];
  readonly bits: number | null;
  /** Of packed weights: what unpacks them, and the tensors that this reads. */
  readonly nodes: readonly NodeProto[];
  readonly tensors: readonly TensorProto[];
}

type Tensors = ReadonlyMap<string, TensorProto>;
type Producers = ReadonlyMap<string, NodeProto>;

/** Operators that multiply with a matrix or a kernel of weights. */
const WEIGHTED = new Set(['Conv', 'ConvTranspose', 'ConvInteger', 'QLinearConv', 'Gemm', 'MatMul', 'MatMulInteger', 'QLinearMatMul']);
/** Operators that may stand between stored weights and their use without changing their shape. */
const TRANSPARENT = new Set(['Identity', 'Cast', 'QuantizeLinear', 'DequantizeLinear', 'Quant', 'BipolarQuant']);
/** Longest chain of those that makes sense; a hostile file may hold a cycle. */
const MAX_CHAIN = 8;
/** Most nodes between bits and a layer: activations, which whole networks lead to, are left early. */
const MAX_NODES = 64;

/** The first input that is a stored matrix or kernel, or comes from one through transparent operators. */
function storedWeights(node: NodeProto, tensors: Tensors, producers: Producers): Weights | undefined {
  for (const input of node.input ?? []) {
    let name = input;
    for (let step = 0; step < MAX_CHAIN && !tensors.has(name); step++) {
      const producer = producers.get(name);
      if (!producer || !TRANSPARENT.has(producer.op_type ?? '')) break;
      name = producer.input?.[0] ?? '';
    }
    const tensor = tensors.get(name);
    if (tensor && (tensor.dims?.length ?? 0) >= 2)
      return { dims: dimsOf(tensor), bits: bitsOfType(tensor.data_type), nodes: [], tensors: [] };
  }
  return undefined;
}

/** The first input that is a matrix or kernel made from stored bits. */
function packedWeights(node: NodeProto, constants: Constants, tensors: Tensors, producers: Producers): Weights | undefined {
  for (const input of node.input ?? []) {
    const made = madeOf(input, tensors, producers);
    // bits are stored as bytes: without any, weights that are merely transposed would be computed for nothing
    if (!made?.tensors.some(({ data_type }) => data_type === DataType.UINT8) || made.tensors.some(isExternal)) continue;
    const value = constants.value(input);
    if (value.kind === 'constant' && value.unpacked && value.dims.length >= 2) return { dims: value.dims, bits: 1, ...made };
  }
  return undefined;
}

/** The nodes that compute a value from stored tensors alone, and those tensors; undefined when it depends on more, or on too many. */
function madeOf(name: string, tensors: Tensors, producers: Producers): Pick<Weights, 'nodes' | 'tensors'> | undefined {
  const nodes = new Set<NodeProto>();
  const read = new Set<TensorProto>();
  const names = [name];
  for (let next = names.pop(); next !== undefined; next = names.pop()) {
    const tensor = tensors.get(next);
    const node = producers.get(next);
    if (tensor) read.add(tensor);
    else if (!node || nodes.size >= MAX_NODES) return undefined;
    else if (!nodes.has(node)) {
      nodes.add(node);
      names.push(...(node.input ?? []));
    }
  }
  return { nodes: [...nodes], tensors: [...read] };
}

/** @param stored tensors that the node reads itself, and those that its weights are unpacked from */
function describeNode(
  node: NodeProto,
  stored: { readonly own: readonly TensorProto[]; readonly bits: readonly TensorProto[] },
  matrix: Weights | undefined,
  shape: Value['shape'],
): LayerSummary {
  const dims = matrix?.dims ?? [];
  const weights = matrix ? elements(dims) : 0;
  const unpacked = matrix && matrix.nodes.length > 0 ? weights : 0;
  const convolves = node.op_type?.includes('Conv') ?? false;
  const [outputs, inputs] = convolves || attribute(node, 'transB')?.i ? dims : [...dims].reverse();
  const size = shape && shape.length > 2 && shape.slice(2).every((s) => typeof s === 'number') ? (shape.slice(2) as number[]) : null;
  const ints = (name: string) => attribute(node, name)?.ints?.map((i) => toNumber(i, name)) ?? null;
  const groups = toNumber(attribute(node, 'group')?.i ?? 1, 'group');
  return {
    name: node.name || node.output?.[0] || '',
    op: qualified(node),
    kernel: ints('kernel_shape') ?? (convolves && matrix ? dims.slice(2) : null),
    stride: ints('strides'),
    inputChannels: convolves && inputs !== undefined ? inputs * groups : (inputs ?? null),
    outputChannels: outputs ?? null,
    output: size,
    weights,
    bits: matrix?.bits ?? null,
    multiplyAccumulates: !matrix ? 0 : convolves ? size && weights * elements(size) : weights,
    bytes: [...stored.own, ...stored.bits].reduce((sum, tensor) => sum + storedBytes(tensor), 0),
    float32Bytes: 4 * stored.own.reduce((sum, tensor) => sum + elements(dimsOf(tensor)), unpacked),
  };
}
