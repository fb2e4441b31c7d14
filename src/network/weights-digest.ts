/** One digest for all weights of a network, the same in every file format. docs/format.md specifies it. */
import { sha256 } from '#builtin';
import type { Model } from './model.ts';
import type { Tensor } from './tensor.ts';
import { layers } from './topology.ts';

/** Metadata key of the digest in every file that we write. */
export const WEIGHTS_SHA256 = 'wrn.weights_sha256';

/**
 * SHA-256 over the given layers, in order. Each layer adds the line `<name> <sizes, joined by x> <bits or float32>`, then its
 * weights as packed signs or little-endian float32.
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
