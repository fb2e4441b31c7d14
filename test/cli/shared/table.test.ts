import { expect, test } from 'vitest';
import { fittedTable } from '../../../src/cli/shared/table.ts';

const head = ['backend', 'images', 'verdict'];
const rows = [['browser-wasm', '10,000', 'pass']];
const optional = ['images'];
const widthOf = (text: string) =>
  Math.max(
    ...text
      .split('\n')
      .filter((line) => /[│┌]/.test(line))
      .map((line) => line.length),
  );

test('a table that fits keeps every column', () => {
  const text = fittedTable(head, rows, { optional, wide: false }, 80);
  expect(text).toContain('10,000');
  expect(text).not.toContain('--wide');
});

test('one that does not loses optional columns, and says so', () => {
  const text = fittedTable(head, rows, { optional, wide: false }, 30);
  expect(text).not.toContain('10,000');
  expect(text).toContain('left out to fit the terminal: images. Use --wide to show all');
  expect(widthOf(text)).toBeLessThanOrEqual(30);
});

test('--wide keeps all, and what is not optional stays whatever the width', () => {
  expect(fittedTable(head, rows, { optional, wide: true }, 30)).toContain('10,000');
  expect(fittedTable(head, rows, { optional, wide: false }, 5)).toContain('pass');
});
