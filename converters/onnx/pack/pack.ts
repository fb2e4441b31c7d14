/** Stores the one-bit weights of any ONNX model as bits. */
import { DataType, decodeModel, encodeModel, type FunctionProto, type ModelProto, toNumber } from '../../../proto/onnx.ts';
import { InputError } from '../../../src/errors.ts';
import { elements } from '../../../src/formats/shape.ts';
import { packedLength } from '../../../src/network/sign.ts';
import { floatTensor } from '../../../src/network/tensor.ts';
import { type ExternalData, relocate, requireExternal } from '../external-data.ts';
import type { Form } from '../forms/form.ts';
import { eightBitLevels, inline } from '../forms/inline.ts';
import { DOMAIN, packed } from '../forms/packed.ts';
import { type FormName, forms } from '../forms/table.ts';
import { doubles, type Graph } from '../graph.ts';
import { flatten } from '../layered/flatten.ts';
import { EIGHT_BIT } from '../stored.ts';
import { stateDigest } from '../weights-digest.ts';
import type { Constant } from './constants.ts';
import { digestOf } from './digest.ts';
import { expandFunctions } from './expand-functions.ts';
import { liftOpset } from './lift-opset.ts';
import { type OneBitWeights, splitLevels, splitWeights } from './opposite-values.ts';
import { type Kept, replaceWeights } from './replace-weights.ts';

export interface PackOptions {
  /** Also packs weights within this relative distance of two opposite values; 0, the default, is bit for bit. */
  readonly tolerance?: number | undefined;
  /** Does not pack weights that are also graph inputs, which callers may override. By default they are packed. */
  readonly keepDefaults?: boolean | undefined;
  /** Unpack with standard operators in the graph instead of the functions UnpackSign and Scale. */
  readonly inline?: boolean | undefined;
  /** Needed for a model with external data. */
  readonly external?: ExternalData | undefined;
}

export interface Packed {
  readonly tensor: string;
  readonly layer: string;
  readonly op: string;
  readonly shape: readonly number[];
  readonly weights: number;
  /** Number of scales: 1, or one per channel or block; 0 for 8-bit weights, whose layer has the scales. */
  readonly scales: number;
  /** Largest relative difference of a weight from its stored value; 0 without a tolerance. */
  readonly error: number;
  /** Bytes of the stored tensors that make the weights, before and after. */
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}

export interface ModelFile {
  readonly model: Uint8Array;
  /** The external data of `model`, if it has any. */
  readonly data: Uint8Array | undefined;
}

export interface PackedFile extends ModelFile {
  readonly packed: readonly Packed[];
  /** Layers that were not packed, and why. */
  readonly kept: readonly Kept[];
}

/** Operator set needed for unpacking: Slice with bounds as inputs. */
export const MIN_OPSET = 10;
/** IR versions: model-local functions came with 8; since 4, stored tensors need not be inputs. */
const MIN_IR_VERSION = { functions: 8, inline: 4 };
/** Approximate bytes of two nodes and three tensors, without values and names. */
const OVERHEAD = 200;

/**
 * Finds the weights of Conv, ConvTranspose, Gemm, MatMul, RNN, GRU, LSTM and of embeddings (Gather) that take two opposite values,
 * +-s, and stores them as bits and scales that unpack to the same values, bit for bit. There is one s per tensor, per channel,
 * or per block of an axis. Weights may be stored, or computed by Sign, Where, BipolarQuant and the like; as float32,
 * float16, bfloat16 or float64, or 8-bit integers of any two values where a layer computes with integers; in the model's graph,
 * in those of If, Loop and Scan, or in functions, whose calls are then written out.
 * Everything else is written as read, except that operator sets 7 to 9 become 10 and unused stored tensors are removed.
 * @throws InputError when the file is not an ONNX model, is damaged, or holds no such weights
 * @example
 * const dense = toOnnx(model, { form: 'dense' });
 * const { model: small, packed } = packOnnx(dense);
 * console.log(`${packed.length} tensors, ${dense.length} bytes become ${small.length}`);
 */
