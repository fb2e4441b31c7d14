/** Finds the weights of a graph's layers and replaces how they are stored; everything else stays as it was. */
import { DataType, type GraphProto, type ModelProto, type NodeProto, type TensorProto, toNumber } from '../../../proto/onnx.ts';
import type { ReadExternal } from '../external-data.ts';
import { DOMAIN } from '../forms/packed.ts';
import { QUANTIZER_DOMAINS } from '../forms/qonnx.ts';
import { Graph } from '../graph.ts';
import { dimsOf } from '../initializer.ts';
import { attribute, graphsOf } from '../nodes.ts';
import { type Constant, Constants } from './constants.ts';

/** A matrix or kernel of weights, and the layer that multiplies with it. */
export interface Slot {
  /** Name of the tensor. */
  readonly tensor: string;
  /** Name of the layer, or of its output when it has none. */
  readonly layer: string;
  readonly op: string;
  /** Axes of the tensor that may carry a scale each, the output channels first. */
  readonly axes: (dims: readonly number[]) => number[];
}

export interface Kept {
  readonly tensor: string;
  readonly layer: string;
  readonly op: string;
  readonly reason: string;
}

/** Adds to `graph` what makes the tensor `slot.tensor`, or says why not. */
export type Replace = (graph: Graph, slot: Slot, weights: Constant & { readonly data: Float32Array }) => string | undefined;

/** Replaces weights of the standard operators of the main graph. Changes `model`; returns what was left alone, and why. */
export function replaceWeights(model: ModelProto, read: ReadExternal | undefined, replace: Replace): Kept[] {
  const graph = model.graph as GraphProto;
  const constants = new Constants(graph, toNumber(model.ir_version, 'ir_version'), read);
  const kept: Kept[] = [...innerLayers(graph), ...functionLayers(model), ...foreignLayers(graph)];
  const added = new Graph();
  const replaced = new Set<string>();
  const seen = new Set<string>();
  for (const slot of (graph.node ?? []).flatMap(slotsOf)) {
    if (seen.has(slot.tensor)) continue;
    seen.add(slot.tensor);
    const { tensor, layer, op } = slot;
    const value = constants.value(tensor);
    if (value.kind === 'unknown') {
      if (value.reason) kept.push({ tensor, layer, op, reason: value.reason });
      continue;
    }
    const { data } = value;
    const reason = data instanceof Float32Array ? replace(added, slot, { ...value, data }) : 'not float32';
    if (reason === undefined) replaced.add(tensor);
    else kept.push({ tensor, layer, op, reason });
  }
  splice(graph, added, replaced);
  return kept;
}

const otherAxes = (dims: readonly number[], first: number) => [first, ...dims.map((_, i) => i).filter((i) => i !== first)];

/** The inputs of a layer that may hold weights. */
function slotsOf(node: NodeProto): Slot[] {
  if (node.domain && node.domain !== 'ai.onnx') return [];
  const op = node.op_type ?? '';
  const slot = (input: number, axis: (dims: readonly number[]) => number): Slot[] => {
    const tensor = node.input?.[input];
    if (!tensor) return [];
    return [{ tensor, layer: nameOf(node), op, axes: (dims) => otherAxes(dims, axis(dims)) }];
  };
  const flag = (name: string) => Number(attribute(node, name)?.i ?? 0) !== 0;
  if (op === 'Conv') return slot(1, () => 0);
  if (op === 'ConvTranspose') return slot(1, () => 1);
  if (op === 'Gemm') return [...slot(1, () => (flag('transB') ? 0 : 1)), ...slot(0, () => (flag('transA') ? 1 : 0))];
  if (op === 'MatMul') return [...slot(1, (dims) => dims.length - 1), ...slot(0, (dims) => Math.max(0, dims.length - 2))];
  return [];
}

/** Layers with stored weights in the branches and bodies of If, Loop and Scan. */
function innerLayers(graph: GraphProto): Kept[] {
  return (graph.node ?? []).flatMap((node) =>
    graphsOf(node).flatMap((inner) => {
      const stored = new Set((inner.initializer ?? []).map(({ name }) => name));
      const layers = (inner.node ?? []).flatMap(slotsOf).filter(({ tensor }) => stored.has(tensor));
      const reason = `inside a graph of the ${node.op_type} node ${nameOf(node)}`.trimEnd();
      return [...layers.map(({ tensor, layer, op }) => ({ tensor, layer, op, reason })), ...innerLayers(inner)];
    }),
  );
}

/** Layers of model-local functions whose weights stand in the function. */
function functionLayers({ functions }: ModelProto): Kept[] {
  return (functions ?? []).flatMap(({ name, node }) => {
    const stored = new Set((node ?? []).filter(({ op_type }) => op_type === 'Constant').flatMap(({ output }) => output ?? []));
    const layers = (node ?? []).flatMap(slotsOf).filter(({ tensor }) => stored.has(tensor));
    return layers.map(({ tensor, layer, op }) => ({ tensor, layer, op, reason: `inside the function ${name}` }));
  });
}

