/** Numbers for people, with spaces that no line breaks at. */

const SPACE = '\u00a0';

export const grouped = (n: number): string => n.toLocaleString('en-US');
export const percent = (fraction: number | null, digits = 2): string =>
  fraction === null ? '–' : `${(fraction * 100).toFixed(digits)}${SPACE}%`;
/** Of errors, which differ by powers of ten. */
export const small = (value: number | null): string => (value === null ? '–' : value === 0 ? '0' : value.toExponential(1));
/** Three digits. */
export const rounded = (n: number): string => grouped(Number(n.toPrecision(3)));
export const fileSize = (bytes: number): string =>
  bytes < 1e6 ? `${rounded(bytes / 1e3)}${SPACE}kB` : `${rounded(bytes / 1e6)}${SPACE}MB`;

export function interval([low, high]: readonly [low: number, high: number]): string {
  return `${(low * 100).toFixed(1)} to ${percent(high, 1)}`;
}

/** Name of a class; long ones are cut where there is no room. */
export function classLabel(labels: readonly string[] | null, index: number, longest = 60): string {
  const label = labels?.[index] ?? `class ${index}`;
  return label.length > longest ? `${label.slice(0, longest - 1)}…` : label;
}
