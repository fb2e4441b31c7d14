/** What is known of a model besides its numbers; goes into the metadata of every file. */
import { printable } from '../errors.ts';
import type { JsonReader } from '../formats/json.ts';

export interface Provenance {
  /** Dialect the model was read from, e.g. `keras`; `wrn-onnx` for models trained here. */
  readonly dialect: string;
  /** SHA-256 of the source file, hexadecimal. */
  readonly sourceSha256?: string;
  /** Name of the data set, e.g. `cifar-10`. */
  readonly dataset?: string;
  readonly classLabels?: readonly string[];
  /** Fraction of test images classified right, as stated by the source. */
  readonly testAccuracy?: number;
}

/**
 * Reads it from untrusted JSON, and leaves out what it does not know. Texts lose what would steer a terminal.
 * @param json one value a field
 * @param nameOf the field in the file, for messages
 * @throws InputError naming the first field that is not what it should be.
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
