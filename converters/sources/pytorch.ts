/**
 * Networks of PyTorch, as state dicts.
 *
 * binary-wide-resnet: inner kernels either packed by numpy.packbits along the input channels (uint8), or latent
 * floats from training; the first and last convolution and the last batch norm's scale and offset are float32.
 * pytorchcv's wrn20_10_1bit_* and wrn20_10_32bit_* (models/wrn1bit_cifar.py): all kernels latent floats.
 */
import { InputError } from '../../src/errors.ts';
import { defaultConfig, type NetworkConfig, type Pads, readConfig } from '../../src/network/config.ts';
import { checkModel, type Model } from '../../src/network/model.ts';
import type { Provenance } from '../../src/network/provenance.ts';
import { packSigns } from '../../src/network/sign.ts';
import { bitTensor, floatTensor, type Tensor } from '../../src/network/tensor.ts';
import { type ConvLayer, layers, type NormLayer } from '../../src/network/topology.ts';
import { type Asked, type ImageSize, inputOf } from './asked.ts';
import { LatentKernels } from './latent.ts';
import { findNetwork, holdsNetwork, type StateDicts, type StateTensor } from './state-dict.ts';

const FORMAT = 'pytorch';
const PADS: Pads = [1, 1, 1, 1];

/** How a repository names and builds this network. */
interface Family {
  /** Name of a parameter that all its networks have. */
  readonly anchor: string;
  /** Names of the first and the last convolution's kernels. */
  readonly ends: readonly [first: string, last: string];
  /** Kernel of the first convolution of each block of the first group. */
  readonly block: RegExp;
  /** Name of a layer's parameters, before the fields of a norm. */
  nameOf(layer: string, op: 'conv' | 'norm'): string;
  /** How it normalises pixels 0..255. */
  readonly inputNorm: { readonly mean: readonly number[]; readonly std: readonly number[] };
  /** Whether the first and the last convolution stay float32 in a 1-bit network. */
  readonly floatEnds: boolean;
  /** For networks that take images of one size. */
  readonly imageSize?: ImageSize;
}

const binaryNames: Readonly<Record<string, string>> = {
  'stem.conv': 'conv0',
  'head.norm': 'bn',
  'head.conv': 'conv_last',
  'head.norm1': 'bn_last',
};
const binaryWideResnet: Family = {
  anchor: 'group0.block0.conv0',
  ends: ['conv0', 'conv_last'],
  block: /^group0\.block\d+\.conv0$/,
  nameOf: (layer) => binaryNames[layer] ?? layer.replace('norm', 'bn'),
  inputNorm: { mean: [125.3, 123.0, 113.9], std: [63.0, 62.1, 66.7] },
  floatEnds: true,
};

const cvNames: Readonly<Record<string, string>> = {
  'stem.conv': 'features.init_block',
  'head.norm': 'features.post_activ.bn',
  'head.conv': 'output.final_conv.conv',
  'head.norm1': 'output.final_conv.bn',
};
const pytorchcv: Family = {
  anchor: 'features.stage1.unit1.body.conv1.conv.weight',
  ends: ['features.init_block.weight', 'output.final_conv.conv.weight'],
  block: /^features\.stage1\.unit\d+\.body\.conv1\.conv\.weight$/,
  nameOf(layer, op) {
    const [, group, block, index] = /^group(\d+)\.block(\d+)\.(?:conv|norm)(\d+)$/.exec(layer)?.map(Number) ?? [];
    const name =
      cvNames[layer] ??
      `features.stage${Number(group) + 1}.unit${Number(block) + 1}.body.conv${Number(index) + 1}.${op === 'conv' ? 'conv' : 'bn'}`;
    return op === 'conv' ? `${name}.weight` : name;
  },
  // Its data sets' (x / 255 - mean) / std, CIFAR and SVHN alike, for pixels 0..255.
  inputNorm: { mean: [0.4914, 0.4822, 0.4465].map((m) => m * 255), std: [0.2023, 0.1994, 0.201].map((s) => s * 255) },
  floatEnds: false,
  imageSize: { height: 32, width: 32 }, // its last pool is 8x8
};

type Origin = Omit<Provenance, 'dialect'>;

/** Whether a file holds a network of binary-wide-resnet, as a state dict or inside a training checkpoint. */
export function isBinaryWideResnet(file: StateDicts): boolean {
  return holdsNetwork(file, binaryWideResnet.anchor);
}

/** Whether a file holds a network of pytorchcv. */
export function isPytorchcv(file: StateDicts): boolean {
  return holdsNetwork(file, pytorchcv.anchor) && holdsNetwork(file, pytorchcv.ends[0]);
}

/**
 * Canonical model of a 1-bit network of binary-wide-resnet, packed or latent (signs are taken).
 * @throws InputError that names a parameter that is missing, left over or of the wrong shape
 */
export function fromPytorch(file: StateDicts, origin: Origin, asked: Asked): Model {
  return read(file, binaryWideResnet, 1, { dialect: 'pytorch', ...origin }, asked);
}

/** The same for full-precision training; a checkpoint with latent weights looks the same for 1 bit. */
export function fromPytorchFloat(file: StateDicts, origin: Origin, asked: Asked): Model {
  return read(file, binaryWideResnet, 32, { dialect: 'pytorch-float', ...origin }, asked);
}

/** Canonical model of pytorchcv's wrn20_10_1bit networks. */
export function fromPytorchcv(file: StateDicts, origin: Origin, asked: Asked): Model {
  return read(file, pytorchcv, 1, { dialect: 'pytorchcv', ...origin }, asked);
}

