/** Attributes of a node, and the graphs in them. */
import type { AttributeProto, GraphProto, NodeProto } from '../../proto/onnx.ts';

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
