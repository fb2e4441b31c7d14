/** Batch norm with stored moments as one multiplication and one addition per channel. */
import type { NormLayer } from './topology.ts';

/**
 * y = factor * x + offset, where factor = gamma / sqrt(variance + epsilon) and offset = beta - mean * factor
 * (Ioffe and Szegedy, 2015, algorithm 2). One value per channel, in double precision.
 * @param field values that the model stores for the layer, one per channel; undefined for gamma and beta that are not learned
 */
export function foldNorm(
  field: (name: 'mean' | 'variance' | 'gamma' | 'beta') => ArrayLike<number> | undefined,
  { epsilon, shape: [channels] }: NormLayer,
): { factor: Float64Array; offset: Float64Array } {
  const [mean, variance, gamma, beta] = (['mean', 'variance', 'gamma', 'beta'] as const).map(field);
  const factor = Float64Array.from({ length: channels }, (_, c) => (gamma?.[c] ?? 1) / Math.sqrt((variance?.[c] ?? 1) + epsilon));
  const offset = factor.map((f, c) => (beta?.[c] ?? 0) - (mean?.[c] ?? 0) * f);
  return { factor, offset };
}
