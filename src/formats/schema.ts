/**
 * Schemas for untrusted JSON. valibot does the checks. The message of a schema says what its value should be, and
 * `readJson` makes the error: `<format> <where>: expected <message>, got <value>`.
 */
import * as v from 'valibot';
import { InputError } from '../errors.ts';
import { describeJson } from './json.ts';

export type Schema<T> = v.GenericSchema<unknown, T>;

export const integer = (low: number, high: number) =>
  v.custom<number>((value) => Number.isInteger(value) && within(value, low, high), `an integer from ${low} to ${high}`);
export const number = (low: number, high: number) =>
  v.custom<number>((value) => within(value, low, high), `a number from ${low} to ${high}`);
export const boolean = v.boolean('true or false');
export const text = v.string('text');
/** Text without control characters, safe to print on a terminal. */
export const line = v.custom<string>((value) => typeof value === 'string' && !/\p{Cc}/u.test(value), 'a line of text');

export const oneOf = <const T extends string | number>(...choices: readonly T[]) =>
  v.picklist(choices, choices.map((choice) => JSON.stringify(choice)).join(' or '));
/** This one value, or what the schema describes. */
export const either = <const L extends string | null, T>(value: L, schema: Schema<T>) =>
  v.lazy((input): Schema<L | T> => (input === value ? v.custom<L>(() => true) : schema));

/** @param count number of items; undefined allows any */
export const list = <T>(item: Schema<T>, count?: number) => v.pipe(array(count), v.array(item));
/** A list with one schema per item. */
export const tuple = <const T extends v.TupleItems>(...items: T) => v.pipe(array(items.length), v.tuple(items));

/** An object with any fields. */
export const record = v.custom<Readonly<Record<string, unknown>>>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  'an object',
);
/** An object with these fields; others are ignored. */
export const object = <const T extends v.ObjectEntries>(fields: T) =>
  v.pipe(
    record,
    v.object(fields, ({ path }) => expectation(fields[String(path?.at(-1)?.key)])), // of a field that is not there
  );
/** An object with these fields and no others. */
export const strictObject = <const T extends v.ObjectEntries>(fields: T) => v.pipe(noOthers(Object.keys(fields)), object(fields));
/** An object whose `kind` says which schema describes it. */
export const byKind = <const T extends Readonly<Record<string, Schema<unknown>>>>(schemas: T) => {
  const any = object({ kind: oneOf(...Object.keys(schemas)) });
  return v.lazy((input) => (v.is(any, input) ? schemas[(input as { kind: string }).kind] : any) as Schema<v.InferOutput<T[keyof T]>>);
};

/**
 * @param place what errors call a field, from its path: `schedule.rates[1]`, or `root` for the whole
 * @throws InputError that names the first field that does not fit
 */
export function readJson<T>(schema: Schema<T>, json: unknown, format: string, place = (field: string) => field): T {
  const { success, output, issues } = v.safeParse(schema, json, { abortEarly: true });
  if (success) return output;
  const [{ path, message }] = issues;
  return unexpected(format, place(fieldName(path)), message, path ? path.at(-1)?.value : json);
}

/** Throws the error of a value that is not as expected. */
export function unexpected(format: string, where: string, expected: string, got: unknown): never {
  throw new InputError(format, where, `expected ${expected}, got ${describeJson(got)}`);
}

const within = (value: unknown, low: number, high: number) => typeof value === 'number' && value >= low && value <= high;

const array = (count?: number) =>
  v.custom<unknown[]>(
    (value) => Array.isArray(value) && (count === undefined || value.length === count),
    count === undefined ? 'a list' : `a list of ${count}`,
  );

/** valibot's strictObject lets `__proto__` and `constructor` pass. */
const noOthers = (keys: readonly string[]) =>
  v.pipe(
    record,
    v.rawCheck(({ dataset: { value }, addIssue }) => {
      const key = Object.keys(value as object).find((name) => !keys.includes(name));
      if (key === undefined) return;
      addIssue({ message: 'no such field', path: [{ type: 'unknown', origin: 'key', input: value, key, value: key }] });
    }),
  );

const expectation = (schema = v.never() as v.ObjectEntries[string]) => v.safeParse(schema, undefined).issues?.[0].message ?? 'a value';

/** A field that should not be there is `root.colour`. */
function fieldName([first, ...others]: readonly v.IssuePathItem[] = []): string {
  const start = first?.type === 'unknown' ? `root.${first.key}` : String(first?.key ?? 'root');
  return start + others.map(({ key }) => (typeof key === 'number' ? `[${key}]` : `.${key}`)).join('');
}
