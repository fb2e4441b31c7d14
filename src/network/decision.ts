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
