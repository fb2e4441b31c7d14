/** What people call the parts of a data set. */
import type { Split } from './dataset.ts';

/** In the order in which they are taken where several are there: a set with test and validation images is tested on the former. */
export const splitNames: Readonly<Record<Split, readonly string[]>> = {
  train: ['train', 'training'],
  test: ['test', 'testing', 'val', 'valid', 'validation', 'dev'],
};

/** The split that a name means, in any case; undefined for any other name. */
export function splitOf(name: string): Split | undefined {
  const lower = name.toLowerCase();
  return (Object.keys(splitNames) as Split[]).find((split) => splitNames[split].includes(lower));
}

/** Of these names, the first in order that means the split. */
export function nameOfSplit(split: Split, names: readonly string[]): string | undefined {
  for (const wanted of splitNames[split]) {
    const found = names.find((name) => name.toLowerCase() === wanted);
    if (found !== undefined) return found;
  }
  return undefined;
}
