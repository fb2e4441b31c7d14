/** Median and quartiles of some values. */
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
