/** Writes out model-local functions where they are called (onnx, docs/IR.md, "Model Local Functions"). */
import type { AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto } from '../../../proto/onnx.ts';
import { DOMAIN } from '../forms/packed.ts';
import { QUANTIZER_DOMAINS } from '../forms/qonnx.ts';
import { attribute, graphsOf } from '../nodes.ts';
import { Constants, scopesOf } from './constants.ts';
import { functionKey, nameOf, slotsOf } from './slots.ts';
import { namesOf } from './splice.ts';

/** Functions that call each other twice would double the graph at every step. */
const MAX_NODES = 2 ** 16;
const MAX_DEPTH = 32;

/** Operators that have a meaning of their own, although the file may define them by functions. */
const OPAQUE: ReadonlySet<string> = new Set([DOMAIN, ...QUANTIZER_DOMAINS]);

/**
 * The model with calls written out: all of them, or those that make weights, because the function computes them or stores them itself.
 * Functions that take their weights as arguments and multiply with them stay calls. A tensor that a function stores is stored once.
 * The same object when there is nothing to do; otherwise a copy of all that changes.
 */
export function expandFunctions(model: ModelProto, which: 'all' | 'weights'): ModelProto {
  const functions = (model.functions ?? []).filter((f) => !OPAQUE.has(f.domain ?? '') && importsFit(model, f));
  const bodies = new Map(functions.map((f) => [functionKey(f.domain, f.name), f]));
  if (bodies.size === 0 || !model.graph) return model;
  const wanted =
    which === 'all' ? () => true : (call: NodeProto, scope: Constants) => makesWeights(call, (name) => scope.isFed(name), bodies);
  const expansion = new Expansion(bodies, namesOf(model.graph), wanted);
  const graph = expansion.graph(model.graph);
  if (expansion.used.size === 0) return model;
  const opset_import = [...(model.opset_import ?? [])];
  for (const body of expansion.used)
    for (const entry of body.opset_import ?? [])
      if (!opset_import.some(({ domain }) => (domain ?? '') === (entry.domain ?? ''))) opset_import.push(entry);
  const initializer = [...(graph.initializer ?? []), ...expansion.tensors];
  return { ...model, opset_import, graph: { ...graph, initializer }, functions: calledFunctions(model.functions ?? [], graph) };
}

/** Whether a function means the same operators as the model around it. */
function importsFit({ opset_import }: ModelProto, body: FunctionProto): boolean {
  const versions = new Map((opset_import ?? []).map(({ domain, version }) => [domain ?? '', Number(version)]));
  return (body.opset_import ?? []).every(({ domain, version }) => (versions.get(domain ?? '') ?? Number(version)) === Number(version));
}

type Bodies = ReadonlyMap<string, FunctionProto>;

/** Whether a call computes a constant, or holds a layer whose weights are neither an argument nor computed from what the caller feeds. */
function makesWeights(call: NodeProto, isFed: (name: string) => boolean, bodies: Bodies, depth = 0): boolean {
  const body = bodies.get(functionKey(call.domain, call.op_type));
  if (!body || depth > MAX_DEPTH) return false;
  const inputs = call.input ?? [];
  if (!inputs.some(isFed)) return true;
  const parameters = body.input ?? [];
  const fed = parameters.filter((_, i) => isFed(inputs[i] ?? ''));
  const main = { node: body.node ?? [], input: fed.map((name) => ({ name })) };
  return scopesOf(main, { irVersion: 8 }).some((scope) =>
    (scope.graph.node ?? []).some((node) => {
      const inside = (name: string) => scope.isFed(name);
      if (bodies.has(functionKey(node.domain, node.op_type))) return makesWeights(node, inside, bodies, depth + 1);
      return slotsOf(node, new Map()).some(({ tensor }) => !(parameters.includes(tensor) && scope.parent === undefined) && !inside(tensor));
    }),
  );
}

/** The functions that a graph calls, and those that these call. */
function calledFunctions(functions: readonly FunctionProto[], graph: GraphProto): FunctionProto[] {
  const called = new Set<string>();
  const visit = (nodes: readonly NodeProto[] | null | undefined): void => {
    for (const node of nodes ?? []) {
      const key = functionKey(node.domain, node.op_type);
      if (!called.has(key)) {
        called.add(key);
        visit(functions.find((f) => functionKey(f.domain, f.name) === key)?.node);
      }
      for (const inner of graphsOf(node)) visit(inner.node);
    }
  };
  visit(graph.node);
  return functions.filter((f) => called.has(functionKey(f.domain, f.name)));
}

class Expansion {
  /** Functions that were written out. */
  readonly used = new Set<FunctionProto>();
  /** What they store, by name of the new tensor. */
  readonly tensors: TensorProto[] = [];
  readonly #stored = new Map<NodeProto, string>();
  #nodes = 0;

