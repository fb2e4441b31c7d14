/** Values of a graph that do not depend on its inputs: stored tensors, and results of operators on them. */
import type { GraphProto, NodeProto, TensorProto } from '../../../proto/onnx.ts';
import { localTensor, type ReadExternal } from '../external-data.ts';
import { floats, int64s } from '../graph.ts';
import { storedBytes, typeName } from '../initializer.ts';
import { attribute, graphsOf, readsOf } from '../nodes.ts';
import { storedValues, type TypedValues } from '../stored.ts';
import { type Folded, foldOf } from './fold.ts';

export interface Constant extends TypedValues {
  readonly kind: 'constant';
  /** Bytes of the stored tensors that it is computed from. */
  readonly bytes: number;
  /** Computed from packed bits. */
  readonly unpacked: boolean;
}

/** An unknown value; `reason` is missing when it depends on the caller's inputs. */
export interface Unknown {
  readonly kind: 'unknown';
  readonly reason?: string;
}

export interface ConstantsOptions {
  /** Before 4, stored tensors listed as inputs are constant; since then they are defaults that a caller may override. */
  readonly irVersion: number;
  readonly read?: ReadExternal | undefined;
  /** Treats stored tensors that a caller may override as unknown. */
  readonly keepDefaults?: boolean | undefined;
}

/** Largest number of values between stored tensors and a layer: all are held at once, and a hostile file may ask for any number. */
const MAX_VALUES = 64;

export class Constants {
  /** The graph around the node that contains this one; undefined for the model's graph. */
  readonly parent: Constants | undefined;
  readonly #tensors: ReadonlyMap<string, TensorProto>;
  readonly #producers: ReadonlyMap<string, NodeProto>;
  readonly #sparse: ReadonlySet<string>;
  /** Names that depend on the caller's inputs. */
  readonly #fed: ReadonlySet<string>;
  /** Stored tensors that a caller may override. */
  readonly #defaults: ReadonlySet<string>;
  readonly #options: ConstantsOptions;

