/** Metadata of an exported file in `metadata_props`; keys are part of the format (docs/format.md). */
import { InputError } from '../errors.ts';
import { type NetworkConfig, readConfig } from './config.ts';
import type { Model } from './model.ts';
import { type Provenance, readProvenance } from './provenance.ts';

/** How the file takes images: float32 NCHW, or raw uint8 NHWC; pixels 0..255 in both. */
export const inputLayouts = ['nchw-float', 'nhwc-uint8'] as const;
export type InputLayout = (typeof inputLayouts)[number];

/** Forms that a file may state: those of converters/onnx/forms/table.ts, and those that also round activations. */
export const recordedForms = ['packed', 'inline', 'dense', 'qonnx', 'int8', 'int8-amx', 'fp16'] as const;
export type RecordedForm = (typeof recordedForms)[number];

export interface Metadata {
  readonly config: NetworkConfig;
  readonly form: RecordedForm;
  readonly input: InputLayout;
  readonly about: Provenance;
}

/** A pair of `metadata_props`; absent texts are empty. */
interface Pair {
  readonly key?: string | null | undefined;
  readonly value?: string | null | undefined;
}

const FORMAT_VERSION = '1';

/** The key of each fact, in the order of the file. Lists and numbers are JSON. */
const aboutKeys: readonly (readonly [field: keyof Provenance, key: string])[] = [
  ['dialect', 'wrn.dialect'],
  ['dataset', 'wrn.dataset'],
  ['classLabels', 'wrn.class_labels'],
  ['testAccuracy', 'wrn.test_accuracy'],
  ['sourceSha256', 'wrn.source_sha256'],
];
const jsonKeys: readonly string[] = ['wrn.class_labels', 'wrn.test_accuracy'];

/** Metadata as the string pairs that ONNX stores. */
export function writeMetadata({ config, about }: Model, form: RecordedForm, input: InputLayout): { key: string; value: string }[] {
  return [
    { key: 'wrn.format_version', value: FORMAT_VERSION },
    { key: 'wrn.config', value: JSON.stringify(config) },
    { key: 'wrn.form', value: form },
    { key: 'wrn.input_layout', value: input },
    { key: 'wrn.input_range', value: '0..255' },
    ...aboutKeys.flatMap(([field, key]) => {
      const value = about[field];
      return value === undefined ? [] : [{ key, value: jsonKeys.includes(key) ? JSON.stringify(value) : String(value) }];
    }),
  ];
}

/**
 * Metadata of a file that this project wrote; undefined for any other ONNX file.
 * @param pairs the file's `metadata_props`
 * @throws InputError when it is from this project but cannot be read.
 */
export function readMetadata(pairs: readonly Pair[] | null | undefined): Metadata | undefined {
  const entries = new Map((pairs ?? []).map(({ key, value }) => [key ?? '', value ?? '']));
  const version = entries.get('wrn.format_version');
  if (version === undefined) return undefined;
  if (version !== FORMAT_VERSION) throw new InputError('onnx', 'metadata wrn.format_version', `expected ${FORMAT_VERSION}, got ${version}`);
  const input = oneOf(entries, 'wrn.input_layout', inputLayouts);
  const form = oneOf(entries, 'wrn.form', recordedForms);
  const config = readConfig(parseJson(entries.get('wrn.config') ?? '', 'wrn.config'));
  const known = aboutKeys.flatMap(([field, key]) => {
    const text = entries.get(key);
    return text === undefined ? [] : [[field, jsonKeys.includes(key) ? parseJson(text, key) : text]];
  });
  const keyOf = new Map<string, string>(aboutKeys);
  const place = (field: string) => `metadata ${field.replace(/^\w+/, (name) => keyOf.get(name) ?? name)}`;
  return { config, form, input, about: readProvenance(Object.fromEntries(known), config.classes, 'onnx', place) };
}

function oneOf<T extends string>(entries: ReadonlyMap<string, string>, key: string, values: readonly T[]): T {
  const text = entries.get(key);
  const found = values.find((value) => value === text);
  if (found !== undefined) return found;
  throw new InputError('onnx', `metadata ${key}`, `expected ${values.join(' or ')}, got ${text?.slice(0, 40) ?? 'nothing'}`);
}

function parseJson(text: string, key: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new InputError('onnx', `metadata ${key}`, `expected JSON, got ${JSON.stringify(text.slice(0, 40))}`);
  }
}
