/**
 * A seeded random generator: xoshiro128** 1.1 (Blackman and Vigna, "Scrambled linear pseudorandom number
 * generators", 2021), seeded by SplitMix32. Each use has its own stream with a key of whole numbers (seed, purpose,
 * epoch or step). So the random state of a training run is just its position.
 */
export interface Random {
  /** Uniform integer, 0 <= n < limit; limit at most 2^32. */
  integer(limit: number): number;
  /** Uniform in [0, 1), a multiple of 2^-32. */
  uniform(): number;
  /** Standard normal. */
  normal(): number;
  /** Fills `target` from index `from` to `to` with uniform integers 0..255, four per 32-bit draw. */
  bytes(target: Float32Array, from: number, to: number): void;
}

export function randomStream(...key: readonly number[]): Random {
  const state = new Uint32Array(4);
  let mixed = 0;
  for (const part of key) mixed = scramble(mixed ^ scramble(part));
  for (let i = 0; i < 4; i++) state[i] = scramble(mixed + Math.imul(i + 1, GOLDEN));
  if (state.every((word) => word === 0)) state[0] = 1; // the generator cannot leave the all-zero state
  let [a, b, c, d] = state as unknown as [number, number, number, number];

  const next = (): number => {
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9);
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotate(d, 11);
    return result >>> 0;
  };
  return {
    integer(limit) {
      // reject values beyond the last multiple of limit, so that all remainders are equally likely
      const end = RANGE - (RANGE % limit);
      let value = next();
      while (value >= end) value = next();
      return value % limit;
    },
    uniform: () => next() / RANGE,
    normal: () => Math.sqrt(-2 * Math.log(1 - next() / RANGE)) * Math.cos(2 * Math.PI * (next() / RANGE)), // Box and Muller 1958
    bytes(target, from, to) {
      for (let at = from, word = 0; at < to; at++) {
        word = (at - from) % 4 === 0 ? next() : word >>> 8;
        target[at] = word & 255;
      }
    },
  };
}

/** A Fisher-Yates shuffle of 0 .. count - 1. */
export function permutation(count: number, random: Random): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  return order;
}

const RANGE = 2 ** 32;
/** 2^32 divided by the golden ratio. */
const GOLDEN = 0x9e3779b9;

/** The finalizer of SplitMix32: MurmurHash3's with other constants. */
function scramble(value: number): number {
  let z = (value + GOLDEN) | 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) >>> 0;
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}
