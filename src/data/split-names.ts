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

/** The preferred one of these names for the split. */
export function nameOfSplit(split: Split, names: readonly string[]): string | undefined {
  for (const wanted of splitNames[split]) {
    const found = names.find((name) => name.toLowerCase() === wanted);
    if (found !== undefined) return found;
  }
  return undefined;
}
