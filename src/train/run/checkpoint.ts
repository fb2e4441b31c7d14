/**
 * A training run as a file: safetensors with configuration and recipe in its metadata. It holds latent weights,
 * momenta and, once measured, moments. The position is the whole random state (random.ts). Kernels are OIHW.
 */
import { exactOptional, type InferOutput } from 'valibot';
import { sha256 } from '#builtin';
import { InputError } from '../../errors.ts';
import { metadataJson, readSafetensors, type SafetensorsFile, type StoredTensor, writeSafetensors } from '../../formats/safetensors.ts';
import { integer, number, object, readJson, type Schema, text } from '../../formats/schema.ts';
import { elements } from '../../formats/shape.ts';
import { asBytes, toFloats } from '../../formats/typed-array.ts';
import { type NetworkConfig, readConfig } from '../../network/config.ts';
import { type Provenance, readProvenance } from '../../network/provenance.ts';
import { shapeInFile, toHWIO, toOIHW } from '../network/kernel-layout.ts';
import { learned, momentNames, type StoredMoments, type Variable } from '../network/variables.ts';
import { type Recipe, readRecipe } from '../recipe.ts';

export interface Checkpoint {
  readonly config: NetworkConfig;
  readonly recipe: Recipe;
  readonly progress: Progress;
  /** Latent weights in the order of `learned`, kernels HWIO. */
  readonly weights: readonly Float32Array[];
  readonly momenta: readonly Float32Array[];
  /** Moments of these weights, if measured. */
  readonly moments: StoredMoments | undefined;
  /** Absent in early checkpoints of this version. */
  readonly plan?: Plan | undefined;
  /** Provenance of the model with these weights; absent in early checkpoints of this version. */
  readonly about?: Provenance | undefined;
}

const positive = integer(1, Number.MAX_SAFE_INTEGER);
const planSchema = object({
  epochs: positive,
  /** The user's name for the data source. A relative path is relative to the working directory. */
  source: text,
  images: object({ name: text, length: positive, sha256: text }),
  /** The user's name for the teacher, if there is one. */
  teacher: exactOptional(text),
});
/** The planned length of a run, and its data. */
export type Plan = Readonly<InferOutput<typeof planSchema>>;

const sum = number(0, Number.MAX_VALUE);
const progressSchema = object({
  /** Batches completed since the start. */
  step: integer(0, Number.MAX_SAFE_INTEGER),
  /** Sums over the batches of the current epoch. */
  epochLoss: sum,
  epochErrors: sum,
  /** When there is a teacher; rounding can make a divergence near zero negative. */
  epochTeacherLoss: exactOptional(number(-Number.MAX_VALUE, Number.MAX_VALUE)),
});
/** Position of a run. */
export type Progress = Readonly<InferOutput<typeof progressSchema>>;

const FORMAT = 'checkpoint';
const VERSION = '1';
/** Metadata key of the digest that reveals a damaged file; absent in early checkpoints of this version. */
const DIGEST = 'wrn.sha256';
const KEYS: readonly string[] = ['wrn.checkpoint_version', 'wrn.config', 'wrn.recipe', 'wrn.progress', 'wrn.plan', 'wrn.about', DIGEST];

export function isCheckpoint(file: SafetensorsFile): boolean {
  return file.metadata.has('wrn.checkpoint_version');
}

/** Encodes a checkpoint. The same state gives the same bytes. */
export function writeCheckpoint({ config, recipe, progress, weights, momenta, moments, plan, about }: Checkpoint): Uint8Array {
  const metadata = new Map([
    ['wrn.checkpoint_version', VERSION],
    ['wrn.config', JSON.stringify(config)],
    ['wrn.recipe', JSON.stringify(recipe)],
    ['wrn.progress', JSON.stringify(progress)],
  ]);
  if (plan) metadata.set('wrn.plan', JSON.stringify(plan));
  if (about) metadata.set('wrn.about', JSON.stringify(about));
  const tensors = new Map<string, StoredTensor>();
  for (const [prefix, values] of [
    ['weight', weights],
    ['momentum', momenta],
  ] as const) {
    for (const [i, variable] of learned(config).entries())
      tensors.set(`${prefix}.${variable.name}`, store(variable, values[i] as Float32Array));
  }
  for (const [name, values] of moments ?? [])
    tensors.set(`moment.${name}`, { dtype: 'F32', shape: [values.length], bytes: asBytes(values) });
  return writeSafetensors({ metadata: metadata.set(DIGEST, digest({ metadata, tensors })), tensors });
}

