/** Distribution of values from many batches, in bounded memory. */

/** Number of bins; even, because doubling the limit merges pairs of bins around 0. */
const BINS = 8192;

export class Histogram {
  /** Bin i holds the values in [-limit + i * width, -limit + (i + 1) * width), where width = 2 * limit / BINS. */
  #counts = new Float64Array(BINS);
  #limit = 1;
  #count = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;

  get min(): number {
    return this.#min;
  }
  get max(): number {
    return this.#max;
  }

  add(values: Float32Array): void {
    let [min, max] = [this.#min, this.#max];
    for (const value of values) {
      if (value < min) min = value;
      if (value > max) max = value;
    }
    [this.#min, this.#max] = [min, max];
    while (Math.max(-min, max) >= this.#limit) this.#double();
    const [counts, limit, perUnit] = [this.#counts, this.#limit, BINS / (2 * this.#limit)];
    for (const value of values) {
      const bin = Math.floor((value + limit) * perUnit);
      counts[bin] = (counts[bin] as number) + 1;
    }
    this.#count += values.length;
  }

  /** Value below which a fraction of all values lies, exact to a bin width; 0 and 1 give the smallest and largest value. */
  quantile(fraction: number): number {
    if (fraction <= 0) return this.#min;
    const target = fraction * this.#count;
    let below = 0;
    for (let bin = 0; bin < BINS; bin++) {
      below += this.#counts[bin] as number;
      if (below >= target) return Math.min(this.#max, Math.max(this.#min, this.#edge(bin + 1)));
    }
    return this.#max;
  }

  /** Sum over all values of `cost`, taken at the centre of each bin. */
  sum(cost: (value: number) => number): number {
    let total = 0;
    for (let bin = 0; bin < BINS; bin++) {
      const count = this.#counts[bin] as number;
      if (count > 0) total += count * cost((this.#edge(bin) + this.#edge(bin + 1)) / 2);
    }
    return total;
  }

  #edge(bin: number): number {
    return ((2 * bin) / BINS - 1) * this.#limit;
  }

  #double(): void {
    const merged = new Float64Array(BINS);
    for (let bin = 0; bin < BINS; bin++) {
      const into = ((bin - BINS / 2) >> 1) + BINS / 2;
      merged[into] = (merged[into] as number) + (this.#counts[bin] as number);
    }
    this.#counts = merged;
    this.#limit *= 2;
  }
}
