/** Digests in the metadata of every file that we write, so that a damaged one is found. docs/format.md specifies them. */
import { sha256 } from '#builtin';
import { asBytes } from '../formats/typed-array.ts';
import type { Model } from './model.ts';
import type { Tensor } from './tensor.ts';
import { layers } from './topology.ts';

/** Metadata key of the digest of all weights, the same in every file format. */
export const WEIGHTS_SHA256 = 'wrn.weights_sha256';

/**
 * SHA-256 over the given layers, in order. Each layer adds the line `<name> <sizes, joined by x> <bits or float32>`, then its
 * weights as packed signs or little-endian float32.
 */
export function weightsDigest(weights: Iterable<readonly [name: string, tensor: Tensor]>): string {
  const parts: (Uint8Array | string)[] = [];
  for (const [name, { dtype, shape, data }] of weights) parts.push(`${name} ${shape.join('x')} ${dtype}\n`, asBytes(data));
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

/** Metadata key of the digest of every number in this file: weights, scales, batch norms, ranges of activations. */
export const TENSORS_SHA256 = 'wrn.tensors_sha256';

/**
 * Two SHA-256, joined by a colon: of the tensors' names, types and sizes, and of their values.
 * @param tensors each described by a line, in the order of the file
 */
export function tensorsDigest(tensors: Iterable<readonly [described: string, values: readonly (Uint8Array | string)[]]>): string {
  const [lines, values]: [string[], string[]] = [[], []];
  for (const [described, parts] of tensors) {
    lines.push(described);
    values.push(sha256(...parts));
  }
  return [lines, values].map((list) => sha256(list.join('\n'))).join(':');
}

/**
 * Whether the values are those stated. Where the tensors themselves are others, another program has rewritten the file on
 * purpose, and the digest says nothing about it.
 */
export function isDamaged(stated: string, found: string): boolean {
  return stated !== found && stated.split(':')[0] === found.split(':')[0];
}
