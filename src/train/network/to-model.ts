/** The result of training as a canonical model. */
import type { NetworkConfig } from '../../network/config.ts';
import { checkModel, type Model } from '../../network/model.ts';
import type { Provenance } from '../../network/provenance.ts';
import { packSigns } from '../../network/sign.ts';
import { bitTensor, floatTensor, type Tensor } from '../../network/tensor.ts';
import { type ConvLayer, layers } from '../../network/topology.ts';
import { toOIHW } from './kernel-layout.ts';
import { learned, type StoredMoments } from './variables.ts';

/** @param weights latent weights in the order of `learned`, kernels HWIO */
export function toModel(config: NetworkConfig, weights: readonly Float32Array[], moments: StoredMoments, about: Provenance): Model {
  const tensors = new Map<string, Tensor>();
  const convs = new Map<string, ConvLayer>(
    layers(config).flatMap((layer) => (layer.op === 'conv' ? [[`${layer.name}.kernel`, layer] as const] : [])),
  );
  for (const [i, { name, shape }] of learned(config).entries()) {
    const values = weights[i] as Float32Array;
    const conv = convs.get(name);
    if (!conv) tensors.set(name, floatTensor(shape, values));
    else for (const [field, tensor] of kernelTensors(config, conv, toOIHW(values, shape))) tensors.set(`${conv.name}.${field}`, tensor);
  }
  for (const [name, values] of moments) tensors.set(name, floatTensor([values.length], values));
  return checkModel({ config, tensors, about }, 'trained model');
}

function kernelTensors({ scale }: NetworkConfig, layer: ConvLayer, kernelOIHW: Float32Array): [field: string, Tensor][] {
  const [outputs] = layer.shape;
  const shape = [outputs, layer.inputChannels, layer.kernel, layer.kernel];
  if (layer.bits === 32) return [['kernel', floatTensor(shape, kernelOIHW)]];
  const bits = bitTensor(shape, packSigns(kernelOIHW));
  const parts = scale === 'mean-channel' ? outputs : 1;
  const scales = scale === 'he' ? Float32Array.of(layer.heScale) : means(kernelOIHW, parts);
  return [
    ['kernel', bits],
    ['scale', floatTensor(scale === 'mean-channel' ? [outputs, 1, 1, 1] : [], scales)],
  ];
}

/** Mean |W| for each of `parts` equal parts (BWN: Rastegari et al., ECCV 2016, equation 6). */
function means(values: Float32Array, parts: number): Float32Array {
  const size = values.length / parts;
  return Float32Array.from(
    { length: parts },
    (_, p) => values.subarray(p * size, (p + 1) * size).reduce((sum, w) => sum + Math.abs(w), 0) / size,
  );
}
