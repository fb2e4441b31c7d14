/** Common names for the splits of a data set. */
import type { Split } from './dataset.ts';

/** In order of preference: if a set has test and validation images, the test images are used. */
export const splitNames: Readonly<Record<Split, readonly string[]>> = {
  train: ['train', 'training'],
  test: ['test', 'testing', 'val', 'valid', 'validation', 'dev'],
};

/** The split that a name means, in upper or lower case; undefined for any other name. */
export function splitOf(name: string): Split | undefined {
  const lower = name.toLowerCase();
  return (Object.keys(splitNames) as Split[]).find((split) => splitNames[split].includes(lower));
}

/** All of these names for the split, the preferred first. */
export function namesOfSplit(split: Split, names: readonly string[]): string[] {
  return splitNames[split].flatMap((wanted) => names.filter((name) => name.toLowerCase() === wanted));
}
