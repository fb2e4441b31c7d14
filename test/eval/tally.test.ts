/** What a run counts, on logits worked out by hand; and that parts add up to the whole. */
import { expect, test } from 'vitest';
import { Tally } from '../../eval/tally.ts';

/** Three images of three classes: right, second best, wrong with another decision than the reference. */
const batch = {
  offset: 0,
  labels: Int32Array.of(1, 0, 2),
  logits: Float32Array.of(1, 4, 2, /**/ 5, 6, 0, /**/ -1, -2, -3),
  reference: Float32Array.of(1, 2, 2, /**/ 5, 6, 0, /**/ -3, -2, -3),
};

function tallyOf(...batches: (typeof batch)[]): Tally {
  const tally = new Tally(3);
  for (const one of batches) tally.add(one);
  return tally;
}

test('counts and sums of a batch', () => {
  expect(tallyOf(batch).toJSON()).toEqual({
    classes: 3,
    images: 3,
    top1: 1,
    top5: 3,
    flips: 1,
    maxAbsDiff: 2,
    absDiff: [4],
    squaredDifference: [8],
    squaredReference: [9 + 61 + 22],
  });
});

test('the reference itself is compared with nothing', () => {
  const tally = new Tally(3);
  tally.add({ ...batch, reference: undefined });
  expect(tally).toMatchObject({ images: 3, top1: 1, flips: 0, maxAbsDiff: 0 });
  expect(tally.squaredReference.value).toBe(0);
});

/** Random logits of sizes that lose digits when their squares are added in float64. */
function randomBatch(offset: number, images: number) {
  const logits = (scale: number) => Float32Array.from({ length: images * 3 }, () => (Math.random() - 0.5) * scale ** (Math.random() * 8));
  const reference = logits(1000);
  const difference = logits(0.01);
  return { offset, labels: new Int32Array(images), logits: reference.map((x, i) => x + (difference[i] as number)), reference };
}

test('tallies of parts, merged in any order, are the tally of the whole bit for bit', () => {
  const batches = Array.from({ length: 60 }, (_, i) => randomBatch(i * 5, 5));
  const whole = JSON.stringify(tallyOf(...batches));
  for (const cuts of [[60], [1, 60], [20, 20, 60], [59, 60], [0, 7, 9, 31, 60]]) {
    const parts = cuts.map((to, i) => tallyOf(...batches.slice(cuts[i - 1] ?? 0, to)));
    for (const order of [parts, [...parts].reverse()]) {
      const merged = new Tally(3);
      for (const part of order) merged.merge(part);
      expect(JSON.stringify(merged)).toBe(whole);
    }
  }
});

test('a NaN stays one, also in JSON', () => {
  const logits = batch.logits.slice();
  logits[4] = Number.NaN;
  const tally = tallyOf({ ...batch, logits });
  expect(tally.maxAbsDiff).toBeNaN();
  expect(tally.toJSON()).toMatchObject({ maxAbsDiff: 'NaN', absDiff: ['NaN'] });
});

test('tallies of networks of different classes do not merge', () => {
  expect(() => new Tally(3).merge(new Tally(10))).toThrow(RangeError);
});
