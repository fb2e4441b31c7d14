import { InputError } from '../errors.ts';

const MAX_LENGTH = 60;

/** Short description of an untrusted JSON value for an error. Never descends into the value. */
export function describeJson(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value !== 'object' || value === null) return JSON.stringify(value).slice(0, MAX_LENGTH);
  if (!Array.isArray(value)) return 'an object';
  const flat = value.length < MAX_LENGTH && value.every((item) => typeof item !== 'object');
  return flat ? JSON.stringify(value).slice(0, MAX_LENGTH) : `an array of ${value.length}`;
}

/** Readers for fields of untrusted JSON. Each returns the value or throws an InputError that names the field. */
export interface JsonReader {
  fail(field: string, expected: string, got: unknown): never;
  /** @param keys the allowed fields; undefined allows any */
  record(value: unknown, field: string, keys?: readonly string[]): Record<string, unknown>;
  integer(value: unknown, field: string, low: number, high: number): number;
  number(value: unknown, field: string, low: number, high: number): number;
  text(value: unknown, field: string): string;
  /** Text without control characters, safe to print on a terminal. */
  line(value: unknown, field: string): string;
  oneOf<T>(value: unknown, field: string, choices: readonly T[]): T;
  /** @param count number of items; undefined allows any */
  list<T>(value: unknown, field: string, item: (value: unknown, field: string) => T, count?: number): T[];
}

/** @param file name of the JSON file, for errors */
export function jsonReader(format: string, file = ''): JsonReader {
  const fail = (field: string, expected: string, got: unknown): never => {
    throw new InputError(format, `${file} ${field}`.trim(), `expected ${expected}, got ${describeJson(got)}`);
  };
  return {
    fail,
    record(value, field, keys) {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return fail(field, 'an object', value);
      for (const key of Object.keys(value)) if (keys && !keys.includes(key)) fail(`${field}.${key}`, 'no such field', key);
      return value as Record<string, unknown>;
    },
    integer: (value, field, low, high) =>
      Number.isInteger(value) && (value as number) >= low && (value as number) <= high
        ? (value as number)
        : fail(field, `an integer from ${low} to ${high}`, value),
    number: (value, field, low, high) =>
      typeof value === 'number' && value >= low && value <= high ? value : fail(field, `a number from ${low} to ${high}`, value),
    text: (value, field) => (typeof value === 'string' ? value : fail(field, 'text', value)),
    line: (value, field) => (typeof value === 'string' && !/\p{Cc}/u.test(value) ? value : fail(field, 'a line of text', value)),
    oneOf: <T>(value: unknown, field: string, choices: readonly T[]) =>
      choices.includes(value as T) ? (value as T) : fail(field, choices.map((c) => JSON.stringify(c)).join(' or '), value),
    list(value, field, item, count) {
      if (!Array.isArray(value) || (count !== undefined && value.length !== count))
        return fail(field, count === undefined ? 'a list' : `a list of ${count}`, value);
      return value.map((v, i) => item(v, `${field}[${i}]`));
    },
  };
}