  constructor(
    readonly graph: GraphProto,
    options: ConstantsOptions,
    parent?: Constants,
  ) {
    this.parent = parent;
    this.#options = options;
    this.#tensors = new Map((graph.initializer ?? []).map((tensor) => [tensor.name ?? '', tensor]));
    this.#producers = new Map((graph.node ?? []).flatMap((node) => (node.output ?? []).map((name) => [name, node] as const)));
    this.#sparse = new Set((graph.sparse_initializer ?? []).map(({ values }) => values?.name ?? ''));
    const inputs = (graph.input ?? []).map(({ name }) => name ?? '');
    const isDefault = (name: string) => Boolean(options.keepDefaults) && options.irVersion >= 4 && this.#tensors.has(name);
    this.#defaults = new Set(inputs.filter(isDefault));
    const fed = new Set(inputs.filter((name) => !this.#tensors.has(name)));
    const isFed = (name: string) => fed.has(name) || (!this.#defines(name) && (parent?.isFed(name) ?? false));
    // nodes are in order of execution
    for (const node of graph.node ?? []) if (readsOf(node).some(isFed)) for (const name of node.output ?? []) fed.add(name);
    this.#fed = fed;
  }

  /** Whether a value depends on the caller's inputs. */
  isFed(name: string): boolean {
    return this.#fed.has(name) || (!this.#defines(name) && (this.parent?.isFed(name) ?? false));
  }

  /** The graph, this one or one around it, that stores or computes a value. */
  ownerOf(name: string): Constants {
    return this.#defines(name) || !this.parent ? this : this.parent.ownerOf(name);
  }

  /** The stored tensor of a name, including those of Constant nodes; undefined for computed values and inputs. */
  tensor(name: string): TensorProto | undefined {
    if (!this.#defines(name)) return this.parent?.tensor(name);
    const producer = this.#producers.get(name);
    return producer?.op_type === 'Constant' ? constantTensor(producer) : this.#tensors.get(name);
  }

  /** The node that computes a value, if any. */
  producer(name: string): NodeProto | undefined {
    return this.#defines(name) ? this.#producers.get(name) : this.parent?.producer(name);
  }

  value(name: string): Constant | Unknown {
    const known = new Map<string, Constant | Unknown>();
    const value = this.#value(name, known);
    if (value.kind === 'unknown') return value;
    return { ...value, bytes: bytesIn(known) };
  }

  #defines(name: string): boolean {
    return this.#tensors.has(name) || this.#producers.has(name) || this.#fed?.has(name) || this.#sparse.has(name);
  }

  #value(name: string, known: Map<string, Constant | Unknown>): Constant | Unknown {
    const found = known.get(name);
    if (found) return found;
    if (known.size >= MAX_VALUES) return unknown(`computed from more than ${MAX_VALUES} values`);
    known.set(name, unknown('computed in a circle'));
    const value = this.#compute(name, known);
    known.set(name, value);
    return value;
  }

  #compute(name: string, known: Map<string, Constant | Unknown>): Constant | Unknown {
    if (this.#fed.has(name)) return { kind: 'unknown' };
    if (this.#defaults.has(name)) return unknown('an input of the graph, which callers may override');
    const tensor = this.#tensors.get(name);
    if (tensor) return stored(tensor, this.#options.read);
    if (this.#sparse.has(name)) return unknown('a sparse tensor');
    const node = this.#producers.get(name);
    if (!node) return this.parent ? this.parent.#compute(name, known) : { kind: 'unknown' };
    if ((!node.domain || node.domain === 'ai.onnx') && node.op_type === 'Constant') {
      const value = constantTensor(node);
      return value ? stored({ ...value, name }, this.#options.read) : unknown('a constant that is not a tensor of numbers');
    }
    const inputs = (node.input ?? []).map((input) => (input ? this.#value(input, known) : undefined));
    if (inputs.some((input) => input?.kind === 'unknown' && input.reason === undefined)) return { kind: 'unknown' };
    const why = inputs.find((input): input is Unknown => input?.kind === 'unknown');
    if (why) return why;
    const constants = inputs as (Constant | undefined)[];
    const result: Folded | undefined = foldOf(node)?.(constants, node, (node.output ?? []).indexOf(name), bytesIn(known));
    if (!result) return unknown(`computed by ${[node.domain, node.op_type].filter(Boolean).join('::')}`);
    const { type, dims, data } = result;
    return { kind: 'constant', type, dims, data, bytes: 0, unpacked: (result.unpacked ?? false) || constants.some((c) => c?.unpacked) };
  }
}

/** A graph and the graphs inside its nodes, each with the outer names it sees. */
export function scopesOf(graph: GraphProto, options: ConstantsOptions, parent?: Constants): Constants[] {
  const own = new Constants(graph, options, parent);
  return [own, ...(graph.node ?? []).flatMap(graphsOf).flatMap((inner) => scopesOf(inner, options, own))];
}

function unknown(reason: string): Unknown {
  return { kind: 'unknown', reason };
}

/** Bytes of the stored tensors among these values. */
function bytesIn(known: ReadonlyMap<string, Constant | Unknown>): number {
  return [...known.values()].reduce((sum, each) => sum + (each.kind === 'constant' ? each.bytes : 0), 0);
}

/** The value of a Constant node, from any of its attributes for numbers. */
function constantTensor(node: NodeProto): TensorProto | undefined {
  const tensor = attribute(node, 'value')?.t;
  if (tensor) return tensor;
  const [one, many] = [attribute(node, 'value_float')?.f, attribute(node, 'value_floats')?.floats];
  if (one != null) return floats([], Float32Array.of(one));
  if (many?.length) return floats([many.length], Float32Array.from(many));
  const [whole, wholes] = [attribute(node, 'value_int')?.i, attribute(node, 'value_ints')?.ints];
  if (whole != null) return { ...int64s([Number(whole)]), dims: [] };
  return wholes?.length ? int64s(wholes.map(Number)) : undefined;
}

function stored(tensor: TensorProto, read: ReadExternal | undefined): Constant | Unknown {
  const local = localTensor(tensor, read);
  const values = storedValues(local);
  if (!values) return unknown(`stored as ${typeName(tensor.data_type)}`);
  return { kind: 'constant', ...values, bytes: storedBytes(local), unpacked: false };
}