/** SHA-256 of the other metadata and the tensors, in file order. */
function digest({ metadata, tensors }: SafetensorsFile): string {
  const described = [...metadata].filter(([key]) => key !== DIGEST).map(([key, value]) => `${key}\0${value}\0`);
  return sha256(...described, ...[...tensors].flatMap(([name, { bytes }]) => [`${name}\0`, bytes]));
}

/**
 * Decodes a checkpoint.
 * @throws InputError when it is not a checkpoint, or anything is missing, left over or of the wrong shape
 */
export function readCheckpoint(bytes: Uint8Array): Checkpoint {
  return checkpointOf(readSafetensors(bytes));
}

/** Decodes a checkpoint from a parsed safetensors file. */
export function checkpointOf(file: SafetensorsFile): Checkpoint {
  const version = file.metadata.get('wrn.checkpoint_version');
  if (version !== VERSION) throw new InputError(FORMAT, 'wrn.checkpoint_version', `expected ${VERSION}, got ${version ?? 'nothing'}`);
  const strange = [...file.metadata.keys()].find((key) => !KEYS.includes(key));
  if (strange !== undefined) throw new InputError(FORMAT, `metadata ${strange}`, `expected ${KEYS.join(', ')}, got another`);
  const expected = file.metadata.get(DIGEST);
  if (expected !== undefined && expected !== digest(file))
    throw new InputError(FORMAT, DIGEST, 'expected content with this digest, got other content. The file is damaged');
  const json = (key: string) => metadataJson(file, key, FORMAT);
  const within = (key: string) => (field: string) => `${key} ${field}`;
  const read = <T>(key: string, schema: Schema<T>) => readJson(schema, json(key), FORMAT, within(key));
  const config = readConfig(json('wrn.config'));
  const variables = learned(config);
  const names = momentNames(config);
  const left = new Set(file.tensors.keys());
  const take = (name: string, length: number): Float32Array => {
    left.delete(name);
    const tensor = file.tensors.get(name);
    if (tensor?.dtype !== 'F32' || tensor.bytes.length !== length * Float32Array.BYTES_PER_ELEMENT)
      throw new InputError(
        FORMAT,
        name,
        `expected ${length} float32 values, got ${tensor ? `${tensor.bytes.length} bytes of ${tensor.dtype}` : 'nothing'}`,
      );
    return toFloats(tensor.bytes);
  };
  const load = (prefix: string) => variables.map(({ name, shape }) => toHWIO(take(`${prefix}.${name}`, elements(shape)), shape));
  const weights = load('weight');
  const momenta = load('momentum');
  const measured = names.some((name) => left.has(`moment.${name}`));
  const channels = (name: string) => (file.tensors.get(`moment.${name}`)?.bytes.length ?? 0) / Float32Array.BYTES_PER_ELEMENT;
  const moments = measured ? new Map(names.map((name) => [name, take(`moment.${name}`, channels(name))])) : undefined;
  const [extra] = left;
  if (extra !== undefined) throw new InputError(FORMAT, extra, `expected only tensors of this network, got ${left.size} left over`);
  return {
    config,
    recipe: readRecipe(json('wrn.recipe')),
    progress: read('wrn.progress', progressSchema),
    weights,
    momenta,
    moments,
    plan: file.metadata.has('wrn.plan') ? read('wrn.plan', planSchema) : undefined,
    about: file.metadata.has('wrn.about') ? readProvenance(json('wrn.about'), config.classes, FORMAT, within('wrn.about')) : undefined,
  };
}

/**
 * The moments for inference that a checkpoint holds.
 * @throws InputError when it was saved within a cycle, where moments are not measured
 */
export function measuredMoments({ moments, progress }: Checkpoint): StoredMoments {
  if (moments) return moments;
  throw new InputError(
    FORMAT,
    `step ${progress.step}`,
    'expected a checkpoint from the end of a cycle, with moments for inference, got one from within a cycle. Continue with train --resume',
  );
}

function store({ shape }: Variable, values: Float32Array): StoredTensor {
  return { dtype: 'F32', shape: shapeInFile(shape), bytes: asBytes(toOIHW(values, shape)) };
}
