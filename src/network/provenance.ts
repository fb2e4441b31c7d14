/** Where a model comes from and how accurate it is. Stored in the metadata of every file. */
import { printable } from '../errors.ts';
import type { JsonReader } from '../formats/json.ts';

export interface Provenance {
  /** Dialect of the source file, e.g. `keras`; `wrn-onnx` for models that this project trained. */
  readonly dialect: string;
  /** SHA-256 of the source file, hexadecimal. */
  readonly sourceSha256?: string;
  /** Name of the data set, e.g. `cifar-10`. */
  readonly dataset?: string;
  readonly classLabels?: readonly string[];
  /** Fraction of test images classified correctly, as stated by the source. */
  readonly testAccuracy?: number;
}

/**
 * Reads it from untrusted JSON and ignores unknown fields. Terminal control characters are removed from text.
 * @param json one value per field
 * @param nameOf gives the field's name in the file, for errors
 * @throws InputError that names the first invalid field
 */
export function readProvenance(
  json: Readonly<Record<string, unknown>>,
  classes: number,
  { text, number, list }: JsonReader,
  nameOf: (field: keyof Provenance) => string,
): Provenance {
  const shown = (value: unknown, field: string) => printable(text(value, field));
  const optional = <K extends keyof Provenance, T>(field: K, read: (value: unknown, field: string) => T) =>
    json[field] === undefined ? {} : { [field]: read(json[field], nameOf(field)) };
  return {
    dialect: 'unknown',
    ...optional('dialect', shown),
    ...optional('dataset', shown),
    ...optional('classLabels', (value, field) => list(value, field, shown, classes)),
    ...optional('testAccuracy', (value, field) => number(value, field, 0, 1)),
    ...optional('sourceSha256', shown),
  };
}
