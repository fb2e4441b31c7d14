/** What is said of class names that differ between file and data. */
import { expect, test } from 'vitest';
import { assumedOrder, otherLabel } from '../../eval/label-fit.ts';

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

test.each([
  [['cat', 'dog'], { classes: 2, classLabels: ['0', '1'], classOrder: 'number' as const }, undefined],
  [undefined, { classes: 2, classLabels: ['cat', 'dog'] }, undefined], // a set that numbers its classes itself
  [undefined, { classes: 3, classLabels: ['0', '2', '10'], classOrder: 'number' as const }, 'folders are taken by number: 0, 2, 10'],
  [undefined, { classes: 2, classLabels: ['cat', 'dog'], classOrder: 'name' as const }, 'folders are taken by name: cat, dog'],
  [undefined, { classes: 3, classLabels: undefined }, 'labels 0 to 2 of the data are taken as outputs in this order'],
  [undefined, { classes: 99, classLabels: Array.from({ length: 99 }, (_, i) => `${i}`), classOrder: 'number' as const }, '9, 10, ..., 98'],
])('classes %j in the file, %j in the data', (file, data, said) => {
  const line = assumedOrder(file, data);
  if (said === undefined) expect(line).toBeUndefined();
  else expect(line?.endsWith(said)).toBe(true);
});
