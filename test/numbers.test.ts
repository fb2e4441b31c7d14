import { expect, test } from 'vitest';
import { grouped, percent, significant } from '../src/numbers.ts';

test.each([
  [0, '0'],
  [-0, '0'],
  [1.234e-7, '1.23e-7'],
  [9.999e-4, '0.00100'],
  [0.01234, '0.0123'],
  [4, '4.00'],
  [99.66, '99.7'],
  [999.6, '1,000'],
  [1254, '1,250'],
  [1e38, '1.00e+38'],
  [1234567, '1,230,000'],
  [-12.34, '-12.3'],
  [Number.POSITIVE_INFINITY, '∞'],
])('%s has three significant digits: %s', (value, text) => expect(significant(value)).toBe(text));

test('counts and fractions', () => {
  expect([grouped(26737120), percent(0.9625), percent(1 / 3, 1)]).toEqual(['26,737,120', '96.25 %', '33.3 %']);
});
