/**
 * The author's Keras networks, from any file that holds their layers: kernels and batch norms in order of execution, found by
 * Keras' layer names, whose numbers continue from earlier networks of the same process.
 */
import { InputError } from '../../src/errors.ts';
import { defaultConfig, type NetworkConfig, type Pads, readConfig } from '../../src/network/config.ts';
import { checkModel, type Model } from '../../src/network/model.ts';
import type { Provenance } from '../../src/network/provenance.ts';
import { type BitTensor, floatTensor, type Tensor } from '../../src/network/tensor.ts';
import { type ConvLayer, type Layer, layers, type NormLayer } from '../../src/network/topology.ts';
import { type Asked, type ImageSize, inputOf } from './asked.ts';
import { LatentKernels } from './latent.ts';

/** A kernel in one of the ways that files store it; functions, so that a kernel that does not fit is never decoded. */
export type KerasKernel =
  | { readonly kind: 'bits'; readonly bits: () => BitTensor; readonly scale?: number }
  /** Latent floats whose signs the network uses, OIHW. */
  | { readonly kind: 'latent'; readonly values: () => Float32Array }
  | { readonly kind: 'float'; readonly values: () => Float32Array };

export interface KerasConv {
  /** Its name in the file. */
  readonly name: string;
  readonly height: number;
  readonly width: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly kernel: KerasKernel;
}

export interface KerasNorm {
  readonly name: string;
  /** Gamma, beta, mean, variance; or only mean and variance. */
  readonly rows: readonly Float32Array[];
}

/** The layers of a file, and other facts it contains. */
export interface KerasFile {
  readonly format: string;
  readonly convs: readonly KerasConv[];
  readonly norms: readonly KerasNorm[];
  readonly imageSize?: ImageSize | undefined;
  readonly epsilon?: number | undefined;
  readonly logitsDivisor?: number | undefined;
  readonly notes: readonly string[];
}

/** Names of Keras' layers: `conv2d_3`, `binary_conv2d_3`, `batch_normalization_v1_84`. */
export const isConvName = (name: string) => name.includes('conv2d');
export const isNormName = (name: string) => name.includes('batch_normalization');

/**
 * Layers by the numbers in their names, as Keras counts them (`conv2d`, `conv2d_1`...): a file saved again by another program may
 * lose the order of execution. Names that differ in more than the number keep their order.
 */
export function byNumber<T extends { readonly name: string }>(layers: readonly T[]): T[] {
  const parts = layers.map((layer) => {
    const [, base = layer.name, number = '0'] = /^(.*?)(?:_(\d+))?$/.exec(layer.name) ?? [];
    return { layer, base, number: Number(number) };
  });
  if (new Set(parts.map(({ base }) => base)).size > 1) return [...layers];
  return parts.sort((a, b) => a.number - b.number).map(({ layer }) => layer);
}

/**
 * Canonical model of the layers.
 * @throws InputError that names a layer that is missing, left over or of the wrong shape
 */
export function fromKerasLayers(file: KerasFile, about: Provenance, asked: Asked): Model {
  const { format, convs, norms } = file;
  if (norms.length === 0) {
    throw new InputError(
      format,
      'file',
      'expected weights and batch-norm moments, got weights only. Use the *_allparams.mat file of the same network',
    );
  }
  const notes = [...file.notes];
  const config = configOf(file, asked, notes);
  const network = layers(config);
  const tensors = new Map<string, Tensor>();
  const latent = new LatentKernels();
  pair(
    format,
    network.filter((layer) => layer.op === 'conv'),
    convs,
    (layer, conv) => readKernel(format, tensors, latent, layer, conv),
  );
  pair(
    format,
    network.filter((layer) => layer.op === 'norm'),
    norms,
    (layer, norm) => readNorm(format, tensors, layer, norm),
  );
  return checkModel({ config, tensors, about, notes: [...notes, ...latent.notes('TensorFlow')], zeros: latent.zeros }, format);
}

/** The configuration, derived from the shapes. */
function configOf({ format, convs, norms, imageSize, epsilon, logitsDivisor }: KerasFile, asked: Asked, notes: string[]): NetworkConfig {
  const depth = convs.length;
  const [first, last] = [convs[0], convs.at(-1)];
  if (!first || !last || depth < 8 || (depth - 2) % 6 !== 0)
    throw new InputError(format, 'file', `expected 6n + 2 convolutions, got ${depth}`);
  const rows = (norm: KerasNorm | undefined) => norm?.rows.length;
  const affine = rows(norms[0]) !== 4 ? 'none' : rows(norms[1]) === 4 ? 'all' : 'first';
  const input = inputOf(first.inputs, imageSize, asked, notes);
  const pads = samePads(format, input);
  const bits = bitsOf(format, convs.slice(1, -1));
  const shifted = norms.length === 1;
  return readConfig({
    ...defaultConfig,
    depth,
    width: first.outputs / 16,
    classes: last.outputs,
    input,
    bits,
    endBits: bitsOf(format, [first, last]),
    affine,
    ...(epsilon !== undefined && { epsilon }),
    ...(shifted && { activation: 'shifted-relu', logitsDivisor: divisorOf(logitsDivisor, last.outputs, bits, asked, notes) }),
    downsample: { convPads: pads, poolPads: pads, poolCountsPads: false },
  });
}

