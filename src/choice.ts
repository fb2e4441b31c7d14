import { UsageError } from './errors.ts';

/**
 * Checks an option of a public function that takes one of several names: a caller in JavaScript can give any value.
 * @returns the value
 * @throws UsageError that lists the names
 */
export function requireChoice<T extends string>(option: string, value: T, choices: readonly T[]): T {
  if (choices.includes(value)) return value;
  throw new UsageError(`${option}: expected ${choices.join(', ')}, got ${typeof value === 'string' ? `"${value}"` : String(value)}`);
}