  constructor(
    readonly bodies: Bodies,
    readonly taken: Set<string>,
    readonly wanted: (call: NodeProto, scope: Constants) => boolean,
  ) {}

  graph(graph: GraphProto, parent?: Constants): GraphProto {
    const scope = new Constants(graph, { irVersion: 8 }, parent);
    const node = (graph.node ?? []).flatMap((one) => {
      const body = this.bodies.get(functionKey(one.domain, one.op_type));
      if (body && this.wanted(one, scope)) return this.#expand(one, body, 0);
      return [this.#withGraphs(one, (inner) => this.graph(inner, scope))];
    });
    return { ...graph, node };
  }

  #withGraphs(node: NodeProto, change: (graph: GraphProto) => GraphProto): NodeProto {
    if (graphsOf(node).length === 0) return node;
    const changed = (one: AttributeProto) => ({
      ...one,
      ...(one.g && { g: change(one.g) }),
      ...(one.graphs?.length && { graphs: one.graphs.map(change) }),
    });
    return { ...node, attribute: (node.attribute ?? []).map(changed) };
  }

  /** The nodes of a call, and of calls inside it. */
  #expand(call: NodeProto, body: FunctionProto, depth: number): NodeProto[] {
    this.#nodes += body.node?.length ?? 0;
    if (depth > MAX_DEPTH || this.#nodes > MAX_NODES) return [call];
    this.used.add(body);
    const names = new Map<string, string>([['', '']]);
    for (const [i, name] of (body.input ?? []).entries()) names.set(name, call.input?.[i] ?? '');
    for (const [i, name] of (body.output ?? []).entries()) if (call.output?.[i]) names.set(name, call.output[i]);
    return this.#copy(body.node ?? [], { call, body, names, depth });
  }

  #copy(nodes: readonly NodeProto[], about: Copying): NodeProto[] {
    const { call, body, names, depth } = about;
    const rename = (name: string) => {
      const known = names.get(name) ?? this.#fresh(`${nameOf(call)}/${name}`);
      names.set(name, known);
      return known;
    };
    return nodes.flatMap((node): NodeProto[] => {
      const [output] = node.output ?? [];
      const value = node.op_type === 'Constant' && !node.domain ? attribute(node, 'value') : undefined;
      if (value?.t && !value.ref_attr_name && output && !names.has(output)) {
        names.set(output, this.#store(node, body, value.t));
        return [];
      }
      const inner = (graph: GraphProto) => this.#inner(graph, about, rename);
      const copy: NodeProto = {
        ...this.#withGraphs(node, inner),
        name: node.name ? `${nameOf(call)}/${node.name}` : '',
        input: (node.input ?? []).map(rename),
        output: (node.output ?? []).map(rename),
      };
      copy.attribute = (copy.attribute ?? []).flatMap((one) => (one.ref_attr_name ? referred(one, call, body) : [one]));
      const callee = this.bodies.get(functionKey(copy.domain, copy.op_type));
      return callee ? this.#expand(copy, callee, depth + 1) : [copy];
    });
  }

  /** A graph inside a node of a function: it sees the names of the function, and no name may be defined twice. */
  #inner(graph: GraphProto, about: Copying, rename: (name: string) => string): GraphProto {
    const named = <T extends { name?: string | null }>(one: T): T => ({ ...one, name: rename(one.name ?? '') });
    return {
      ...graph,
      initializer: (graph.initializer ?? []).map(named),
      input: (graph.input ?? []).map(named),
      node: this.#copy(graph.node ?? [], about),
      output: (graph.output ?? []).map(named),
      value_info: [],
    };
  }

  #store(node: NodeProto, { name }: FunctionProto, tensor: TensorProto): string {
    const known = this.#stored.get(node);
    if (known !== undefined) return known;
    const stored = this.#fresh(`${name}/${node.output?.[0]}`);
    this.#stored.set(node, stored);
    this.tensors.push({ ...tensor, name: stored });
    return stored;
  }

  #fresh(name: string): string {
    let candidate = name;
    for (let n = 1; this.taken.has(candidate); n++) candidate = `${name}_${n}`;
    this.taken.add(candidate);
    return candidate;
  }
}

interface Copying {
  readonly call: NodeProto;
  readonly body: FunctionProto;
  /** Name in the function -> name in the graph. */
  readonly names: Map<string, string>;
  readonly depth: number;
}

/** An attribute whose value the call gives, or else the function's default. */
function referred(one: AttributeProto, call: NodeProto, body: FunctionProto): AttributeProto[] {
  const given = attribute(call, one.ref_attr_name ?? '') ?? body.attribute_proto?.find(({ name }) => name === one.ref_attr_name);
  return given ? [{ ...given, name: one.name ?? '' }] : [];
}
