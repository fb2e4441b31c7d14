/**
 * A sum of float64 numbers that is exact, and so the same bits in whatever order or grouping its summands come: partial
 * results of shards add up to what one run finds. It is kept as an expansion, numbers that do not overlap and whose
 * exact sum is the sum (Shewchuk, Adaptive Precision Floating-Point Arithmetic, 1997): two or three numbers in practice.
 */
export class ExactSum {
  /** From small to large; no rounding is lost between them. */
  #parts: number[];
  /** What is not finite follows IEEE's rules, which do not depend on the order of an infinity and NaNs. */
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

  /** The float64 nearest to the exact sum; of two equally near ones the even one. */
  get value(): number {
    if (this.#notFinite !== 0) return this.#notFinite;
    let at = this.#parts.length - 1;
    let [sum, rest] = [this.#parts[at] ?? 0, 0];
    while (rest === 0 && --at >= 0) [sum, rest] = twoSum(sum, this.#parts[at] as number);
    // half-way between two numbers: the even one was taken, but smaller parts may lie beyond
    const beyond = this.#parts[at - 1] ?? 0;
    const other = sum + 2 * rest;
    return other - sum === 2 * rest && Math.sign(beyond) === Math.sign(rest) && rest !== 0 ? other : sum;
  }

  /** The sum as the numbers that give it back: each the nearest to what the ones before leave, so that equal sums are equal lists. */
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

/** The rounded sum of two numbers and, exactly, what the rounding lost (Knuth). */
function twoSum(a: number, b: number): [sum: number, lost: number] {
  const sum = a + b;
  const ofB = sum - a;
  return [sum, a - (sum - ofB) + (b - ofB)];
}
