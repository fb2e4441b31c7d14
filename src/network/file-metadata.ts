/** Metadata of an exported file in `metadata_props`; keys are part of the format (docs/format.md). */
import { InputError } from '../errors.ts';
import { defaultConfig, type NetworkConfig, readConfig } from './config.ts';
import type { Model } from './model.ts';
import { type Provenance, readProvenance } from './provenance.ts';

/** How the file takes images: float32 NCHW, or raw uint8 NHWC; pixels 0..255 in both. */
export const inputLayouts = ['nchw-float', 'nhwc-uint8'] as const;
export type InputLayout = (typeof inputLayouts)[number];

/** Forms that a file may state: those of converters/onnx/forms/table.ts, and those that also round activations. */
export const recordedForms = ['packed', 'inline', 'dense', 'qonnx', 'int8', 'int8-amx', 'fp16'] as const;
export type RecordedForm = (typeof recordedForms)[number];

export interface Metadata {
  /** 1: numbers are initializers, named after their layers. 2: they are attributes of calls (layered.ts). */
  readonly version: 1 | 2;
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

const VERSIONS = { '1': 1, '2': 2 } as const;
const isVersion = (text: string): text is keyof typeof VERSIONS => Object.hasOwn(VERSIONS, text);

/** What version 2 leaves out. Of the configuration it also leaves out the fields that are those of `defaultConfig`. */
const DEFAULTS: Readonly<Record<string, string>> = {
  'wrn.form': 'packed',
  'wrn.input_layout': 'nchw-float',
  'wrn.input_range': '0..255',
  'wrn.dialect': 'wrn-onnx',
};

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
    { key: 'wrn.format_version', value: '1' },
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

/** The metadata of version 2, from those of version 1 without their digests. */
export function shortenMetadata(pairs: readonly Pair[], { config }: Pick<Model, 'config'>): { key: string; value: string }[] {
  const differs = ([field, value]: [string, unknown]) =>
    JSON.stringify(value) !== JSON.stringify(defaultConfig[field as keyof NetworkConfig]);
  const short: Readonly<Record<string, string>> = {
    'wrn.format_version': '2',
    'wrn.config': JSON.stringify(Object.fromEntries(Object.entries(config).filter(differs))),
  };
  return pairs.flatMap(({ key, value }) => {
    const [name, text] = [key ?? '', short[key ?? ''] ?? value ?? ''];
    return DEFAULTS[name] === text ? [] : [{ key: name, value: text }];
  });
}

/**
 * Metadata of a file that this project wrote; undefined for any other ONNX file.
 * @param pairs the file's `metadata_props`
 * @throws InputError when it is from this project but cannot be read.
 */
export function readMetadata(pairs: readonly Pair[] | null | undefined): Metadata | undefined {
  const stored = (pairs ?? []).map(({ key, value }) => [key ?? '', value ?? ''] as const);
  const text = new Map(stored).get('wrn.format_version');
  if (text === undefined) return undefined;
  if (!isVersion(text)) {
    const expected = Object.keys(VERSIONS).join(' or ');
    throw new InputError('onnx', 'metadata wrn.format_version', `expected ${expected}, got ${text}`);
  }
  const version = VERSIONS[text];
  const entries = new Map(version === 2 ? [...Object.entries(DEFAULTS), ...stored] : stored);
  const input = oneOf(entries, 'wrn.input_layout', inputLayouts);
  const form = oneOf(entries, 'wrn.form', recordedForms);
  const json = parseJson(entries.get('wrn.config') ?? '', 'wrn.config');
  const config = readConfig(version === 2 && typeof json === 'object' ? { ...defaultConfig, ...json } : json);
  const known = aboutKeys.flatMap(([field, key]) => {
    const text = entries.get(key);
    return text === undefined ? [] : [[field, jsonKeys.includes(key) ? parseJson(text, key) : text]];
  });
  const keyOf = new Map<string, string>(aboutKeys);
  const place = (field: string) => `metadata ${field.replace(/^\w+/, (name) => keyOf.get(name) ?? name)}`;
  return { version, config, form, input, about: readProvenance(Object.fromEntries(known), config.classes, 'onnx', place) };
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
