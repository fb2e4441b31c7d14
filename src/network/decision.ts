/**
 * The class that logits decide for: index of the largest, of equal ones the first, as numpy's argmax. NaN is smaller than
 * every number; where no logit is a number, the answer is -1, which is no class and so never right.
 * @param from index of the first of `classes` logits
 */
export function decidedClass(logits: Float32Array, from: number, classes: number): number {
  let [best, largest] = [-1, Number.NaN];
  for (let c = 0; c < classes; c++) {
    const logit = logits[from + c] as number;
    if (logit > largest || (best < 0 && !Number.isNaN(logit))) [best, largest] = [c, logit];
  }
  return best;
}
