/** What is said of class names that differ between file and data. */
import { expect, test } from 'vitest';
import { otherLabel } from '../../eval/label-fit.ts';

test('names the first class that differs', () => {
  expect(otherLabel(['cat', 'dog', 'owl'], ['cat', 'owl', 'dog'])).toBe(
    'class 1 is dog in the file and owl in the data: is their order the same?',
  );
});

test('says nothing of the same names, or where one has none', () => {
  expect(otherLabel(['cat', 'dog'], ['cat', 'dog'])).toBeUndefined();
  expect(otherLabel(undefined, ['cat', 'dog'])).toBeUndefined();
  expect(otherLabel(['cat', 'dog'], undefined)).toBeUndefined();
});
