import { InvalidArgumentError } from 'commander';

/** Parses an option that takes a whole number of at least 1. */
export function naturalNumber(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('expected a whole number of at least 1');
  return value;
}

/** Parses an option that takes a fraction, 0 to 1. */
export function fraction(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 1)) throw new InvalidArgumentError('expected a number from 0 to 1');
  return value;
}

/** Parses an option that takes whole numbers of at least 1, separated by commas. */
export function naturalNumbers(text: string): number[] {
  return text.split(',').map((part) => naturalNumber(part.trim()));
}
