/** What a run counts, on logits worked out by hand; and that parts add up to the whole. */
import { expect, test } from 'vitest';
import { Tally } from '../../../eval/tally/tally.ts';
import { randomStream } from '../../../src/data/random.ts';

/** Three images of three classes: right, second best, wrong with another decision than the reference. */
const shape = { channels: 1, height: 1, width: 2 };
const batch = {
  offset: 0,
  shape,
  imagesNCHW: Uint8Array.of(0, 1, /**/ 2, 3, /**/ 4, 5),
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
    confusion: [
      [0, 1, 1],
      [1, 1, 1],
      [2, 0, 1],
    ],
    flipped: [
      {
        index: 2,
        label: 2,
        // e^-2 / (e^-3 + e^-2 + e^-3), and e^-1 / (e^-1 + e^-2 + e^-3)
        reference: { class: 1, confidence: expect.closeTo(0.5761168847658291, 14) },
        decision: { class: 0, confidence: expect.closeTo(0.6652409557748219, 14) },
        ...shape,
        pixels: Buffer.from([4, 5]).toString('base64'),
      },
    ],
  });
});

test('the reference itself is compared with nothing', () => {
  const tally = new Tally(3);
  tally.add({ ...batch, reference: undefined });
  expect(tally).toMatchObject({ images: 3, top1: 1, disagreements: 0, maxAbsDiff: 0 });
  expect(tally.squaredReference.value).toBe(0);
});

/** Random logits, the same in each run, of sizes that lose digits when their squares are added in float64. */
function randomBatch(offset: number, images: number) {
  const random = randomStream(1, offset);
  const logits = (scale: number) =>
    Float32Array.from({ length: images * 3 }, () => (random.uniform() - 0.5) * scale ** (random.uniform() * 8));
  const reference = logits(1000);
  const difference = logits(0.01);
  const imagesNCHW = Uint8Array.from({ length: images * 2 }, (_, i) => offset + i);
  return {
    offset,
    shape,
    imagesNCHW,
    labels: Int32Array.from({ length: images }, (_, i) => (offset + i) % 3),
    logits: reference.map((x, i) => x + (difference[i] as number)),
    reference,
  };
}

test('tallies of parts, merged in any order, are the tally of the whole bit for bit', () => {
  const batches = Array.from({ length: 60 }, (_, i) => randomBatch(i * 5, 5));
  const whole = JSON.stringify(tallyOf(...batches));
  const squares = batches.flatMap(({ reference }) => [...reference].map((x) => x * x));
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  expect(sum(squares)).not.toBe(sum([...squares].reverse())); // a sum in float64 would depend on the order
  for (const cuts of [[60], [1, 60], [20, 20, 60], [59, 60], [0, 7, 9, 31, 60]]) {
    const parts = cuts.map((to, i) => tallyOf(...batches.slice(cuts[i - 1] ?? 0, to)));
    for (const order of [parts, [...parts].reverse()]) {
      const merged = new Tally(3);
      for (const part of order) merged.merge(part);
      expect(JSON.stringify(merged)).toBe(whole);
    }
  }
});

test('of many disagreements the first of the data set are kept', () => {
  const disagreeing = (offset: number) => ({
    ...randomBatch(offset, 10),
    logits: Float32Array.from({ length: 30 }, (_, i) => i % 3),
    reference: Float32Array.from({ length: 30 }, (_, i) => -(i % 3)),
  });
  const tally = tallyOf(...[40, 0, 30, 10, 20].map(disagreeing));
  expect(tally.disagreements).toBe(50);
  expect(tally.firstDisagreements.map(({ index }) => index)).toEqual(Array.from({ length: 24 }, (_, i) => i));
  expect(Buffer.from(tally.firstDisagreements[13]?.pixels ?? '', 'base64')).toEqual(Buffer.from([10 + 6, 10 + 7]));
});

test('a large image is kept reduced: means of squares', () => {
  const imagesNCHW = Uint8Array.from({ length: 225 * 3 }, (_, i) => (i % 225) + Math.floor(i / 225)); // 3 rows of 225 pixels
  const tally = tallyOf({
    ...batch,
    shape: { channels: 1, height: 3, width: 225 },
    imagesNCHW,
    labels: Int32Array.of(0),
    logits: Float32Array.of(1, 0, 0),
    reference: Float32Array.of(0, 1, 0),
  });
  const [kept] = tally.firstDisagreements;
  expect(kept).toMatchObject({ channels: 1, height: 1, width: 75 });
  expect([...Buffer.from(kept?.pixels ?? '', 'base64')]).toEqual(Array.from({ length: 75 }, (_, x) => 3 * x + 2));
});

test('JSON gives the tally back', () => {
  for (const nan of [[], [4], [6, 7, 8]]) {
    const logits = batch.logits.map((x, i) => (nan.includes(i) ? Number.NaN : x));
    const json = JSON.stringify(tallyOf({ ...batch, logits }, randomBatch(3, 40)));
    expect(JSON.stringify(Tally.fromJSON(JSON.parse(json), 'report', (field) => `tally.${field}`))).toBe(json);
  }
});

test.each([
  { change: { top1: 4 }, message: 'report tally.top1: expected an integer from 0 to 3, got 4' },
  { change: { absDiff: [1e300] }, message: 'report tally.absDiff[0]: expected a number from -1e+100 to 1e+100, got 1e+300' },
  { change: { confusion: [[0, 3, 1]] }, message: 'report tally.confusion[0][1]: expected an integer from 0 to 2, got 3' },
  { change: { confusion: [[0, 1]] }, message: 'report tally.confusion[0]: expected a list of 3, got [0,1]' },
  { change: { flipped: [{ index: 1.5 }] }, message: 'report tally.flipped[0]' },
  { change: { classes: 1e9 }, message: 'report tally.classes: expected an integer from 0 to 1000000, got 1000000000' },
])('JSON with $change is refused', ({ change, message }) => {
  const json = { ...tallyOf(batch).toJSON(), ...change };
  expect(() => Tally.fromJSON(json, 'report', (field) => `tally.${field}`)).toThrow(message);
});

test('pixels of another size than the image says are refused', () => {
  const { flipped, ...json } = tallyOf(batch).toJSON();
  for (const pixels of ['AAAA', '????', 'AA==', 7]) {
    const changed = { ...json, flipped: flipped.map((kept) => ({ ...kept, pixels })) };
    expect(() => Tally.fromJSON(changed, 'report', (field) => `tally.${field}`)).toThrow('report tally.flipped[0].pixels: expected ');
  }
});

test('a NaN stays one, also in JSON', () => {
  const logits = batch.logits.slice();
  logits[4] = Number.NaN;
  const tally = tallyOf({ ...batch, logits });
  expect(tally.maxAbsDiff).toBeNaN();
  expect(tally.toJSON()).toMatchObject({ maxAbsDiff: 'NaN', absDiff: ['NaN'] });
});

test('an image without a number among its logits is decided for no class: never right, in no cell of the matrix', () => {
  const logits = batch.logits.slice().fill(Number.NaN, 6);
  const tally = tallyOf({ ...batch, labels: Int32Array.of(1, 1, 0), logits });
  expect(tally).toMatchObject({ images: 3, top1: 2, disagreements: 1 });
  expect(tally.firstDisagreements).toMatchObject([{ index: 2, decision: { class: null, confidence: null } }]);
  expect(tally.confusion.cells()).toEqual([[1, 1, 2]]);
});

test('tallies of networks of different classes do not merge', () => {
  expect(() => new Tally(3).merge(new Tally(10))).toThrow(RangeError);
});
