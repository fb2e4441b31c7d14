/** Summarizes an ONNX file of any network: the numbers of `inspect`. */
import {
  DataType,
  type GraphProto,
  type ModelProto,
  type TensorProto,
  type TypeProto,
  toNumber,
  type ValueInfoProto,
} from '../../proto/onnx.ts';
import { isExternal, storedBytes, typeName } from '../onnx/initializer.ts';
import { storedNumbers } from '../onnx/layered/stored.ts';
import { allGraphs, attribute, countOf, graphInputs } from '../onnx/nodes.ts';

export interface OnnxSummary {
  readonly irVersion: number;
  readonly producer: string;
  readonly opsets: Readonly<Record<string, number>>;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  /** Nodes of the graph and of the graphs inside its nodes. */
  readonly nodes: number;
  /** Operator or function -> how many nodes call it. Operators outside ONNX's own domain are written `domain::name`. */
  readonly ops: Readonly<Record<string, number>>;
  readonly functions: readonly { readonly name: string; readonly nodes: number; readonly calls: number }[];
  /** Domains that are neither ONNX's own nor defined by functions in the file: a runtime must provide their operators. */
  readonly unknownDomains: readonly string[];
  /** Stored tensors, including those of Constant nodes. */
  readonly initializers: { readonly count: number; readonly bytes: number; readonly external: number; readonly sparse: number };
  readonly metadata: Readonly<Record<string, string>>;
}

export interface Value {
  readonly name: string;
  readonly kind: 'tensor' | 'other';
  /** Element type of a tensor; other types in words, such as `a sequence of float32 tensors`. */
  readonly type: string;
  /** A string names a size that the caller chooses; null means not stated. */
  readonly shape: readonly (number | string | null)[] | null;
}

/** ONNX's own domains; `ai.onnx` is another name of the empty one. */
const KNOWN_DOMAINS = new Set(['', 'ai.onnx', 'ai.onnx.ml', 'ai.onnx.training', 'ai.onnx.preview', 'ai.onnx.preview.training']);

export function summarizeOnnx(proto: ModelProto): OnnxSummary {
  const graphs = proto.graph ? allGraphs(proto.graph) : [];
  const nodes = graphs.flatMap((graph) => graph.node ?? []);
  const local = new Set((proto.functions ?? []).map(qualified));
  const ops = frequencies(nodes.map(qualified));
  const inner = (proto.functions ?? []).flatMap((f) => f.node ?? []);
  const foreign = [...nodes, ...inner].filter((node) => !KNOWN_DOMAINS.has(node.domain ?? '') && !local.has(qualified(node)));
  const tensors = graphs.flatMap(storedTensors);
  return {
    irVersion: toNumber(proto.ir_version, 'ir_version'),
    producer: [proto.producer_name, proto.producer_version].filter(Boolean).join(' '),
    opsets: Object.fromEntries((proto.opset_import ?? []).map((o) => [o.domain || 'ai.onnx', toNumber(o.version, 'opset version')])),
    inputs: graphInputs(proto).map(describeValue),
    outputs: (proto.graph?.output ?? []).map(describeValue),
    nodes: nodes.length,
    ops,
    functions: (proto.functions ?? []).map((f) => ({ name: qualified(f), nodes: f.node?.length ?? 0, calls: ops[qualified(f)] ?? 0 })),
    unknownDomains: [...new Set(foreign.map((node) => node.domain ?? ''))].sort(),
    initializers: {
      count: tensors.length,
      bytes: tensors.reduce((sum, tensor) => sum + storedBytes(tensor), 0),
      external: tensors.filter(isExternal).length,
      sparse: graphs.reduce((sum, graph) => sum + (graph.sparse_initializer?.length ?? 0), 0),
    },
    metadata: Object.fromEntries((proto.metadata_props ?? []).map(({ key, value }) => [key ?? '', value ?? ''])),
  };
}

/** Bytes of the initializers of each layer of our topology: a tensor belongs to the layer that its name starts with. */
export function bytesPerLayer(proto: ModelProto): (layer: string) => number {
  const sums = new Map<string, number>();
  for (const tensor of storedNumbers(proto).values()) {
    const layer = tensor.name?.slice(0, tensor.name.lastIndexOf('.')) ?? '';
    sums.set(layer, (sums.get(layer) ?? 0) + storedBytes(tensor));
  }
  return (layer) => sums.get(layer) ?? 0;
}

function storedTensors(graph: GraphProto): TensorProto[] {
  const constants = (graph.node ?? []).filter((node) => node.op_type === 'Constant' && !node.domain);
  const values = constants.flatMap((node) => {
    const tensor = attribute(node, 'value')?.t;
    return tensor ? [{ ...tensor, name: node.output?.[0] ?? '' }] : [];
  });
  return [...(graph.initializer ?? []), ...values];
}

export function describeValue({ name, type }: ValueInfoProto): Value {
  const tensor = type?.tensor_type ?? type?.sparse_tensor_type;
  if (!tensor || type?.sparse_tensor_type) return { name: name ?? '', kind: 'other', type: `a ${typeInWords(type)}`, shape: null };
  const shape = tensor.shape?.dim?.map((d) => {
    const size = d.dim_value == null ? 0 : toNumber(d.dim_value, `${name} shape`);
    return d.dim_param ? d.dim_param : size < 0 || d.dim_value == null ? null : size;
  });
  return { name: name ?? '', kind: 'tensor', type: typeName(tensor.elem_type ?? DataType.UNDEFINED), shape: shape ?? null };
}

/** `sequence of float32 tensors`, `optional int64 tensor`. */
function typeInWords(type: TypeProto | null | undefined): string {
  if (type?.tensor_type) return `${typeName(type.tensor_type.elem_type)} tensor`;
  if (type?.sparse_tensor_type) return `sparse ${typeName(type.sparse_tensor_type.elem_type)} tensor`;
  if (type?.sequence_type) return `sequence of ${typeInWords(type.sequence_type.elem_type)}s`;
  if (type?.optional_type) return `optional ${typeInWords(type.optional_type.elem_type)}`;
  if (type?.map_type) return `map from ${typeName(type.map_type.key_type)} to ${typeInWords(type.map_type.value_type)}s`;
  return 'value of an unstated type';
}

export function qualified(item: {
  readonly domain?: string | null;
  readonly op_type?: string | null;
  readonly name?: string | null;
}): string {
  const name = item.op_type ?? item.name ?? '';
  return item.domain ? `${item.domain}::${name}` : name;
}

/** The most frequent first. */
function frequencies(names: readonly string[]): Record<string, number> {
  return Object.fromEntries([...countOf(names)].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)));
}
