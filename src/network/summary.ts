/** What a network costs, layer by layer: the numbers of `inspect`. */

import { elements } from '../formats/shape.ts';
import type { NetworkConfig } from './config.ts';
import { packedLength } from './sign.ts';
import { type Layer, layers, multiplyAccumulates, type Parameter, parametersOf } from './topology.ts';

/** One row of the table; null where a column does not apply or is not known. */
export interface LayerSummary {
  readonly name: string;
  readonly op: string;
  /** Height and width of the window. */
  readonly kernel: readonly number[] | null;
  readonly stride: readonly number[] | null;
  readonly inputChannels: number | null;
  readonly outputChannels: number | null;
  /** Height and width of the output. */
  readonly output: readonly number[] | null;
  /** Weights of a convolution or matrix product; batch norm moments and scales are not weights. */
  readonly weights: number;
  /** Bits of a weight. */
  readonly bits: number | null;
  /** For one image. */
  readonly multiplyAccumulates: number | null;
  /** Stored parameters of the layer. */
  readonly bytes: number;
  /** The same parameters as float32. */
  readonly float32Bytes: number;
}

/** Every layer of a network. `bytesOf` says what a layer's parameters take in a file; by default their canonical size. */
export function summarize(config: NetworkConfig, bytesOf?: (layer: string) => number): LayerSummary[] {
  return layers(config).map((layer) => {
    const parameters = parametersOf(layer, config);
    const sum = (size: (p: Parameter) => number) => parameters.reduce((total, p) => total + size(p), 0);
    const [channels, height, width] = layer.shape;
    const conv = layer.op === 'conv' ? layer : undefined;
    return {
      name: layer.name,
      op: layer.op,
      ...window(layer),
      inputChannels: conv?.inputChannels ?? null,
      outputChannels: channels,
      output: [height, width],
      weights: conv ? channels * conv.inputChannels * conv.kernel ** 2 : 0,
      bits: conv?.bits ?? null,
      multiplyAccumulates: multiplyAccumulates(layer),
      bytes: bytesOf?.(layer.name) ?? sum(storedBytes),
      // A 1-bit layer's scale has no counterpart in a float32 network.
      float32Bytes: sum((p) => (p.name.endsWith('.scale') ? 0 : 4 * elements(p.shape))),
    };
  });
}

function window(layer: Layer): Pick<LayerSummary, 'kernel' | 'stride'> {
  if (!('kernel' in layer)) return { kernel: null, stride: null };
  return { kernel: [layer.kernel, layer.kernel], stride: [layer.stride, layer.stride] };
}

function storedBytes({ dtype, shape }: Parameter): number {
  return dtype === 'bits' ? packedLength(elements(shape)) : 4 * elements(shape);
}
