/** Descriptions of JSON values in errors. Apart from `schema.ts`, so that pages need no schema library. */
const MAX_LENGTH = 60;

/** Short description of an untrusted JSON value for an error. Never descends into the value. */
export function describeJson(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value !== 'object' || value === null) return JSON.stringify(value).slice(0, MAX_LENGTH);
  if (!Array.isArray(value)) return 'an object';
  const flat = value.length < MAX_LENGTH && value.every((item) => typeof item !== 'object');
  return flat ? JSON.stringify(value).slice(0, MAX_LENGTH) : `an array of ${value.length}`;
}
