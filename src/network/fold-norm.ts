/** Batch norm with stored moments as one multiplication and one addition a channel. */
import type { Model } from './model.ts';
import type { NormLayer } from './topology.ts';

/**
 * y = factor * x + offset, where factor = gamma / sqrt(variance + epsilon) and offset = beta - mean * factor
 * (Ioffe and Szegedy, 2015, algorithm 2). One value a channel, in double precision.
 * @param model what holds the layer's parameters; gamma and beta that are not learned are absent
 */
export function foldNorm(
  { tensors }: Pick<Model, 'tensors'>,
  { name, epsilon, shape: [channels] }: NormLayer,
): { factor: Float64Array; offset: Float64Array } {
  const parameter = (field: string, c: number, absent: number) => tensors.get(`${name}.${field}`)?.data[c] ?? absent;
  const factor = Float64Array.from(
    { length: channels },
    (_, c) => parameter('gamma', c, 1) / Math.sqrt(parameter('variance', c, 1) + epsilon),
  );
  const offset = factor.map((f, c) => parameter('beta', c, 0) - parameter('mean', c, 0) * f);
  return { factor, offset };
}
