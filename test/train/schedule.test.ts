import { describe, expect, test } from 'vitest';
import { isCycleEnd, learningRate, type Schedule } from '../../src/train/schedule.ts';

const restarts: Schedule = { kind: 'warm-restarts', high: 0.1, low: 1e-4, firstCycle: 2 };
const steps: Schedule = { kind: 'steps', rates: [0.1, 0.01, 0.001], epochs: 90 };
const JUST_BEFORE = 1e-9;

describe('warm restarts', () => {
  test.each([2, 6, 14, 30, 62, 126, 254])('a cycle ends after %i epochs: low before, high again at it', (end) => {
    expect(learningRate(restarts, end - JUST_BEFORE)).toBeCloseTo(1e-4, 12);
    expect(learningRate(restarts, end)).toBe(0.1);
    expect(isCycleEnd(restarts, end)).toBe(true);
  });

  // rate = low + (high - low) * (1 + cos(pi * t / T)) / 2: in the middle the mean, at a quarter and three quarters +- cos(pi / 4)
  test.each([
    [0, 0.1],
    [0.5, 0.05005 + 0.04995 * Math.SQRT1_2],
    [1, 0.05005],
    [4, 0.05005],
    [5, 0.05005 - 0.04995 * Math.SQRT1_2],
    [10, 0.05005],
    [46, 0.05005],
  ])('at %d epochs the rate is %d', (time, rate) => {
    expect(learningRate(restarts, time)).toBeCloseTo(rate, 12);
  });

  test('no other epoch is the end of a cycle', () => {
    const ends = Array.from({ length: 300 }, (_, epoch) => epoch).filter((epoch) => isCycleEnd(restarts, epoch));
    expect(ends).toEqual([2, 6, 14, 30, 62, 126, 254]);
  });

  test('the rate falls within every cycle', () => {
    for (let time = 0.01; time < 62; time += 0.01) {
      const previous = learningRate(restarts, time - 0.01);
      const now = learningRate(restarts, time);
      if (now > previous) expect([2, 6, 14, 30]).toContain(Math.floor(time + 1e-6));
    }
  });
});

test.each([
  [0, 0.1],
  [29.99, 0.1],
  [30, 0.01],
  [59.99, 0.01],
  [60, 0.001],
  [89.99, 0.001],
])('steps: at %d of 90 epochs the rate is %d', (time, rate) => {
  expect(learningRate(steps, time)).toBe(rate);
});
