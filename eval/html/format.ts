/** Numbers for people, with non-breaking spaces. */

import * as words from '../../src/numbers.ts';

const SPACE = '\u00a0';
const unbroken = (text: string) => text.replaceAll(' ', SPACE);

export const percent = (fraction: number | null, digits?: number): string =>
  fraction === null ? '–' : unbroken(words.percent(fraction, digits));
export const measured = (value: number | null): string => (value === null ? '–' : words.significant(value));
export const fileSize = (bytes: number): string =>
  bytes < 1e6 ? `${words.significant(bytes / 1e3)}${SPACE}kB` : `${words.significant(bytes / 1e6)}${SPACE}MB`;

export function interval([low, high]: readonly [low: number, high: number]): string {
  return `${(low * 100).toFixed(1)} to ${percent(high, 1)}`;
}

/** Name of a class; long ones are cut where there is no room. */
export function classLabel(labels: readonly string[] | null, index: number, longest = 60): string {
  const label = labels?.[index] ?? `class ${index}`;
  return label.length > longest ? `${label.slice(0, longest - 1)}…` : label;
}