/** Canonical model of pytorchcv's wrn20_10_32bit networks, whose state dicts look alike. */
export function fromPytorchcvFloat(file: StateDicts, origin: Origin, asked: Asked): Model {
  return read(file, pytorchcv, 32, { dialect: 'pytorchcv-float', ...origin }, asked);
}

function read(file: StateDicts, family: Family, bits: 1 | 32, about: Provenance, asked: Asked): Model {
  const { tensors: state, outside, notes: beside } = findNetwork(file, family.anchor);
  const notes: string[] = [];
  const config = configOf(state, family, bits, asked, notes);
  const left = new Set(state.keys());
  const take = (name: string, shape: readonly number[]): StateTensor => {
    const tensor = state.get(name);
    left.delete(name);
    if (tensor?.shape.join() === shape.join()) return tensor;
    throw new InputError(FORMAT, name, `expected shape [${shape.join(', ')}], got ${tensor ? `[${tensor.shape.join(', ')}]` : 'nothing'}`);
  };
  const tensors = new Map<string, Tensor>();
  const latent = new LatentKernels();
  let isLatent = false;
  for (const layer of layers(config)) {
    if (layer.op === 'conv') {
      const name = family.nameOf(layer.name, 'conv');
      const packed = state.get(name)?.type === 'uint8';
      readKernel(tensors, layer, packed, latent, (shape) => take(name, shape));
      isLatent ||= layer.bits === 1 && !packed;
    } else if (layer.op === 'norm') {
      const name = family.nameOf(layer.name, 'norm');
      readNorm(tensors, layer, (field, shape) => take(`${name}.${field}`, shape));
      left.delete(`${name}.num_batches_tracked`);
    }
  }
  const passed = [...left].filter((name) => outside.has(name));
  const extra = [...left].filter((name) => !outside.has(name));
  if (extra[0] !== undefined)
    throw new InputError(FORMAT, extra[0], `expected only parameters of this network, got ${extra.length} left over`);
  if (passed.length > 0) notes.push(`skipped: ${passed.join(', ')}`);
  if (isLatent) notes.push(`the file does not contain the bits per weight: assumed 1. Use --dialect ${about.dialect}-float for 32 bits`);
  return checkModel({ config, tensors, about, notes: [...beside, ...notes, ...latent.notes('PyTorch')], zeros: latent.zeros }, FORMAT);
}

function readKernel(
  tensors: Map<string, Tensor>,
  layer: ConvLayer,
  packed: boolean,
  latent: LatentKernels,
  take: (shape: readonly number[]) => StateTensor,
): void {
  const { kernel, inputChannels } = layer;
  const shape = [layer.shape[0], inputChannels, kernel, kernel];
  const name = `${layer.name}.kernel`;
  if (layer.bits === 32) {
    tensors.set(name, floatTensor(shape, Float32Array.from(take(shape).values())));
    return;
  }
  const bytesShape = [layer.shape[0], Math.ceil(inputChannels / 8), kernel, kernel];
  const bits = packed ? bitTensor(shape, repack(take(bytesShape).values(), layer)) : latent.pack(name, take(shape).values(), shape, FORMAT);
  tensors.set(name, bits);
  tensors.set(`${layer.name}.scale`, floatTensor([], Float32Array.of(layer.heScale)));
}

/** numpy.packbits along axis 1 (input channel c is bit 7 - c % 8 of byte c / 8) to bits in OIHW order. */
function repack(bytes: Float64Array, { shape: [outputs], inputChannels, kernel }: ConvLayer): Uint8Array {
  const area = kernel * kernel;
  const packedChannels = Math.ceil(inputChannels / 8);
  const signs = new Int8Array(outputs * inputChannels * area);
  for (let output = 0, i = 0; output < outputs; output++) {
    for (let channel = 0; channel < inputChannels; channel++) {
      for (let pixel = 0; pixel < area; pixel++, i++) {
        const byte = bytes[(output * packedChannels + (channel >> 3)) * area + pixel] as number;
        signs[i] = (byte >> (7 - (channel & 7))) & 1 ? 1 : -1;
      }
    }
  }
  return packSigns(signs);
}

function readNorm(tensors: Map<string, Tensor>, layer: NormLayer, take: (field: string, shape: readonly number[]) => StateTensor): void {
  const shape = [layer.shape[0]];
  const fields = { mean: 'running_mean', variance: 'running_var', ...(layer.affine ? { gamma: 'weight', beta: 'bias' } : {}) };
  for (const [ours, theirs] of Object.entries(fields)) {
    tensors.set(`${layer.name}.${ours}`, floatTensor(shape, Float32Array.from(take(theirs, shape).values())));
  }
}

function configOf(
  state: ReadonlyMap<string, StateTensor>,
  { ends, block, inputNorm, floatEnds, imageSize }: Family,
  bits: 1 | 32,
  asked: Asked,
  notes: string[],
): NetworkConfig {
  const blocks = [...state.keys()].filter((name) => block.test(name)).length;
  const [first, last] = ends;
  const [stemOutputs, channels] = state.get(first)?.shape ?? [];
  const [classes] = state.get(last)?.shape ?? [];
  if (!stemOutputs || !channels || !classes)
    throw new InputError(FORMAT, `${first} and ${last}`, 'expected the first and the last convolution, got none');
  return readConfig({
    ...defaultConfig,
    depth: 6 * blocks + 2,
    width: stemOutputs / 16,
    classes,
    input: inputOf(channels, imageSize, asked, notes),
    bits,
    endBits: floatEnds ? 32 : bits,
    inputNorm,
    affine: 'last',
    downsample: { convPads: PADS, poolPads: PADS, poolCountsPads: true },
  });
}
