/** The numbers of a parity table against values worked out by hand. */
import { expect, test } from 'vitest';
import { addDifference, countTopK, noDifference, relativeError, top1 } from '../../../eval/tally/metrics.ts';
import { defaultThresholds, judge, thresholdsBetween, thresholdsOf } from '../../../eval/tally/thresholds.ts';

const logits = Float32Array.of(1, 3, 2, /**/ 5, 5, 0, /**/ -1, -2, -3);

test('top-1 is the first of the largest', () => {
  expect([...top1(logits, 3)]).toEqual([1, 0, 0]);
});

test.each([
  { k: 1, labels: [1, 0, 0], right: 3 },
  { k: 1, labels: [2, 1, 2], right: 0 },
  { k: 2, labels: [2, 1, 2], right: 2 },
  { k: 3, labels: [0, 2, 2], right: 3 },
])('labels $labels are among the $k largest $right times', ({ k, labels, right }) => {
  expect(countTopK(logits, Int32Array.from(labels), 3, k)).toBe(right);
});

test.each([
  { row: [2, 2, 2], decided: 0 },
  { row: [Number.NaN, 1, 2], decided: 2 },
  { row: [2, Number.NaN, 1], decided: 0 },
  { row: [Number.NaN, Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY], decided: 1 },
  { row: [Number.NaN, Number.NaN, Number.NaN], decided: -1 },
])('$row decides for class $decided, the one label that is counted as right', ({ row, decided }) => {
  const values = Float32Array.from(row);
  expect([...top1(values, 3)]).toEqual([decided]);
  expect([0, 1, 2].filter((label) => countTopK(values, Int32Array.of(label), 3, 1) === 1)).toEqual(decided < 0 ? [] : [decided]);
});

test('a label whose logit is NaN is never right', () => {
  expect(countTopK(Float32Array.of(Number.NaN, 1, 2), Int32Array.of(0), 3, 3)).toBe(0);
});

test('differences of batches add up to those of the whole', () => {
  const got = Float32Array.of(3, 4, 1, 1);
  const reference = Float32Array.of(0, 0, 1, 3);
  const whole = addDifference(noDifference, got, reference);
  const parts = addDifference(
    addDifference(noDifference, got.subarray(0, 2), reference.subarray(0, 2)),
    got.subarray(2),
    reference.subarray(2),
  );
  expect(parts).toEqual(whole);
  // differences 3, 4, 0, 2; squares 9 + 16 + 0 + 4 over 0 + 0 + 1 + 9
  expect(whole).toMatchObject({ count: 4, sum: 9, max: 4 });
  expect(relativeError(whole)).toBeCloseTo(Math.sqrt(29 / 10), 12);
});

test('equal values have no error, even when all are zero; a NaN has one', () => {
  expect(relativeError(addDifference(noDifference, new Float32Array(3), new Float32Array(3)))).toBe(0);
  expect(relativeError(addDifference(noDifference, Float32Array.of(Number.NaN), Float32Array.of(1)))).toBeNaN();
});

test.each([
  { agreement: 1, relError: 1e-6, verdict: 'pass' },
  { agreement: 1, relError: 1e-4, verdict: 'pass' },
  { agreement: 1, relError: 1.1e-4, verdict: 'fail' },
  { agreement: 0.9999, relError: 0, verdict: 'fail' },
  { agreement: 1, relError: Number.NaN, verdict: 'fail' },
])('agreement $agreement with error $relError: $verdict', ({ agreement, relError, verdict }) => {
  expect(judge({ agreement, relError }, defaultThresholds)).toBe(verdict);
});

test('a form that rounds activations has wider limits, whatever its zero points', () => {
  for (const form of ['int8', 'int8-amx'] as const) {
    expect(thresholdsOf(form)).toEqual({ agreement: 0.99, relError: 0.005 });
    expect(thresholdsBetween('packed', form)).toEqual({ agreement: 0.98, relError: 0.05 });
  }
  expect(thresholdsBetween('packed', 'dense')).toBe(thresholdsOf('packed'));
});
