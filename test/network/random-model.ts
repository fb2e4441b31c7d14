/** Networks with random weights and moments, for tests: small, of every variant, and the same on every machine. */

import { elements } from '../../src/formats/shape.ts';
import { defaultConfig, type NetworkConfig } from '../../src/network/config.ts';
import { checkModel, type Model } from '../../src/network/model.ts';
import { packSigns } from '../../src/network/sign.ts';
import { bitTensor, floatTensor, type Tensor } from '../../src/network/tensor.ts';
import { layers, type Parameter, parametersOf } from '../../src/network/topology.ts';

/** Uniform numbers in [0, 1): xorshift32 (Marsaglia 2003). */
export function random(seed: number): () => number {
  let state = Math.imul(seed, 2654435761) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** Raw pixels 0..255, shape [count, channels, height, width]. */
export function randomImages({ input }: NetworkConfig, count: number, seed = 7): Uint8Array {
  const next = random(seed);
  return Uint8Array.from({ length: count * input.channels * input.height * input.width }, () => Math.floor(next() * 256));
}

/** A model of the default configuration at depth 8, width 1/4, 8x8 images, with the given fields changed. */
export function randomModel(changes: Partial<NetworkConfig> = {}, seed = 1): Model {
  const small = { depth: 8, width: 1 / 4, input: { channels: 3, height: 8, width: 8 } };
  const config: NetworkConfig = { ...defaultConfig, ...small, ...changes };
  const next = random(seed);
  const tensors = new Map<string, Tensor>();
  for (const layer of layers(config)) {
    const scale = layer.op === 'conv' ? layer.heScale : 1;
    for (const parameter of parametersOf(layer, config)) {
      const values = Float32Array.from({ length: elements(parameter.shape) }, () =>
        value(parameter, scale, layer.name === 'input.norm', next),
      );
      const tensor = parameter.dtype === 'bits' ? bitTensor(parameter.shape, packSigns(values)) : floatTensor(parameter.shape, values);
      tensors.set(parameter.name, tensor);
    }
  }
  return checkModel({ config, tensors, about: { dialect: 'random' } }, 'random model');
}

/** Values of the size that training gives, so that no activation vanishes or explodes. */
function value({ name, shape }: Parameter, scale: number, first: boolean, next: () => number): number {
  const noise = next() * 2 - 1;
  switch (name.slice(name.lastIndexOf('.') + 1)) {
    case 'kernel':
      return noise * scale * Math.sqrt(3); // uniform, of standard deviation `scale`
    case 'scale':
      return shape.length === 0 ? scale : scale * (1 + noise / 4);
    case 'mean':
      return first ? 127 + 20 * noise : noise / 2;
    case 'variance':
      return (first ? 5000 : 1) * (1 + noise / 2);
    case 'gamma':
      return 1 + noise / 2;
    default:
      return noise / 2;
  }
}

/** One entry for everything in which published networks and the paper's variants differ. */
export const variants: Readonly<Record<string, Partial<NetworkConfig>>> = {
  keras: { affine: 'first' },
  matlab: {
    inputRelu: true,
    affine: 'first',
    epsilon: 0,
    downsample: { convPads: [1, 1, 1, 1], poolPads: [1, 1, 1, 1], poolCountsPads: false },
  },
  'matlab plain': {
    residual: false,
    inputRelu: true,
    affine: 'first',
    epsilon: 0,
    downsample: { convPads: [1, 1, 1, 1], poolPads: [1, 1, 1, 1], poolCountsPads: false },
  },
  pytorch: {
    endBits: 32,
    inputNorm: { mean: [125.3, 123, 113.9], std: [63, 62.1, 66.7] },
    affine: 'last',
    downsample: { convPads: [1, 1, 1, 1], poolPads: [1, 1, 1, 1], poolCountsPads: true },
  },
  'full precision': { bits: 32, endBits: 32 },
  'mean scale per layer': { scale: 'mean-layer' },
  'mean scale per channel': { scale: 'mean-channel' },
  'learned batch norm': { affine: 'all' },
  'shifted ReLU': { activation: 'shifted-relu', logitsDivisor: 10 },
  'two blocks per group': { depth: 14 },
  imagenet: { stem: 'imagenet', depth: 10, width: 1 / 16, input: { channels: 3, height: 36, width: 32 }, affine: 'all' },
  'bits that fill no byte': { width: 1 / 16, classes: 3 },
  'bits that fill no byte, scale per channel': { width: 1 / 16, classes: 3, scale: 'mean-channel' },
  'one channel, odd sizes, many classes': { input: { channels: 1, height: 9, width: 7 }, classes: 100 },
};
