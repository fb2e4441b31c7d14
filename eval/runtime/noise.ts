/** Numbers in [0, 1), the same on every machine: a linear congruential generator (Numerical Recipes, 1992). */
export function generator(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Random pixels 0..255, the same on every machine. */
export function noise(count: number): Uint8Array {
  const next = generator();
  return Uint8Array.from({ length: count }, () => 256 * next());
}
