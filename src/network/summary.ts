/** The cost of a network per layer: the numbers that `inspect` prints. */

import { elements } from '../formats/shape.ts';
import type { NetworkConfig } from './config.ts';
import { packedLength } from './sign.ts';
import { type Layer, layers, multiplyAccumulates, type Parameter, parametersOf } from './topology.ts';

/** One row of the table. A column that does not apply or is unknown is null. */
export interface LayerSummary {
  readonly name: string;
  readonly op: string;
  /** Kernel height and width. */
  readonly kernel: readonly number[] | null;
  readonly stride: readonly number[] | null;
  readonly inputChannels: number | null;
  readonly outputChannels: number | null;
  /** Output height and width. */
  readonly output: readonly number[] | null;
  /** Weights of a convolution or matrix product. Batch norm moments and scales do not count. */
  readonly weights: number;
  /** Bits per weight. */
  readonly bits: number | null;
  /** Per image. */
  readonly multiplyAccumulates: number | null;
  /** Size of the layer's stored parameters. */
  readonly bytes: number;
  /** Size of the same parameters in float32. */
  readonly float32Bytes: number;
}

/** A row for every layer of a network. `bytesOf` gives the size of a layer's parameters in a file (default: their canonical size). */
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
      // a float32 network has no scales
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
