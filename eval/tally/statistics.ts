/** Uncertainty of counted fractions and spread of measured values. */

/** 97.5th percentile of the standard normal distribution. */
const Z = 1.959964;

/**
 * The 95 % confidence interval of a proportion (Wilson, 1927): unlike the normal approximation it stays inside 0 to 1
 * and holds for few images and for fractions near 1.
 */
export function wilsonInterval(successes: number, count: number): readonly [low: number, high: number] {
  const p = successes / count;
  const shrink = 1 + Z ** 2 / count;
  const centre = (p + Z ** 2 / (2 * count)) / shrink;
  const half = (Z / shrink) * Math.sqrt((p * (1 - p)) / count + Z ** 2 / (4 * count ** 2));
  return [Math.max(0, centre - half), Math.min(1, centre + half)];
}

export interface Quartiles {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** Median and quartiles, each one of the values. */
export function quartiles(values: readonly number[]): Quartiles {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (fraction: number) => sorted[Math.floor(fraction * (sorted.length - 1) + 0.5)] ?? Number.NaN;
  return { median: at(0.5), low: at(0.25), high: at(0.75) };
}
