/** One-bit weights of any ONNX model, stored as bits. */
import { decodeModel, encodeModel, type FunctionProto, type ModelProto, toNumber } from '../../../proto/onnx.ts';
import { InputError } from '../../../src/errors.ts';
import { elements } from '../../../src/formats/shape.ts';
import { packedLength } from '../../../src/network/sign.ts';
import { type ExternalData, relocate, requireExternal } from '../external-data.ts';
import { inline } from '../forms/inline.ts';
import { DOMAIN, packed } from '../forms/packed.ts';
import { type FormName, forms } from '../forms/table.ts';
import { splitWeights } from './opposite-values.ts';
import { type Kept, replaceWeights } from './replace-weights.ts';

export interface PackOptions {
  /** Unpack by standard operators in the graph, not by the functions UnpackSign and Scale. */
  readonly inline?: boolean | undefined;
  /** Without it a model that has external data is refused. */
  readonly external?: ExternalData | undefined;
}

export interface Packed {
  readonly tensor: string;
  readonly layer: string;
  readonly op: string;
  readonly shape: readonly number[];
  readonly weights: number;
  /** Number of scales: 1, or one for each channel. */
  readonly scales: number;
  /** Bytes of the stored tensors that the weights were made of, and that they are made of now. */
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
  /** Layers whose weights were left as they are, and why. */
  readonly kept: readonly Kept[];
}

/** What the operators that unpack need: Slice with its bounds as inputs. */
const MIN_OPSET = 10;
/** Model-local functions came with version 8; since 4 stored tensors need not be inputs. */
const MIN_IR_VERSION = { functions: 8, inline: 4 };
/** What two nodes and three tensors take beside their values and names, about. */
const OVERHEAD = 200;

/**
 * Finds the weights of Conv, ConvTranspose, Gemm and MatMul that take two opposite values (+-s for the whole tensor
 * or for each channel; stored as they are, or made by Sign, Where, BipolarQuant and the like) and stores them
 * as bits and scales that unpack to the same float32 values, bit for bit.
 * Everything else is written as it was read; stored tensors that nothing uses any more are left out.
 * @throws InputError when the file is no ONNX model, is damaged, or holds no such weights
 */
export function packOnnx(file: Uint8Array, { inline: isInline = false, external }: PackOptions = {}): PackedFile {
  const model = decodeModel(file);
  requireExternal(model, external?.read);
  const opset = standardOpset(model);
  if (opset < MIN_OPSET) {
    throw new InputError(
      'onnx',
      'opset_import',
      `expected operator set ${MIN_OPSET} or newer, got ${opset}. Convert it with onnx.version_converter`,
    );
  }
  const form = isInline ? inline : packed;
  const rows: Packed[] = [];
  const kept = replaceWeights(model, external?.read, (graph, { tensor, layer, op, axes }, { data, dims, bytes, unpacked }) => {
    if (unpacked) return 'packed already';
    const split = splitWeights(data, dims, axes(dims));
    if (typeof split === 'string') return split;
    const [scales, weights] = [split.scale.data.length, elements(dims)];
    const bytesAfter = packedLength(weights) + 4 * scales + 8 * dims.length;
    if (bytesAfter + OVERHEAD + 8 * tensor.length >= bytes) return `${weights} weights are too few to gain`;
    form.kernel(graph, prefixOf(tensor), split.bits, split.scale);
    nameLast(graph.nodes, tensor);
    rows.push({ tensor, layer, op, shape: dims, weights, scales, bytesBefore: bytes, bytesAfter });
    return undefined;
  });
  if (rows.length === 0) throw nothingToDo('weights of a Conv, ConvTranspose, Gemm or MatMul that take two opposite values', kept);
  liftIrVersion(model, isInline ? MIN_IR_VERSION.inline : MIN_IR_VERSION.functions);
  if (!isInline) addFunctions(model, opset);
  restateForm(model, isInline ? 'inline' : 'packed');
  const data = relocate(model, external);
  return { model: encodeModel(model), data, packed: rows, kept };
}

/** Names of the new tensors start with it: in files of ours, the layer's name, so that they are those of an export. */
function prefixOf(tensor: string): string {
  return tensor.replace(/(?<=.)\.kernel$/, '');
}

/** The last node makes the weights: it takes the name by which the graph knows them. */
function nameLast(nodes: { output?: string[] | null }[], tensor: string): void {
  const last = nodes.at(-1);
  if (last) last.output = [tensor];
}

/**
 * Corrects what a file of this project says of its form once its weights are stored in another; changes `model`.
 * A form that rounds activations stays what it is, however its weights are stored.
 */
export function restateForm(model: ModelProto, form: FormName): void {
  for (const entry of model.metadata_props ?? [])
    if (entry.key === 'wrn.form' && Object.hasOwn(forms, entry.value ?? '')) entry.value = form;
}

/** The error of a file in which nothing can be changed; it names up to three layers and why. */
export function nothingToDo(expected: string, kept: readonly Kept[]): InputError {
  const why = kept.slice(0, 3).map(({ layer, reason }) => `${layer}: ${reason}`);
  const more = kept.length > 3 ? [`and ${kept.length - 3} more`] : [];
  return new InputError('onnx', 'graph', `expected ${expected}, got none${kept.length > 0 ? ` (${[...why, ...more].join('; ')})` : ''}`);
}

function standardOpset({ opset_import }: ModelProto): number {
  const entry = opset_import?.find(({ domain }) => !domain || domain === 'ai.onnx');
  return toNumber(entry?.version, 'opset version');
}

/** Before version 4 a stored tensor had to be among the inputs and was constant all the same; later it would be a default. */
function liftIrVersion(model: ModelProto, version: number): void {
  const before = toNumber(model.ir_version, 'ir_version');
  if (before >= version) return;
  model.ir_version = version;
  if (before >= 4 || !model.graph) return;
  const stored = new Set((model.graph.initializer ?? []).map(({ name }) => name));
  model.graph.input = (model.graph.input ?? []).filter(({ name }) => !stored.has(name));
}

/** The functions in the model's own version of the standard operators: onnx asks that they agree. */
function addFunctions(model: ModelProto, opset: number): void {
  const there = new Set((model.functions ?? []).filter(({ domain }) => domain === DOMAIN).map(({ name }) => name));
  const missing = packed.functions.filter(({ name }) => !there.has(name));
  const opset_import: FunctionProto['opset_import'] = [{ domain: '', version: opset }];
  model.functions = [...(model.functions ?? []), ...missing.map((f) => ({ ...f, opset_import }))];
  if (!model.opset_import?.some(({ domain }) => domain === DOMAIN)) {
    model.opset_import = [...(model.opset_import ?? []), { domain: DOMAIN, version: 1 }];
  }
}
