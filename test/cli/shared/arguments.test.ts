/** Numbers on the command line: what Number() takes for one is not enough. */
import { InvalidArgumentError } from 'commander';
import { expect, test } from 'vitest';
import { fraction, nonNegativeNumber, positiveNumber, weightBits } from '../../../src/cli/shared/arguments.ts';

test.each([
  ['0', 0],
  ['.5', 0.5],
  ['2.5', 2.5],
  ['10', 10],
  ['5e-4', 5e-4],
  ['1E+2', 100],
])('%s', (text, value) => expect(nonNegativeNumber(text)).toBe(value));

const noNumbers = ['', ' ', 'abc', '1x', '0x10', '1,5', 'NaN', 'Infinity', '1e999', '-1'];
test.each([
  ...noNumbers.map((text) => [nonNegativeNumber, text, 'expected a number of at least 0'] as const),
  ...[...noNumbers, '0'].map((text) => [positiveNumber, text, 'expected a number above 0'] as const),
  ...[...noNumbers, '1.01'].map((text) => [fraction, text, 'expected a number from 0 to 1'] as const),
  ...[...noNumbers, '7', '01', '32.0'].map((text) => [weightBits, text, 'expected 1 or 32'] as const),
])('%o refuses "%s"', (parse, text, message) => {
  expect(() => parse(text)).toThrow(InvalidArgumentError);
  expect(() => parse(text)).toThrow(message);
});
