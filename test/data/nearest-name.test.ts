import { expect, test } from 'vitest';
import { nearest } from '../../src/data/nearest-name.ts';

const sets = ['mnist', 'fashion-mnist', 'cifar-10', 'cifar-100', 'svhn'];

test.each([
  ['cifar10', 'cifar-10'],
  ['CIFAR_100', 'cifar-100'],
  ['minst', undefined],
  ['mnits', undefined],
  ['mnis', 'mnist'],
  ['fashionmnist', 'fashion-mnist'],
  ['fashion-mnits', 'fashion-mnist'],
  ['photos', undefined],
  ['./', undefined],
])('%s', (name, expected) => {
  expect(nearest(name, sets)).toBe(expected === undefined ? '' : `. Did you mean ${expected}?`);
});
