/** Where a model comes from and how accurate it is. Stored in the metadata of every file. */
import { exactOptional, optional, pipe, transform } from 'valibot';
import { list, number, object, readJson, type Schema, text } from '../formats/schema.ts';
import { printable } from '../printable.ts';

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

/** Removes what could steer a terminal. */
const shown = pipe(text, transform(printable));

/**
 * Reads it from untrusted JSON and ignores unknown fields.
 * @param place what errors call a field
 * @throws InputError that names the first invalid field
 */
export function readProvenance(json: unknown, classes: number, format: string, place: (field: string) => string): Provenance {
  const schema: Schema<Provenance> = object({
    dialect: optional(shown, 'unknown'),
    dataset: exactOptional(shown),
    classLabels: exactOptional(list(shown, classes)),
    testAccuracy: exactOptional(number(0, 1)),
    sourceSha256: exactOptional(shown),
  });
  return readJson(schema, json, format, place);
}
