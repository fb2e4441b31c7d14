/** The digests in the metadata of a file of this project. */
import type { ModelProto, TensorProto } from '../../proto/onnx.ts';
import { InputError } from '../../src/errors.ts';
import type { NetworkConfig } from '../../src/network/config.ts';
import { packSigns } from '../../src/network/sign.ts';
import { bitTensor, floatTensor, type Tensor } from '../../src/network/tensor.ts';
import { layers, parametersOf } from '../../src/network/topology.ts';
import { TENSORS_SHA256, tensorsDigest, WEIGHTS_SHA256, weightsDigest } from '../../src/network/weights-digest.ts';
import { tensorsOf } from './external-data.ts';
import { bytesOf, dimsOf, isExternal } from './initializer.ts';
import { storedNumbers } from './layered/stored.ts';
import { storedValues } from './stored.ts';

/**
 * Writes the digest of a file's weights, and that of all its tensors, into its metadata; undefined removes both. The latter is left
 * out where tensors are in another file, whose name is a digest already. Changes `model`.
 */
export function stateDigest(model: ModelProto, digest: string | undefined): void {
  const others = (model.metadata_props ?? []).filter(({ key }) => key !== WEIGHTS_SHA256 && key !== TENSORS_SHA256);
  const all = digest === undefined ? undefined : storedDigest(model);
  model.metadata_props = [
    ...others,
    ...(digest === undefined ? [] : [{ key: WEIGHTS_SHA256, value: digest }]),
    ...(all === undefined ? [] : [{ key: TENSORS_SHA256, value: all }]),
  ];
}

/** The digest of all stored tensors, wherever they are in the model; undefined if some are in another file. */
export function storedDigest(model: ModelProto): string | undefined {
  const tensors = tensorsOf(model);
  if (tensors.some(isExternal)) return undefined;
  return tensorsDigest(
    tensors.map((tensor) => {
      const { name, data_type, raw_data, string_data, float_data, int32_data, int64_data, double_data, uint64_data } = tensor;
      const lists = [float_data, int32_data, int64_data, double_data, uint64_data].map((list) => (list ?? []).join());
      return [`${name ?? ''} ${data_type ?? 0} ${dimsOf(tensor).join('x')}`, [raw_data ?? '', ...(string_data ?? []), lists.join(';')]];
    }),
  );
}

/** The kernels of a file of this project, in order of execution. */
export function ownDigest(model: ModelProto, config: NetworkConfig): string {
  const stored = storedNumbers(model);
  const kernels = layers(config).flatMap((layer) => {
    const [kernel] = layer.op === 'conv' ? parametersOf(layer, config) : [];
    return kernel ? [[layer.name, readKernel(stored, layer.name, kernel)] as const] : [];
  });
  return weightsDigest(kernels);
}

/** The bits, or the kernel itself, under the names used by the forms. */
function readKernel(
  stored: ReadonlyMap<string, TensorProto>,
  layer: string,
  { shape, dtype }: { readonly shape: readonly number[]; readonly dtype: Tensor['dtype'] },
): Tensor {
  const bits = stored.get(`${layer}.bits`);
  if (dtype === 'bits' && bits) return bitTensor(shape, bytesOf(bits));
  const kernel = stored.get(`${layer}.sign`) ?? stored.get(`${layer}.kernel`);
  const values = kernel && storedValues(kernel);
  if (!values) throw new InputError('onnx', layer, 'expected the weights of this convolution, got nothing');
  const floats = Float32Array.from(values.data);
  return dtype === 'bits' ? bitTensor(shape, packSigns(floats)) : floatTensor(shape, floats);
}
