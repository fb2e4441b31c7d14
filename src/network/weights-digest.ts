/** One number for all weights of a network, whatever file they stand in: docs/format.md defines it for other readers. */
import { sha256 } from '#builtin';
import type { Model } from './model.ts';
import type { Tensor } from './tensor.ts';
import { layers } from './topology.ts';

/** The key in the metadata of every file that is written. */
export const WEIGHTS_SHA256 = 'wrn.weights_sha256';

/**
 * SHA-256 of the weights of layers, in order: of each a line `<name> <sizes, joined by x> <bits or float32>`, and the weights
 * behind it, as packed signs or little-endian float32.
 */
export function weightsDigest(weights: Iterable<readonly [name: string, tensor: Tensor]>): string {
  const parts: (Uint8Array | string)[] = [];
  for (const [name, { dtype, shape, data }] of weights)
    parts.push(`${name} ${shape.join('x')} ${dtype}\n`, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return sha256(...parts);
}

/** The digest of a model's kernels, in order of execution. */
export function modelDigest({ config, tensors }: Pick<Model, 'config' | 'tensors'>): string {
  const kernels = layers(config).flatMap(({ name, op }) => {
    const tensor = op === 'conv' ? tensors.get(`${name}.kernel`) : undefined;
    return tensor ? [[name, tensor] as const] : [];
  });
  return weightsDigest(kernels);
}
