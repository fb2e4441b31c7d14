/**
 * Checkpoints of binary-wide-resnet (PyTorch): a state dict whose inner kernels are either packed by numpy.packbits
 * along the input channels (uint8), or the latent floats of a training. The first and last convolution and the
 * last batch norm's scale and offset are float32.
 */
import { InputError } from '../../src/errors.ts';
import { type PickleValue, unexpected } from '../../src/formats/pickle.ts';
import { TorchTensor } from '../../src/formats/torch.ts';
import { defaultConfig, type NetworkConfig, type Pads, readConfig } from '../../src/network/config.ts';
import { checkModel, type Model } from '../../src/network/model.ts';
import type { About } from '../../src/network/provenance.ts';
import { packSigns } from '../../src/network/sign.ts';
import { bitTensor, floatTensor, type Tensor } from '../../src/network/tensor.ts';
import { type ConvLayer, layers, type NormLayer } from '../../src/network/topology.ts';

const FORMAT = 'pytorch';
const PREFIX = 'module.'; // of torch.nn.DataParallel
const PADS: Pads = [1, 1, 1, 1];
/** Names of the topology's layers in the state dict, where they differ. */
const names: Readonly<Record<string, string>> = {
  'stem.conv': 'conv0',
  'head.norm': 'bn',
  'head.conv': 'conv_last',
  'head.norm1': 'bn_last',
};

type StateDict = ReadonlyMap<string, TorchTensor>;

/** Whether a checkpoint holds this network, as a state dict or inside a training checkpoint. */
export function isBinaryWideResnet(checkpoint: PickleValue): boolean {
  const state = stateOf(checkpoint);
  return (
    state instanceof Map && [...state.keys()].some((key) => typeof key === 'string' && key.replace(PREFIX, '') === 'group0.block0.conv0')
  );
}

/**
 * Canonical model of a 1-bit checkpoint, packed or latent (signs are taken).
 * @throws InputError naming the parameter that is missing, left over or of the wrong shape
 */
export function fromPytorch(checkpoint: PickleValue, about: Omit<About, 'dialect'>): Model {
  return read(checkpoint, 1, { dialect: 'pytorch', ...about });
}

/** The same for a full-precision training, which a latent checkpoint does not tell from a 1-bit one. */
export function fromPytorchFloat(checkpoint: PickleValue, about: Omit<About, 'dialect'>): Model {
  return read(checkpoint, 32, { dialect: 'pytorch-float', ...about });
}

function read(checkpoint: PickleValue, bits: 1 | 32, about: About): Model {
  const state = stateDict(checkpoint);
  const config = configOf(state, bits);
  const left = new Set(state.keys());
  const take = (name: string, shape: readonly number[]): TorchTensor => {
    const tensor = state.get(name);
    left.delete(name);
    if (tensor?.shape.join() === shape.join()) return tensor;
    throw new InputError(FORMAT, name, `expected shape [${shape.join(', ')}], got ${tensor ? `[${tensor.shape.join(', ')}]` : 'nothing'}`);
  };
  const tensors = new Map<string, Tensor>();
  for (const layer of layers(config)) {
    const name = names[layer.name] ?? layer.name.replace('norm', 'bn');
    if (layer.op === 'conv') readKernel(tensors, layer, state.get(name)?.type === 'Byte', (shape) => take(name, shape));
    else if (layer.op === 'norm') {
      readNorm(tensors, layer, (field, shape) => take(`${name}.${field}`, shape));
      left.delete(`${name}.num_batches_tracked`);
    }
  }
  const [extra] = left;
  if (extra !== undefined) throw new InputError(FORMAT, extra, `expected no such parameter in this network, got ${left.size} left over`);
  return checkModel({ config, tensors, about }, FORMAT);
}

function readKernel(
  tensors: Map<string, Tensor>,
  layer: ConvLayer,
  packed: boolean,
  take: (shape: readonly number[]) => TorchTensor,
): void {
  const { kernel, inputChannels } = layer;
  const shape = [layer.shape[0], inputChannels, kernel, kernel];
  const name = `${layer.name}.kernel`;
  if (layer.bits === 32) {
    tensors.set(name, floatTensor(shape, Float32Array.from(take(shape).values())));
    return;
  }
  const bytesShape = [layer.shape[0], Math.ceil(inputChannels / 8), kernel, kernel];
  const bits = packed ? repack(take(bytesShape).values(), layer) : packSigns(take(shape).values());
  tensors.set(name, bitTensor(shape, bits));
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

function readNorm(tensors: Map<string, Tensor>, layer: NormLayer, take: (field: string, shape: readonly number[]) => TorchTensor): void {
  const shape = [layer.shape[0]];
  const fields = { mean: 'running_mean', variance: 'running_var', ...(layer.affine ? { gamma: 'weight', beta: 'bias' } : {}) };
  for (const [ours, theirs] of Object.entries(fields)) {
    tensors.set(`${layer.name}.${ours}`, floatTensor(shape, Float32Array.from(take(theirs, shape).values())));
  }
}

function stateOf(checkpoint: PickleValue): PickleValue | undefined {
  if (!(checkpoint instanceof Map)) return undefined;
  return checkpoint.get('state_dict') ?? checkpoint;
}

/** The parameters by name, without the prefix of DataParallel. */
function stateDict(checkpoint: PickleValue): StateDict {
  const state = stateOf(checkpoint);
  if (!(state instanceof Map)) throw new InputError(FORMAT, 'checkpoint', 'expected a state dict, got something else');
  const tensors = new Map<string, TorchTensor>();
  for (const [key, value] of state as Map<PickleValue, PickleValue>) {
    if (typeof key !== 'string') throw unexpected(FORMAT, 'state dict', 'names of parameters', key);
    if (!(value instanceof TorchTensor)) throw unexpected(FORMAT, `parameter ${key}`, 'a tensor', value);
    const name = key.startsWith(PREFIX) ? key.slice(PREFIX.length) : key;
    if (tensors.has(name)) throw new InputError(FORMAT, `parameter ${name}`, 'expected it once, got it twice');
    tensors.set(name, value);
  }
  return tensors;
}

function configOf(state: StateDict, bits: 1 | 32): NetworkConfig {
  const blocks = [...state.keys()].filter((name) => /^group0\.block\d+\.conv0$/.test(name)).length;
  const [stemOutputs, channels] = state.get('conv0')?.shape ?? [];
  const [classes] = state.get('conv_last')?.shape ?? [];
  if (!stemOutputs || !channels || !classes)
    throw new InputError(FORMAT, 'conv0 and conv_last', 'expected the first and the last convolution, got none');
  return readConfig({
    ...defaultConfig,
    depth: 6 * blocks + 2,
    width: stemOutputs / 16,
    classes,
    input: { channels, height: 32, width: 32 },
    bits,
    endBits: 32,
    inputNorm: { mean: [125.3, 123.0, 113.9], std: [63.0, 62.1, 66.7] },
    affine: 'last',
    downsample: { convPads: PADS, poolPads: PADS, poolCountsPads: true },
  });
}
