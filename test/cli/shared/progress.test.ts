/** Progress where stderr is no terminal. */
import { afterEach, expect, test, vi } from 'vitest';
import { duration, Progress } from '../../../src/cli/shared/progress.ts';

afterEach(() => void vi.restoreAllMocks());

function written(): string[] {
  const lines: string[] = [];
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => lines.push(String(text)) > 0);
  return lines;
}

test('a plain line every ten seconds, at a rate that leaves out the start', () => {
  const lines = written();
  let now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  const progress = new Progress();
  progress.update('cpu', 100, 10_000); // after a start of any length
  for (now = 1000; now <= 25_000; now += 1000) progress.update('cpu', 100 + (now / 1000) * 50, 10_000);
  expect(lines).toEqual([
    'cpu: 600 of 10000 images, 50.0 images/s, 4 min left\n',
    'cpu: 1100 of 10000 images, 50.0 images/s, 3 min left\n',
  ]);
});

test('after ten minutes once per minute', () => {
  const lines = written();
  let now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  const progress = new Progress();
  for (now = 0; now <= 1_200_000; now += 1000) progress.update('cpu', now / 1000, 2000);
  expect(lines.length).toBe(59 + 10);
});

test.each([
  [3, '3 s'],
  [89.2, '90 s'],
  [91, '2 min'],
  [3700, '1 h 2 min'],
])('%d s', (seconds, text) => expect(duration(seconds)).toBe(text));
