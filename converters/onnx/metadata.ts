/** What an exported file says of itself in `metadata_props`; keys are part of the format (docs/format.md). */
import type { ModelProto } from '../../proto/onnx.ts';
import { InputError } from '../../src/errors.ts';
import { type NetworkConfig, readConfig } from '../../src/network/config.ts';
import type { About, Model } from '../../src/network/model.ts';

/** How the file takes images: float32 NCHW, or raw uint8 NHWC; pixels 0..255 in both. */
export const inputLayouts = ['nchw-float', 'nhwc-uint8'] as const;
export type InputLayout = (typeof inputLayouts)[number];

/** Forms that a file may say it has: those of `forms.ts`, and the two that round activations too. */
export const recordedForms = ['packed', 'inline', 'dense', 'qonnx', 'int8', 'fp16'] as const;
export type RecordedForm = (typeof recordedForms)[number];

export interface Metadata {
  readonly config: NetworkConfig;
  readonly form: RecordedForm;
  readonly input: InputLayout;
  readonly about: About;
}

const FORMAT_VERSION = '1';

/** Metadata as the string pairs that ONNX stores. */
export function writeMetadata(model: Model, form: RecordedForm, input: InputLayout): { key: string; value: string }[] {
  const { dialect, dataset, classLabels, testAccuracy, sourceSha256 } = model.about;
  const entries: Record<string, string | undefined> = {
    'wrn.format_version': FORMAT_VERSION,
    'wrn.config': JSON.stringify(model.config),
    'wrn.form': form,
    'wrn.input_layout': input,
    'wrn.input_range': '0..255',
    'wrn.dialect': dialect,
    'wrn.dataset': dataset,
    'wrn.class_labels': classLabels && JSON.stringify(classLabels),
    'wrn.test_accuracy': testAccuracy?.toString(),
    'wrn.source_sha256': sourceSha256,
  };
  return Object.entries(entries).flatMap(([key, value]) => (value === undefined ? [] : [{ key, value }]));
}

/** Metadata of a file that this project wrote; undefined for any other ONNX file. */
export function readMetadata(proto: ModelProto): Metadata | undefined {
  return parseMetadata(new Map((proto.metadata_props ?? []).map(({ key, value }) => [key ?? '', value ?? ''])));
}

/**
 * The same from string pairs, however they were had.
 * @throws InputError when they are of this project but cannot be read.
 */
export function parseMetadata(entries: ReadonlyMap<string, string>): Metadata | undefined {
  const version = entries.get('wrn.format_version');
  if (version === undefined) return undefined;
  if (version !== FORMAT_VERSION) throw new InputError('onnx', 'metadata wrn.format_version', `expected ${FORMAT_VERSION}, got ${version}`);
  const input = oneOf(entries, 'wrn.input_layout', inputLayouts);
  const form = oneOf(entries, 'wrn.form', recordedForms);
  const optional = <T>(key: string, parse: (value: string) => T): T | undefined => {
    const value = entries.get(key);
    return value === undefined ? undefined : parse(value);
  };
  const config = readConfig(parseJson(entries.get('wrn.config') ?? '', 'wrn.config'));
  const about = {
    dialect: entries.get('wrn.dialect') ?? 'unknown',
    dataset: entries.get('wrn.dataset'),
    classLabels: optional('wrn.class_labels', (text) => readLabels(text, config.classes)),
    testAccuracy: optional('wrn.test_accuracy', readFraction),
    sourceSha256: entries.get('wrn.source_sha256'),
  };
  return {
    config,
    form,
    input,
    about: Object.fromEntries(Object.entries(about).filter(([, value]) => value !== undefined)) as unknown as About,
  };
}

function oneOf<T extends string>(entries: ReadonlyMap<string, string>, key: string, values: readonly T[]): T {
  const text = entries.get(key);
  const found = values.find((value) => value === text);
  if (found !== undefined) return found;
  throw new InputError('onnx', `metadata ${key}`, `expected ${values.join(' or ')}, got ${text?.slice(0, 40) ?? 'nothing'}`);
}

function readFraction(text: string): number {
  const fraction = Number(text);
  if (text.trim() !== '' && fraction >= 0 && fraction <= 1) return fraction;
  throw new InputError('onnx', 'metadata wrn.test_accuracy', `expected a number from 0 to 1, got ${text.slice(0, 40)}`);
}

function readLabels(text: string, classes: number): readonly string[] {
  const labels = parseJson(text, 'wrn.class_labels');
  if (Array.isArray(labels) && labels.length === classes && labels.every((label) => typeof label === 'string')) return labels;
  throw new InputError('onnx', 'metadata wrn.class_labels', `expected a JSON array of ${classes} strings, got ${text.slice(0, 40)}`);
}

function parseJson(text: string, key: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new InputError('onnx', `metadata ${key}`, `expected JSON, got ${JSON.stringify(text.slice(0, 40))}`);
  }
}
