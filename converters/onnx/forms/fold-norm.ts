/** Batch norm with stored moments as one multiplication and one addition per channel. */
import type { Model } from '../../../src/network/model.ts';
import type { NormLayer } from '../../../src/network/topology.ts';

/**
 * y = factor * x + offset, where factor = gamma / sqrt(variance + epsilon) and offset = beta - mean * factor
 * (Ioffe and Szegedy, 2015, algorithm 2). One value per channel, in double precision.
 */
export function foldNorm(model: Model, { name, epsilon, shape: [channels] }: NormLayer): { factor: Float64Array; offset: Float64Array } {
  const parameter = (field: string, c: number, absent: number) => model.tensors.get(`${name}.${field}`)?.data[c] ?? absent;
  const factor = Float64Array.from(
    { length: channels },
    (_, c) => parameter('gamma', c, 1) / Math.sqrt(parameter('variance', c, 1) + epsilon),
  );
  const offset = factor.map((f, c) => parameter('beta', c, 0) - parameter('mean', c, 0) * f);
  return { factor, offset };
}
