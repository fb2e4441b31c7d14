/** Finds the weights of a model's layers and replaces how they are stored; everything else stays unchanged. */
import { type GraphProto, type ModelProto, toNumber } from '../../../proto/onnx.ts';
import type { ReadExternal } from '../external-data.ts';
import { DOMAIN } from '../forms/packed.ts';
import { QUANTIZER_DOMAINS } from '../forms/qonnx.ts';
import { Graph } from '../graph.ts';
import { dimsOf, typeName } from '../initializer.ts';
import { countOf, usesOf } from '../nodes.ts';
import { EIGHT_BIT, FLOATS } from '../stored.ts';
import { type Constant, type Constants, scopesOf } from './constants.ts';
import { functionKey, nameOf, type Slot, slotsOf, type WeightParameters, weightParameters } from './slots.ts';
import { type Change, splice } from './splice.ts';

export interface Kept {
  readonly tensor: string;
  readonly layer: string;
  readonly op: string;
  readonly reason: string;
}

/** Adds to `graph` the nodes that make the tensor `slot.tensor`, or returns why not. */
export type Replace = (graph: Graph, slot: Slot, weights: Constant) => string | undefined;

export interface ReplaceOptions {
  readonly read?: ReadExternal | undefined;
  readonly keepDefaults?: boolean | undefined;
}

/**
 * Replaces weights of the standard operators, in the model's graph and in those of If, Loop and Scan. Weights are replaced where
 * they are stored or computed, which may be in an outer graph. Changes `model`; returns which layers were not changed, and why.
 */
export function replaceWeights(model: ModelProto, { read, keepDefaults }: ReplaceOptions, replace: Replace): Kept[] {
  const main = model.graph as GraphProto;
  const functions = weightParameters(model);
  const scopes = scopesOf(main, { irVersion: toNumber(model.ir_version, 'ir_version'), read, keepDefaults });
  const kept: Kept[] = [...functionLayers(model, functions), ...scopes.flatMap(({ graph }) => foreignLayers(graph, functions))];
  const changes = new Map<GraphProto, Change & { readonly replaced: Set<string> }>();
  /** The reason why not; undefined when the tensor was replaced, or holds no weights. */
  const change = (slot: Slot, owner: Constants): string | undefined => {
    const value = owner.value(slot.tensor);
    const isTable = slot.op === 'Gather'; // a table without weights is not a layer
    if (value.kind === 'unknown') return isTable ? undefined : (value.reason ?? fedKernel(slot, owner));
    if (isTable && !(FLOATS.has(value.type) && value.dims.length >= 2)) return undefined;
    const { added, replaced } = changes.get(owner.graph) ?? { added: new Graph(), replaced: new Set<string>() };
    changes.set(owner.graph, { added, replaced });
    const reason = FLOATS.has(value.type) || EIGHT_BIT.has(value.type) ? replace(added, slot, value) : `is ${typeName(value.type)}`;
    if (reason === undefined) replaced.add(slot.tensor);
    return reason;
  };
  const seen = new Map<Constants, Map<string, string | undefined>>();
  for (const scope of scopes) {
    const uses = countOf(usesOf(main));
    for (const found of (scope.graph.node ?? []).flatMap((node) => slotsOf(node, functions))) {
      const slot = atSource(found, scope, uses);
      const owner = scope.ownerOf(slot.tensor);
      const done = seen.get(owner) ?? new Map<string, string | undefined>();
      seen.set(owner, done);
      const { tensor, layer, op } = slot;
      if (!done.has(tensor)) done.set(tensor, change(slot, owner));
      const reason = done.get(tensor);
      if (reason !== undefined) kept.push({ tensor, layer, op, reason });
    }
  }
  splice(main, changes);
  return kept;
}

/** Operators whose weights are never activations. */
const KERNELS: ReadonlySet<string> = new Set(['Conv', 'ConvTranspose', 'DeformConv', 'RNN', 'GRU', 'LSTM']);

function fedKernel({ op, tensor }: Slot, { graph }: Constants): string | undefined {
  const isInput = graph.input?.some(({ name }) => name === tensor) ?? false;
  return KERNELS.has(op) && isInput ? 'an input of the graph without a stored value' : undefined;
}

/** Operators that only change the layout of values. */
const LAYOUT: ReadonlySet<string> = new Set(['Transpose', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Identity']);
/** Longest chain of these operators to follow. */
const MAX_CHAIN = 8;

/**
 * The slot to replace: the tensor before the layout change if something else reads it too, such as an embedding that is also
 * the last layer's matrix, so that it is not stored twice; and the 8-bit tensor if the layer runs in 8 bits.
 */
function atSource(slot: Slot, scope: Constants, uses: ReadonlyMap<string, number>): Slot {
  const quantized = scope.producer(slot.tensor);
  const isEightBit = quantized?.op_type === 'DequantizeLinear' && scope.producer(slot.activations ?? '')?.op_type === 'DequantizeLinear';
  if (isEightBit && scope.value(slot.tensor).kind === 'constant') return { ...slot, tensor: quantized.input?.[0] ?? slot.tensor };
  let source = slot.tensor;
  for (let name = source, step = 0; step < MAX_CHAIN; step++) {
    const producer = scope.producer(name);
    if (!producer || producer.domain || !LAYOUT.has(producer.op_type ?? '')) break;
    name = producer.input?.[0] ?? '';
    if ((uses.get(name) ?? 0) > 1) source = name;
  }
  return source === slot.tensor ? slot : { ...slot, tensor: source, axes: (dims) => [...dims.keys()] };
}

/** Layers of model-local functions whose weights are stored in the function, or computed in it from its parameters. */
function functionLayers({ functions }: ModelProto, parameters: WeightParameters): Kept[] {
  return (functions ?? []).flatMap(({ name, node }) => {
    const stored = new Set((node ?? []).filter(({ op_type }) => op_type === 'Constant').flatMap(({ output }) => output ?? []));
    const layers = (node ?? []).flatMap((one) => slotsOf(one, parameters)).filter(({ tensor }) => stored.has(tensor));
    return layers.map(({ tensor, layer, op }) => ({ tensor, layer, op, reason: `inside the function ${name}` }));
  });
}

/** Domains of the standard operators, and of operators that compute weights. */
const KNOWN_DOMAINS: ReadonlySet<string> = new Set(['', 'ai.onnx', DOMAIN, ...QUANTIZER_DOMAINS]);

const isWeights = (type: number) => FLOATS.has(type) || EIGHT_BIT.has(type);

/** Other operators and functions that read stored matrices or kernels; whether they multiply with them is unknown. */
function foreignLayers({ initializer, node }: GraphProto, functions: WeightParameters): Kept[] {
  const stored = new Set((initializer ?? []).filter((t) => isWeights(t.data_type ?? 0) && dimsOf(t).length >= 2).map(({ name }) => name));
  return (node ?? [])
    .filter(({ domain }) => !KNOWN_DOMAINS.has(domain ?? ''))
    .flatMap((one) => {
      const known = functions.get(functionKey(one.domain, one.op_type));
      const reason = known ? `read inside the function ${one.op_type}` : `read by an operator of ${one.domain}`;
      const about = { layer: nameOf(one), op: one.op_type ?? '', reason };
      return (one.input ?? []).flatMap((tensor, i) => (stored.has(tensor) && !known?.has(i) ? [{ tensor, ...about }] : []));
    });
}
