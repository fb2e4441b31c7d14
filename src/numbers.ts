/** Numbers for people. */

/** A count with its digits in groups of three: `26,737,120`. */
export function grouped(count: number): string {
  return count.toLocaleString('en-US');
}

/** A fraction as `96.25 %`. */
export function percent(fraction: number, digits = 2): string {
  return `${(fraction * 100).toFixed(digits)} %`;
}

/** A measurement with three significant digits: `0`, `1.23e-7`, `0.0123`, `4.00`, `99.7`, `1,250`, `1.00e+38`. */
export function significant(value: number): string {
  const rounded = Number(value.toPrecision(3));
  if (rounded === 0) return '0';
  if (Math.abs(rounded) < 1e-3 || (Math.abs(rounded) >= 1e12 && Number.isFinite(rounded))) return rounded.toExponential(2);
  return Math.abs(rounded) < 1000 ? rounded.toPrecision(3) : grouped(rounded);
}

/** A count with its noun: `1 thread`, `2 threads`. */
export function counted(count: number, noun: string): string {
  return `${grouped(count)} ${noun}${count === 1 ? '' : 's'}`;
}
