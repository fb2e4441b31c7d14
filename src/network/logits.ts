/** From logits to answers: the predicted class, and probabilities. Safe for browsers. */

export interface Prediction {
  /** Index of the class. */
  readonly index: number;
  /** Its label; `class <index>` when the file has none. */
  readonly label: string;
  /** Softmax over all classes, 0 to 1. */
  readonly probability: number;
}

/**
 * exp(x - max) / sum, which neither overflows nor changes the result.
 * @example
 * softmax([0, Math.log(3)]); // 0.25, 0.75
 */
export function softmax(logits: ArrayLike<number>): Float64Array {
  const values = Float64Array.from(logits);
  const max = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const powers = values.map((x) => Math.exp(x - max));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((p) => p / sum);
}

/**
 * The `count` most likely classes, most likely first; on ties the lower index first.
 * @example
 * const [best] = topK([1, 3, 2], 1, ['cat', 'dog', 'ship']); // dog
 */
export function topK(logits: ArrayLike<number>, count: number, labels?: readonly string[]): Prediction[] {
  const probabilities = [...softmax(logits)].map((probability, index) => ({
    index,
    label: labels?.[index] ?? `class ${index}`,
    probability,
  }));
  return probabilities.sort((a, b) => b.probability - a.probability || a.index - b.index).slice(0, count);
}

/**
 * The predicted class: the index of the largest logit, and the first one on a tie, like NumPy's argmax. NaN counts as
 * smaller than every number. If all logits are NaN, the result is -1, which never equals a label.
 * @param from index of the first of the `classes` logits
 */
export function decidedClass(logits: Float32Array, from: number, classes: number): number {
  let [best, largest] = [-1, Number.NaN];
  for (let c = 0; c < classes; c++) {
    const logit = logits[from + c] as number;
    if (logit > largest || (best < 0 && !Number.isNaN(logit))) [best, largest] = [c, logit];
  }
  return best;
}
