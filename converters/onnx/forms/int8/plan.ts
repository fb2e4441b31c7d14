/**
 * Plans which convolutions of a network run in integers, and which following layers they absorb. A norm and its
 * activation between two integer convolutions fold into the first: the norm into the scales of its output
 * channels and a bias, the activation into the range of its 8-bit output, which clips at 0 (ReLU) or -1 (shifted ReLU).
 */
import { InputError } from '../../../../src/errors.ts';
import type { Model } from '../../../../src/network/model.ts';
import { type ConvLayer, type Layer, layers, type NormLayer } from '../../../../src/network/topology.ts';
import { foldNorm } from '../fold-norm.ts';

export interface IntegerConv {
  readonly layer: ConvLayer;
  /** Name of the tensor it reads in 8 bits. */
  readonly input: string;
  /** The layers that it absorbs; without them its own output becomes 8-bit. */
  readonly folded: { readonly norm: NormLayer | undefined; readonly activation: string } | undefined;
}

/** A tensor that is stored in 8 bits. */
export interface QuantizedTensor {
  /** Name of the layer that makes it. */
  readonly name: string;
  /** The layer itself clips values below: 0 by ReLU, -1 by the shifted ReLU. */
  readonly floor: 0 | -1 | undefined;
}

export interface Int8Plan {
  /** By the name of the convolution's layer. */
  readonly convs: ReadonlyMap<string, IntegerConv>;
  /** Names of norms and activations that a convolution absorbs. */
  readonly folded: ReadonlySet<string>;
  /** In order of execution. */
  readonly tensors: readonly QuantizedTensor[];
}

/** The first and the last convolution do 0.1 % of the work and cause most of the rounding error: they stay float32. */
const FLOAT = new Set(['stem.conv', 'head.conv']);

/** @throws InputError when the network has no one-bit convolution between the first and the last. */
export function planInt8(model: Model): Int8Plan {
  const all = layers(model.config);
  const byName = new Map(all.map((layer) => [layer.name, layer]));
  const readers = new Map<string, Layer[]>();
  for (const layer of all) for (const input of layer.inputs) readers.set(input, [...(readers.get(input) ?? []), layer]);
  const isInteger = (layer: Layer | undefined): layer is ConvLayer => layer?.op === 'conv' && layer.bits === 1 && !FLOAT.has(layer.name);
  const onlyReader = (name: string) => (readers.get(name)?.length === 1 ? readers.get(name)?.[0] : undefined);

  const fold = (conv: ConvLayer): IntegerConv['folded'] => {
    const next = onlyReader(conv.name);
    const norm = next?.op === 'norm' ? next : undefined;
    const activation = norm ? onlyReader(norm.name) : next;
    if (activation?.op !== 'relu' && activation?.op !== 'shiftedRelu') return undefined;
    if (!readers.get(activation.name)?.every(isInteger)) return undefined;
    // A scale must be positive; a learned gamma may be negative.
    if (norm && !foldNorm(model, norm).factor.every((factor) => factor > 0)) return undefined;
    return { norm, activation: activation.name };
  };

  const convs = new Map<string, IntegerConv>();
  for (const layer of all.filter(isInteger)) {
    convs.set(layer.name, { layer, input: layer.inputs[0] as string, folded: fold(layer) });
  }
  if (convs.size === 0)
    throw new InputError('model', 'form int8', 'expected one-bit convolutions, got none between the first and the last');
  const quantized = new Set([...convs.values()].flatMap(({ layer, input, folded }) => [input, folded?.activation ?? layer.name]));
  return {
    convs,
    folded: new Set(
      [...convs.values()].flatMap(({ folded }) => (folded ? [folded.activation, ...(folded.norm ? [folded.norm.name] : [])] : [])),
    ),
    tensors: all.filter(({ name }) => quantized.has(name)).map(({ name }) => ({ name, floor: floorOf(byName.get(name)) })),
  };
}

function floorOf(layer: Layer | undefined): QuantizedTensor['floor'] {
  if (layer?.op === 'relu') return 0;
  return layer?.op === 'shiftedRelu' ? -1 : undefined;
}
