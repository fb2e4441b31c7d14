/** Pixels 0..255 of no picture, the same on every machine: the high byte of a linear congruential generator (Numerical Recipes, 1992). */
export function noise(count: number): Uint8Array {
  let state = 1;
  return Uint8Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}
