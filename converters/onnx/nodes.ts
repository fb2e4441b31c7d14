/** Inputs of a graph, attributes of its nodes, and the graphs in them. */
import type { AttributeProto, GraphProto, ModelProto, NodeProto, ValueInfoProto } from '../../proto/onnx.ts';

/** The inputs that a caller feeds; before IR version 4, stored tensors are listed as inputs, too. */
export function graphInputs({ graph }: ModelProto): ValueInfoProto[] {
  const stored = new Set(graph?.initializer?.map(({ name }) => name));
  return (graph?.input ?? []).filter(({ name }) => !stored.has(name));
}

export function attribute(node: NodeProto, name: string): AttributeProto | undefined {
  return node.attribute?.find((a) => a.name === name);
}

/** The branches and bodies of If, Loop and Scan. */
export function graphsOf(node: NodeProto): GraphProto[] {
  return (node.attribute ?? []).flatMap((a) => [...(a.g ? [a.g] : []), ...(a.graphs ?? [])]);
}

/** A graph and the graphs inside its nodes. The decoder limits the depth. */
export function allGraphs(graph: GraphProto): GraphProto[] {
  return [graph, ...(graph.node ?? []).flatMap(graphsOf).flatMap(allGraphs)];
}

/** Every name that a node reads: its inputs, and outer names that the graphs inside it use. */
export function readsOf(node: NodeProto): string[] {
  return [...(node.input ?? []), ...graphsOf(node).flatMap(usesOf)];
}

/** Every name that is read in a graph: by nodes, by graphs inside nodes (which see outer names), and as an output. */
export function usesOf(graph: GraphProto): string[] {
  return [...(graph.node ?? []).flatMap(readsOf), ...(graph.output ?? []).map(({ name }) => name ?? '')];
}

/** How often each name occurs. */
export function countOf(names: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}