/** Domains of the standard operators, and of those that make weights. */
const KNOWN_DOMAINS: ReadonlySet<string> = new Set(['', 'ai.onnx', DOMAIN, ...QUANTIZER_DOMAINS]);

/** Other operators and functions that read stored matrices or kernels: whether they multiply with them is not known here. */
function foreignLayers({ initializer, node }: GraphProto): Kept[] {
  const stored = new Set(
    (initializer ?? []).filter((t) => t.data_type === DataType.FLOAT && dimsOf(t).length >= 2).map(({ name }) => name),
  );
  return (node ?? [])
    .filter(({ domain }) => !KNOWN_DOMAINS.has(domain ?? ''))
    .flatMap((one) => {
      const about = { layer: nameOf(one), op: one.op_type ?? '', reason: `read by an operator of ${one.domain}` };
      return (one.input ?? []).filter((name) => stored.has(name)).map((tensor) => ({ tensor, ...about }));
    });
}

/** Of its output when it has none of its own. */
function nameOf({ name, output }: NodeProto): string {
  return name || output?.[0] || '';
}

/** Puts the new nodes and tensors in, and takes out those that made the replaced tensors and serve nothing else. */
function splice(graph: GraphProto, added: Graph, replaced: ReadonlySet<string>): void {
  const { nodes, initializers } = withFreshNames(added, namesOf(graph), replaced);
  const producers = new Map((graph.node ?? []).flatMap((node) => (node.output ?? []).map((name) => [name, node] as const)));
  const users = new Map<string, number>();
  const use = (name: string, n: number) => users.set(name, (users.get(name) ?? 0) + n);
  for (const name of usesOf(graph)) use(name, 1);
  const inputs = new Set((graph.input ?? []).map(({ name }) => name ?? ''));

  const goneNodes = new Set<NodeProto>();
  const goneTensors = new Set<string>(replaced);
  const drop = (node: NodeProto) => {
    goneNodes.add(node);
    for (const name of node.input ?? []) {
      use(name, -1);
      if ((users.get(name) ?? 0) > 0 || !name) continue;
      const producer = producers.get(name);
      if (producer) {
        if (!goneNodes.has(producer) && (producer.output ?? []).every((output) => (users.get(output) ?? 0) === 0)) drop(producer);
      } else if (!inputs.has(name)) goneTensors.add(name);
    }
  };
  for (const name of replaced) {
    const producer = producers.get(name);
    if (producer && !goneNodes.has(producer)) drop(producer);
  }
  const produced = new Set(nodes.flatMap(({ output }) => output ?? []));
  graph.initializer = [...(graph.initializer ?? []).filter(({ name }) => !goneTensors.has(name ?? '')), ...initializers];
  graph.node = [...nodes, ...(graph.node ?? []).filter((node) => !goneNodes.has(node))];
  // Before IR version 4 stored tensors stand among the inputs; a tensor that a node makes cannot.
  graph.input = (graph.input ?? []).filter(({ name }) => !produced.has(name ?? ''));
}

/** Renames what would take a name that the graph has already; the replaced tensors keep theirs. */
function withFreshNames(
  { nodes, initializers }: Graph,
  taken: Set<string>,
  replaced: ReadonlySet<string>,
): { nodes: NodeProto[]; initializers: TensorProto[] } {
  const names = new Map<string, string>();
  const fresh = (name: string): string => {
    if (replaced.has(name)) return name;
    let candidate = names.get(name);
    if (candidate !== undefined) return candidate;
    candidate = name;
    for (let n = 1; taken.has(candidate); n++) candidate = `${name}_${n}`;
    taken.add(candidate);
    names.set(name, candidate);
    return candidate;
  };
  const stored = initializers.map((tensor) => ({ ...tensor, name: fresh(tensor.name ?? '') }));
  return {
    initializers: stored,
    nodes: nodes.map((node) => {
      const output = (node.output ?? []).map(fresh);
      return { ...node, name: output[0] ?? '', input: (node.input ?? []).map(fresh), output };
    }),
  };
}

/** Every name that is read: by nodes, by graphs inside nodes (which see the names around them), by the caller. */
function usesOf(graph: GraphProto): string[] {
  const nodes = (graph.node ?? []).flatMap((node) => [...(node.input ?? []), ...graphsOf(node).flatMap(usesOf)]);
  return [...nodes, ...(graph.output ?? []).map(({ name }) => name ?? '')];
}

function namesOf(graph: GraphProto): Set<string> {
  const own = [...(graph.input ?? []), ...(graph.initializer ?? [])].map(({ name }) => name ?? '');
  const sparse = (graph.sparse_initializer ?? []).map(({ values }) => values?.name ?? '');
  const inner = (graph.node ?? []).flatMap((node) => [
    ...(node.output ?? []),
    node.name ?? '',
    ...graphsOf(node).flatMap((g) => [...namesOf(g)]),
  ]);
  return new Set([...own, ...sparse, ...usesOf(graph), ...inner]);
}