export function packOnnx(file: Uint8Array, options: PackOptions = {}): PackedFile {
  const { inline: isInline = false, external, tolerance = 0, keepDefaults } = options;
  const read = flatten(decodeModel(file));
  requireExternal(read, external?.read);
  const model = expandFunctions(read, 'weights');
  const opset = liftOpset(model, MIN_OPSET);
  const form = isInline ? inline : packed;
  const rows: Packed[] = [];
  const kept = replaceWeights(model, { read: external?.read, keepDefaults }, (graph, { tensor, layer, op, axes }, weights) => {
    const { data, dims, bytes, type } = weights;
    if (weights.unpacked) return 'packed already';
    const split = EIGHT_BIT.has(type) ? splitLevels(data, dims) : splitWeights(data, dims, axes(dims), tolerance);
    if (typeof split === 'string') return split;
    const [scales, error] = 'scale' in split ? [split.scale.data.length, split.error] : [0, 0];
    const count = elements(dims);
    const bytesAfter = packedLength(count) + (type === DataType.DOUBLE ? 8 : 4) * scales + 8 * dims.length;
    if (bytesAfter + OVERHEAD + 8 * tensor.length >= bytes) return `${count} weights are too few to gain`;
    if ('scale' in split) addKernel(graph, form, prefixOf(tensor), split, weights);
    else eightBitLevels(graph, prefixOf(tensor), split.bits, type, split.levels);
    nameLast(graph.nodes, tensor);
    rows.push({ tensor, layer, op, shape: dims, weights: count, scales, error, bytesBefore: bytes, bytesAfter });
    return undefined;
  });
  if (rows.length === 0)
    throw new NothingToPackError('weights of a Conv, ConvTranspose, Gemm, MatMul or the like that take two opposite values', kept);
  const needsFunctions = !isInline && rows.some(({ scales }) => scales > 0);
  liftIrVersion(model, needsFunctions ? MIN_IR_VERSION.functions : MIN_IR_VERSION.inline);
  if (needsFunctions) addFunctions(model, opset);
  restateForm(model, isInline ? 'inline' : 'packed');
  stateDigest(model, digestOf(model, external?.read));
  const data = relocate(model, external);
  return { model: encodeModel(model), data, packed: rows, kept };
}

/** Adds the nodes that make the weights, in their type and shape; the last node computes the result. */
function addKernel(graph: Graph, form: Form, name: string, { bits, scale }: OneBitWeights, { type, dims }: Constant): void {
  const isDouble = type === DataType.DOUBLE; // float32 cannot hold its scales: they multiply after the cast
  const scales = isDouble ? Float32Array.of(1) : Float32Array.from(scale.data);
  let { weights } = form.kernel(graph, name, bits, floatTensor(isDouble ? [] : scale.shape, scales));
  if (type !== DataType.FLOAT) weights = graph.node('Cast', [weights], `${name}.cast`, { to: type });
  if (isDouble)
    weights = graph.node('Mul', [weights, graph.constant(`${name}.scale64`, () => doubles(scale.shape, scale.data))], `${name}.scaled`);
  if (bits.shape.length !== dims.length) graph.node('Reshape', [weights, graph.int64s(`${name}.dims`, dims)], `${name}.joined`);
}

/** Prefix of the names of new tensors: in our files the layer's name, as in an export. */
function prefixOf(tensor: string): string {
  return tensor.replace(/(?<=.)\.kernel$/, '');
}

/** The last node computes the weights: it gets their name in the graph. */
function nameLast(nodes: { output?: string[] | null }[], tensor: string): void {
  const last = nodes.at(-1);
  if (last) last.output = [tensor];
}

/**
 * Updates the form in the metadata of a file of this project after its weights changed form; changes `model`.
 * A form that rounds activations keeps its name, however its weights are stored.
 */
export function restateForm(model: ModelProto, form: FormName): void {
  for (const entry of model.metadata_props ?? [])
    if (entry.key === 'wrn.form' && Object.hasOwn(forms, entry.value ?? '')) entry.value = form;
}

/** The error for a file in which nothing can be changed; the message names up to three layers with reasons, `kept` has all. */
export class NothingToPackError extends InputError {
  constructor(
    expected: string,
    readonly kept: readonly Kept[],
  ) {
    const why = kept.slice(0, SHOWN).map(({ layer, reason }) => `${layer}: ${reason}`);
    const more = kept.length > SHOWN ? [`and ${kept.length - SHOWN} more`] : [];
    super('onnx', 'graph', `expected ${expected}, got none${kept.length > 0 ? ` (${[...why, ...more].join('; ')})` : ''}`);
  }
}

const SHOWN = 3;

/** Before version 4, a stored tensor had to be an input as well and was constant; later, such a tensor is a default. */
function liftIrVersion(model: ModelProto, version: number): void {
  const before = toNumber(model.ir_version, 'ir_version');
  if (before >= version) return;
  model.ir_version = version;
  if (before >= 4 || !model.graph) return;
  const stored = new Set((model.graph.initializer ?? []).map(({ name }) => name));
  model.graph.input = (model.graph.input ?? []).filter(({ name }) => !stored.has(name));
}

/** The functions with the model's version of the standard operators: onnx requires that they agree. */
function addFunctions(model: ModelProto, opset: number): void {
  const there = new Set((model.functions ?? []).filter(({ domain }) => domain === DOMAIN).map(({ name }) => name));
  const missing = packed.functions.filter(({ name }) => !there.has(name));
  const opset_import: FunctionProto['opset_import'] = [{ domain: '', version: opset }];
  model.functions = [...(model.functions ?? []), ...missing.map((f) => ({ ...f, opset_import }))];
  if (!model.opset_import?.some(({ domain }) => domain === DOMAIN)) {
    model.opset_import = [...(model.opset_import ?? []), { domain: DOMAIN, version: 1 }];
  }
}
