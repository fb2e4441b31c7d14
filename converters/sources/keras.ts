/**
 * The author's Keras networks, saved by scipy as `*_allparams.mat`: `*conv2d*` holds 0/1 kernels shaped
 * [1, height, width, inputs, outputs], `*batch_normalization*` two rows (mean, variance) or four (gamma, beta,
 * mean, variance). Variables stand in order of execution; their numbers count on from earlier networks.
 */
import { InputError } from '../../src/errors.ts';
import type { MatArray, MatFile } from '../../src/formats/mat5.ts';
import { defaultConfig, type NetworkConfig, readConfig } from '../../src/network/config.ts';
import { checkModel, type Model } from '../../src/network/model.ts';
import type { About } from '../../src/network/provenance.ts';
import { floatTensor, type Tensor } from '../../src/network/tensor.ts';
import { type ConvLayer, type Layer, layers, type NormLayer } from '../../src/network/topology.ts';
import { packHWIO } from './kernel-bits.ts';

const FORMAT = 'keras .mat';
type Numeric = Extract<MatArray, { kind: 'numeric' }>;
type Named = { name: string; array: Numeric };

/** Names of Keras' layers: `conv2d_3`, `binary_conv2d_3`, `batch_normalization_v1_84`. */
const isConv = (name: string) => name.includes('conv2d');
const isNorm = (name: string) => name.includes('batch_normalization');

/** Whether the variables are named as Keras names layers. */
export function isKeras(file: MatFile): boolean {
  return [...file.keys()].some(isConv);
}

/**
 * Canonical model of a Keras-dialect file.
 * @throws InputError naming the variable that is missing, left over or of the wrong shape.
 */
export function fromKeras(file: MatFile, about: Omit<About, 'dialect'>): Model {
  const convs: Named[] = [];
  const norms: Named[] = [];
  for (const [name, array] of file) {
    const list = isConv(name) ? convs : isNorm(name) ? norms : undefined;
    if (!list || array.kind !== 'numeric')
      throw new InputError(FORMAT, `variable ${name}`, `expected kernels and batch norms only, got ${array.kind}`);
    list.push({ name, array });
  }
  if (norms.length === 0) {
    throw new InputError(
      FORMAT,
      'file',
      'expected batch-norm moments beside the weights, got weights only. Such a file cannot be converted: use the *_allparams.mat file of the same network',
    );
  }
  const config = configOf(convs, norms);
  const network = layers(config);
  const tensors = new Map<string, Tensor>();
  pair(
    network.filter((layer) => layer.op === 'conv'),
    convs,
    (layer, conv) => readKernel(tensors, layer, conv),
  );
  pair(
    network.filter((layer) => layer.op === 'norm'),
    norms,
    (layer, norm) => readNorm(tensors, layer, norm),
  );
  return checkModel({ config, tensors, about: { dialect: 'keras', ...about } }, FORMAT);
}

/** The configuration that the shapes tell. The image size is not stored: 28x28 for one channel (MNIST), else 32x32. */
function configOf(convs: readonly Named[], norms: readonly Named[]): NetworkConfig {
  const kernel = (conv: Named | undefined): readonly [number, number, number, number] => {
    const [one, ...dims] = conv?.array.dims ?? [];
    if (conv && one === 1 && dims.length === 4) return dims as unknown as readonly [number, number, number, number];
    throw new InputError(
      FORMAT,
      `variable ${conv?.name}`,
      `expected shape [1, height, width, inputs, outputs], got [${conv?.array.dims.join(', ')}]`,
    );
  };
  const depth = convs.length;
  if (depth < 8 || (depth - 2) % 6 !== 0) throw new InputError(FORMAT, 'file', `expected 6n + 2 convolutions, got ${depth}`);
  const [, , channels, stemOutputs] = kernel(convs[0]);
  const [, , , classes] = kernel(convs.at(-1));
  const rows = (norm: Named | undefined) => norm?.array.dims[0];
  const affine = rows(norms[0]) !== 4 ? 'none' : rows(norms[1]) === 4 ? 'all' : 'first';
  const size = channels === 1 ? 28 : 32;
  const input = { channels, height: size, width: size };
  return readConfig({ ...defaultConfig, depth, width: stemOutputs / 16, classes, input, affine });
}

function pair<L extends Layer>(expected: readonly L[], got: readonly Named[], read: (layer: L, variable: Named) => void): void {
  for (const [i, layer] of expected.entries()) {
    const variable = got[i];
    if (!variable) throw new InputError(FORMAT, layer.name, `expected ${expected.length} variables of this kind, got ${got.length}`);
    read(layer, variable);
  }
  const extra = got[expected.length];
  if (extra)
    throw new InputError(FORMAT, `variable ${extra.name}`, `expected ${expected.length} variables of this kind, got ${got.length}`);
}

function readKernel(tensors: Map<string, Tensor>, layer: ConvLayer, { name, array }: Named): void {
  const dims = [1, layer.kernel, layer.kernel, layer.inputChannels, layer.shape[0]];
  if (array.dims.join() !== dims.join()) {
    throw new InputError(
      FORMAT,
      `variable ${name}`,
      `expected shape [${dims.join(', ')}] for ${layer.name}, got [${array.dims.join(', ')}]`,
    );
  }
  const bits = packHWIO(array.data, [layer.kernel, layer.kernel, layer.inputChannels, layer.shape[0]]);
  if (typeof bits === 'number') throw new InputError(FORMAT, `variable ${name}`, `expected bits 0 and 1, got ${bits}`);
  tensors.set(`${layer.name}.kernel`, bits);
  tensors.set(`${layer.name}.scale`, floatTensor([], Float32Array.of(layer.heScale)));
}

function readNorm(tensors: Map<string, Tensor>, layer: NormLayer, { name, array }: Named): void {
  const fields = layer.affine ? ['gamma', 'beta', 'mean', 'variance'] : ['mean', 'variance'];
  const dims = [fields.length, layer.shape[0]];
  if (array.dims.join() !== dims.join()) {
    throw new InputError(
      FORMAT,
      `variable ${name}`,
      `expected shape [${dims.join(', ')}] for ${layer.name}, got [${array.dims.join(', ')}]`,
    );
  }
  for (const [row, field] of fields.entries()) {
    const values = Float32Array.from({ length: layer.shape[0] }, (_, c) => array.data[c * fields.length + row] as number);
    tensors.set(`${layer.name}.${field}`, floatTensor([layer.shape[0]], values));
  }
}