/** Bits per weight, the same for these convolutions. */
function bitsOf(format: string, convs: readonly KerasConv[]): 1 | 32 {
  const [first, ...others] = convs.map(({ kernel }) => (kernel.kind === 'float' ? 32 : 1));
  const odd = others.findIndex((bits) => bits !== first) + 1;
  if (odd > 0)
    throw new InputError(format, `layer ${convs[odd]?.name}`, `expected ${first}-bit weights as in ${convs[0]?.name}, got others`);
  return first ?? 1;
}

/**
 * TensorFlow's padding `same` of the 3x3 windows that halve the resolution: one pixel after an even size, one on
 * each side of an odd size.
 */
function samePads(format: string, { height, width }: ImageSize): Pads {
  const odd = (size: number) => {
    const second = Math.ceil(size / 2);
    if (size % 2 === second % 2) return size % 2;
    const size4 = size + (-size & 3);
    throw new InputError(format, 'image size', `expected sizes that halve twice evenly, got ${height}x${width}. Try ${size4}`);
  };
  const [top, left] = [odd(height), odd(width)];
  return [top, left, 1, 1];
}

/** The constants of the author's scripts, by number of classes and bits per weight. */
const publishedDivisors: Readonly<Record<number, { readonly 1: number; readonly 32: number }>> = {
  10: { 1: 40, 32: 80 },
  100: { 1: 25, 32: 25 },
};

function divisorOf(told: number | undefined, classes: number, bits: 1 | 32, { logitsDivisor }: Asked, notes: string[]): number {
  const known = told ?? logitsDivisor;
  if (known !== undefined) return known;
  const published = publishedDivisors[classes]?.[bits];
  const assumed = published === undefined ? '1' : `${published}, as in the author's script for ${classes} classes`;
  notes.push(`the file does not contain the divisor of the logits: assumed ${assumed}. Use --logits-divisor N to change it`);
  return published ?? 1;
}

function pair<L extends Layer, T extends { readonly name: string }>(
  format: string,
  expected: readonly L[],
  got: readonly T[],
  read: (layer: L, variable: T) => void,
): void {
  for (const [i, layer] of expected.entries()) {
    const variable = got[i];
    if (!variable) throw new InputError(format, layer.name, `expected ${expected.length} variables of this kind, got ${got.length}`);
    read(layer, variable);
  }
  const extra = got[expected.length];
  if (extra)
    throw new InputError(format, `variable ${extra.name}`, `expected ${expected.length} variables of this kind, got ${got.length}`);
}

function readKernel(format: string, tensors: Map<string, Tensor>, latent: LatentKernels, layer: ConvLayer, conv: KerasConv): void {
  const { name, kernel } = conv;
  const dims = [layer.kernel, layer.kernel, layer.inputChannels, layer.shape[0]];
  const got = [conv.height, conv.width, conv.inputs, conv.outputs];
  if (got.join() !== dims.join()) {
    throw new InputError(format, `variable ${name}`, `expected a kernel [${dims.join(', ')}] for ${layer.name}, got [${got.join(', ')}]`);
  }
  const shape = [layer.shape[0], layer.inputChannels, layer.kernel, layer.kernel];
  const parameter = `${layer.name}.kernel`;
  if (kernel.kind === 'float') {
    tensors.set(parameter, floatTensor(shape, kernel.values()));
    return;
  }
  tensors.set(parameter, kernel.kind === 'bits' ? kernel.bits() : latent.pack(parameter, kernel.values(), shape, format));
  const scale = (kernel.kind === 'bits' ? kernel.scale : undefined) ?? layer.heScale;
  tensors.set(`${layer.name}.scale`, floatTensor([], Float32Array.of(scale)));
}

function readNorm(format: string, tensors: Map<string, Tensor>, layer: NormLayer, { name, rows }: KerasNorm): void {
  const fields = layer.affine ? ['gamma', 'beta', 'mean', 'variance'] : ['mean', 'variance'];
  const [channels] = layer.shape;
  if (rows.length !== fields.length || rows.some((row) => row.length !== channels)) {
    const got = `[${rows.length}, ${rows[0]?.length ?? 0}]`;
    throw new InputError(format, `variable ${name}`, `expected shape [${fields.length}, ${channels}] for ${layer.name}, got ${got}`);
  }
  for (const [row, field] of fields.entries()) {
    tensors.set(`${layer.name}.${field}`, floatTensor([channels], rows[row] as Float32Array));
  }
}
