/** The variables of a trained network: the learned ones with their initial values, and the moments measured after training. */

import type { Random } from '../../data/random.ts';
import { elements } from '../../formats/shape.ts';
import type { NetworkConfig } from '../../network/config.ts';
import { layers, parameters } from '../../network/topology.ts';

export interface Variable {
  /** Layer and field: `stem.conv.kernel`, `input.norm.gamma`. */
  readonly name: string;
  /** Kernels HWIO; gamma and beta [channels]. */
  readonly shape: readonly number[];
  /** Initial value: the standard deviation of a normal distribution, or a constant. */
  readonly start: { readonly deviation: number } | { readonly value: number };
  /** Whether weight decay acts on it. */
  readonly decays: boolean;
}

/** The learned variables of a network, in order of execution. */
export function learned(config: NetworkConfig): Variable[] {
  return layers(config).flatMap((layer): Variable[] => {
    const [channels] = layer.shape;
    if (layer.op === 'conv') {
      const shape = [layer.kernel, layer.kernel, layer.inputChannels, channels];
      return [{ name: `${layer.name}.kernel`, shape, start: { deviation: layer.heScale }, decays: true }];
    }
    if (layer.op !== 'norm' || !layer.affine) return [];
    const field = (name: string, value: number) => ({ name: `${layer.name}.${name}`, shape: [channels], start: { value }, decays: false });
    return [field('gamma', 1), field('beta', 0)];
  });
}

/** Moments of every batch norm by parameter name, e.g. `input.norm.mean`; shape [channels]. */
export type StoredMoments = ReadonlyMap<string, Float32Array>;

/** Names of the moments, in order of execution. */
export function momentNames(config: NetworkConfig): string[] {
  return parameters(config)
    .map(({ name }) => name)
    .filter((name) => name.endsWith('.mean') || name.endsWith('.variance'));
}

/** Initial values: He-normal kernels, gamma 1, beta 0. */
export function initialWeights(variables: readonly Variable[], random: Random): Float32Array[] {
  return variables.map(({ shape, start }) => {
    const values = new Float32Array(elements(shape));
    if ('value' in start) return values.fill(start.value);
    return values.map(() => random.normal() * start.deviation);
  });
}
