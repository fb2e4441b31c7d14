/** Exact sums against whole numbers of any size: each float64 is a multiple of 2^-1074, and BigInt adds those. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ExactSum } from '../../../eval/tally/exact-sum.ts';

/** A finite float64 in units of 2^-1074 (IEEE 754). */
function toUnits(x: number): bigint {
  const bits = new BigUint64Array(Float64Array.of(Math.abs(x)).buffer)[0] as bigint;
  const exponent = bits >> 52n;
  const mantissa = (bits & (2n ** 52n - 1n)) + (exponent ? 2n ** 52n : 0n);
  return BigInt(Math.sign(x)) * (mantissa << (exponent ? exponent - 1n : 0n));
}

/** The nearest float64: Number rounds a BigInt to the nearest, to even of two; what does not fit it is left as one sticky bit. */
function fromUnits(units: bigint): number {
  const size = units < 0n ? -units : units;
  if (size < 2n ** 1000n) return Number(units) * 2 ** -1074;
  const shifted = (size >> 300n) | (size % 2n ** 300n ? 1n : 0n);
  return Number(units < 0n ? -shifted : shifted) * 2 ** -774;
}

const summand = fc.oneof(
  fc.double({ min: -1e60, max: 1e60, noNaN: true }),
  fc.integer({ min: -100, max: 100 }).map((exponent) => 2 ** exponent), // halves and quarters of the last digit: ties
  fc.integer({ min: -100, max: 100 }).map((exponent) => -(2 ** exponent)),
);

test('a sum is the float64 nearest to the exact one, and merging groups in any order gives the same bits', () => {
  fc.assert(
    fc.property(fc.array(summand, { maxLength: 40 }), fc.array(fc.nat(4), { minLength: 40, maxLength: 40 }), (summands, groupOf) => {
      const whole = new ExactSum(summands);
      expect(whole.value).toBe(fromUnits(summands.reduce((sum, x) => sum + toUnits(x), 0n)) + 0); // + 0: no negative zero
      const merged = new ExactSum();
      for (let group = 4; group >= 0; group--) merged.merge(new ExactSum(summands.filter((_, i) => groupOf[i] === group)));
      expect(merged.summands()).toEqual(whole.summands());
      expect(new ExactSum(whole.summands()).summands()).toEqual(whole.summands());
    }),
    { numRuns: 2000 },
  );
});

test.each([
  { summands: [1e16, 1, 1e-16], sum: 1e16 + 2 }, // a tie that the last summand decides
  { summands: [1e16, 1, -1e-16], sum: 1e16 },
  { summands: [1, 1e100, 1, -1e100], sum: 2 },
  { summands: Array.from({ length: 10 }, () => 0.1), sum: 1 },
  { summands: [], sum: 0 },
])('$summands: $sum', ({ summands, sum }) => expect(new ExactSum(summands).value).toBe(sum));

test.each([
  { summands: [1, Number.POSITIVE_INFINITY, 2], sum: Number.POSITIVE_INFINITY },
  { summands: [1, Number.NaN, Number.POSITIVE_INFINITY], sum: Number.NaN },
])('what is not finite stays: $summands', ({ summands, sum }) => {
  const merged = new ExactSum(summands.slice(0, 2));
  merged.merge(new ExactSum(summands.slice(2)));
  expect(merged.value).toBe(sum);
  expect(merged.summands()).toEqual([sum]);
});
