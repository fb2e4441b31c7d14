/**
 * An exact sum of float64 numbers, with the same bits for any order or grouping of its summands: partial results of
 * shards add up to the result of one run. It is kept as an expansion: numbers that do not overlap and add up exactly
 * to the sum (Shewchuk, Adaptive Precision Floating-Point Arithmetic, 1997): two or three numbers in practice.
 */
export class ExactSum {
  /** From small to large; no rounding is lost between them. */
  #parts: number[];
  /** Sum of non-finite numbers by IEEE rules, which do not depend on order. */
  #notFinite = 0;

  constructor(summands: Iterable<number> = []) {
    this.#parts = [];
    for (const summand of summands) this.add(summand);
  }

  /** Adds a number. Between them the magnitudes must stay below 2^1023. */
  add(summand: number): void {
    if (!Number.isFinite(summand)) {
      this.#notFinite += summand;
      return;
    }
    const parts: number[] = [];
    let sum = summand;
    for (const part of this.#parts) {
      const [high, low] = twoSum(sum, part);
      if (low !== 0) parts.push(low);
      sum = high;
    }
    if (sum !== 0) parts.push(sum);
    this.#parts = parts;
  }

  merge(other: ExactSum): void {
    this.#notFinite += other.#notFinite;
    for (const part of other.#parts) this.add(part);
  }

  /** The float64 nearest to the exact sum, ties to even. */
  get value(): number {
    if (this.#notFinite !== 0) return this.#notFinite;
    let at = this.#parts.length - 1;
    let [sum, rest] = [this.#parts[at] ?? 0, 0];
    while (rest === 0 && --at >= 0) [sum, rest] = twoSum(sum, this.#parts[at] as number);
    // half-way between two numbers: ties went to even, but smaller parts may decide
    const beyond = this.#parts[at - 1] ?? 0;
    const other = sum + 2 * rest;
    return other - sum === 2 * rest && Math.sign(beyond) === Math.sign(rest) && rest !== 0 ? other : sum;
  }

  /** Numbers that add up to the sum: each is nearest to the remainder of those before, so that equal sums give equal lists. */
  summands(): number[] {
    if (this.#notFinite !== 0) return [this.#notFinite];
    const rest = new ExactSum(this.#parts);
    const found: number[] = [];
    for (let { value } = rest; value !== 0; value = rest.value) {
      found.push(value);
      rest.add(-value);
    }
    return found;
  }
}

/** The rounded sum of two numbers and its exact rounding error (Knuth). */
function twoSum(a: number, b: number): [sum: number, lost: number] {
  const sum = a + b;
  const ofB = sum - a;
  return [sum, a - (sum - ofB) + (b - ofB)];
}
