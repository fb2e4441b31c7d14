/** Turns packed weights back into plain tensors. */
import { decodeModel, encodeModel, type FunctionProto, type GraphProto, type ModelProto, type NodeProto } from '../../../proto/onnx.ts';
import { relocate, requireExternal } from '../external-data.ts';
import { DOMAIN } from '../forms/packed.ts';
import { flatten } from '../layered/flatten.ts';
import { graphsOf } from '../nodes.ts';
import { encodeValues } from '../stored.ts';
import { stateDigest } from '../weights-digest.ts';
import { digestOf } from './digest.ts';
import { type ModelFile, NothingToPackError, type PackOptions, restateForm } from './pack.ts';
import { replaceWeights } from './replace-weights.ts';

export interface Unpacked {
  readonly tensor: string;
  readonly layer: string;
  readonly op: string;
  readonly shape: readonly number[];
  readonly weights: number;
}

export interface UnpackedFile extends ModelFile {
  readonly unpacked: readonly Unpacked[];
}

/**
 * Replaces the weights that `packOnnx` or an export stored as bits, in either form, by the same values in their original type.
 * @throws InputError when the file is not an ONNX model, is damaged, or holds no packed weights
 * @example
 * const { model: dense, unpacked } = unpackOnnx(file); // weights in float32 again
 */
export function unpackOnnx(file: Uint8Array, { external }: Pick<PackOptions, 'external'> = {}): UnpackedFile {
  const model = flatten(decodeModel(file));
  requireExternal(model, external?.read);
  const unpacked: Unpacked[] = [];
  replaceWeights(model, { read: external?.read }, (graph, { tensor, layer, op }, weights) => {
    if (!weights.unpacked) return 'not packed';
    graph.constant(tensor, () => encodeValues(weights));
    unpacked.push({ tensor, layer, op, shape: weights.dims, weights: weights.data.length });
    return undefined;
  });
  if (unpacked.length === 0) throw new NothingToPackError('weights stored as bits', []);
  removeFunctions(model);
  restateForm(model, 'dense');
  stateDigest(model, digestOf(model, external?.read));
  const data = relocate(model, external);
  return { model: encodeModel(model), data, unpacked };
}

/** Removes functions that are no longer called. */
function removeFunctions(model: ModelProto): void {
  const calls = (nodes: GraphProto['node'] | FunctionProto['node']): boolean =>
    (nodes ?? []).some((node: NodeProto) => node.domain === DOMAIN || graphsOf(node).some((inner) => calls(inner.node)));
  const others = (model.functions ?? []).filter(({ domain }) => domain !== DOMAIN);
  if (calls(model.graph?.node) || others.some(({ node }) => calls(node))) return;
  model.functions = others;
  model.opset_import = (model.opset_import ?? []).filter(({ domain }) => domain !== DOMAIN);
}
