/** Inserts new nodes that make weights into a graph, and removes what is no longer used. */
import type { GraphProto, NodeProto, TensorProto } from '../../../proto/onnx.ts';
import type { Graph } from '../graph.ts';
import { graphsOf, readsOf, usesOf } from '../nodes.ts';

/** New nodes and tensors of a graph, and the tensors that they replace. */
export interface Change {
  readonly added: Graph;
  readonly replaced: ReadonlySet<string>;
}

/**
 * Inserts the new nodes and tensors into the graphs, and removes those that only served the replaced tensors.
 * Replaced tensors keep their names; other new tensors get names that the model does not have yet.
 */
export function splice(main: GraphProto, changes: ReadonlyMap<GraphProto, Change>): void {
  spliceGraph(main, changes, namesOf(main));
}

/** @returns outer names that this graph no longer reads */
function spliceGraph(graph: GraphProto, changes: ReadonlyMap<GraphProto, Change>, taken: Set<string>): string[] {
  const released = (graph.node ?? []).flatMap(graphsOf).flatMap((inner) => spliceGraph(inner, changes, taken));
  const { added, replaced } = changes.get(graph) ?? { added: undefined, replaced: new Set<string>() };
  const { nodes, initializers } = added ? withFreshNames(added, taken, replaced) : { nodes: [], initializers: [] };
  const producers = new Map((graph.node ?? []).flatMap((node) => (node.output ?? []).map((name) => [name, node] as const)));
  const tensors = new Set((graph.initializer ?? []).map(({ name }) => name ?? ''));
  const users = new Map<string, number>();
  const use = (name: string, n: number) => users.set(name, (users.get(name) ?? 0) + n);
  for (const name of usesOf(graph)) use(name, 1);

  const goneNodes = new Set<NodeProto>();
  const goneTensors = new Set<string>(replaced);
  const around: string[] = [];
  const release = (name: string) => {
    if (!name || (users.get(name) ?? 0) > 0 || replaced.has(name)) return;
    const producer = producers.get(name);
    if (producer) {
      if (!goneNodes.has(producer) && (producer.output ?? []).every((output) => (users.get(output) ?? 0) === 0)) drop(producer);
    } else if (tensors.has(name)) goneTensors.add(name);
    else around.push(name);
  };
  const drop = (node: NodeProto) => {
    goneNodes.add(node);
    for (const name of readsOf(node)) use(name, -1);
    for (const name of readsOf(node)) release(name);
  };
  for (const name of replaced) {
    const producer = producers.get(name);
    if (producer && !goneNodes.has(producer)) drop(producer);
  }
  for (const name of released) release(name);
  const produced = new Set(nodes.flatMap(({ output }) => output ?? []));
  if (goneTensors.size > 0 || added) {
    graph.initializer = [...(graph.initializer ?? []).filter(({ name }) => !goneTensors.has(name ?? '')), ...initializers];
    graph.node = [...nodes, ...(graph.node ?? []).filter((node) => !goneNodes.has(node))];
    // A stored tensor may be listed as an input; without its values a caller would have to feed it.
    graph.input = (graph.input ?? []).filter(({ name }) => !produced.has(name ?? '') && !goneTensors.has(name ?? ''));
  }
  return around;
}

/** Renames new tensors whose names the model already has; replaced tensors keep theirs. */
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

/** Every name in a graph and the graphs inside its nodes. */
export function namesOf(graph: GraphProto): Set<string> {
  const own = [...(graph.input ?? []), ...(graph.initializer ?? [])].map(({ name }) => name ?? '');
  const sparse = (graph.sparse_initializer ?? []).map(({ values }) => values?.name ?? '');
  const inner = (graph.node ?? []).flatMap((node) => [
    ...(node.output ?? []),
    node.name ?? '',
    ...graphsOf(node).flatMap((g) => [...namesOf(g)]),
  ]);
  return new Set([...own, ...sparse, ...usesOf(graph), ...inner]);
}
