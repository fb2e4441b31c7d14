/** How a network is trained, and the paper's experiments as rows of a table. */

import { check, exactOptional, minLength, optional, pipe, regex } from 'valibot';
import {
  boolean,
  byKind,
  either,
  integer,
  list,
  number,
  oneOf,
  readJson,
  type Schema,
  strictObject,
  text,
  tuple,
} from '../formats/schema.ts';
import type { NetworkConfig } from '../network/config.ts';
import { type Augmentation, noAugmentation } from './batches/augment.ts';
import type { Teaching } from './batches/teacher.ts';
import type { Schedule } from './schedule.ts';
import type { MathMode } from './tf/math.ts';

export const mathModes: readonly MathMode[] = ['float32', 'bf16'];

export interface Recipe {
  readonly seed: number;
  /** Batch size. */
  readonly batch: number;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly schedule: Schedule;
  readonly augmentation: Augmentation;
  /** Number of augmented training batches to average moments over for inference; at most one epoch is used. */
  readonly momentBatches: number;
  /** Absent in recipes of earlier versions, which train in float32. */
  readonly math?: MathMode;
  /** Absent when the labels alone teach. */
  readonly teacher?: Teaching;
}

/** Settings that all experiments of the paper share (McDonnell, ICLR 2018, section 4). */
export const paperRecipe: Recipe = {
  seed: 1,
  batch: 125,
  momentum: 0.9,
  weightDecay: 5e-4,
  schedule: { kind: 'warm-restarts', high: 0.1, low: 1e-4, firstCycle: 2 },
  augmentation: { shorterSide: null, flip: true, pad: 4, cutout: 0 },
  momentBatches: 80,
  math: 'float32',
};

/** Epochs of the paper's training on CIFAR: the end of the fifth cycle of its schedule. */
export const paperEpochs = 62;

export interface Preset {
  /** Catalog name of the data set. */
  readonly data: string;
  readonly epochs: number;
  readonly network: Partial<NetworkConfig>;
  readonly recipe: Partial<Recipe>;
}

const cutout: Augmentation = { ...paperRecipe.augmentation, cutout: 18 };

/**
 * One row per experiment of the paper (section 4): WRN-20-10; WRN-20-4 for MNIST and SVHN; WRN-18-2.5 for ImageNet. Use --depth
 * and --width for its other networks. The epochs for SVHN, ImageNet32 and ImageNet are our choice, the end of a cycle.
 */
export const presets: Readonly<Record<string, Preset>> = {
  mnist: { data: 'mnist', epochs: 14, network: { width: 4 }, recipe: { augmentation: noAugmentation } },
  cifar10: { data: 'cifar-10', epochs: paperEpochs, network: { width: 10 }, recipe: {} },
  'cifar10-cutout': {
    data: 'cifar-10',
    epochs: 254,
    network: { width: 10 },
    recipe: { augmentation: cutout },
  },
  cifar100: { data: 'cifar-100', epochs: paperEpochs, network: { width: 10 }, recipe: {} },
  'cifar100-cutout': {
    data: 'cifar-100',
    epochs: 254,
    network: { width: 10 },
    recipe: { augmentation: cutout },
  },
  svhn: {
    data: 'svhn',
    epochs: 30,
    network: { width: 4 },
    recipe: { augmentation: { ...paperRecipe.augmentation, flip: false } },
  },
  imagenet32: {
    data: 'imagenet32',
    epochs: 30,
    network: { width: 10, affine: 'all' },
    recipe: { weightDecay: 1e-4 },
  },
  imagenet: {
    data: 'imagenet',
    epochs: 62,
    network: { stem: 'imagenet', depth: 18, width: 2.5, affine: 'all', input: { channels: 3, height: 224, width: 224 } },
    recipe: { weightDecay: 1e-4, augmentation: { ...noAugmentation, shorterSide: [256, 480], flip: true } },
  },
};

/** Generous upper bounds: random numbers have 32 bits, and TensorFlow's rates are float32. */
const MAX_INTEGER = 2 ** 31 - 1;
const MAX_SEED = 2 ** 32 - 1;
const MAX_RATE = 1e38;
/** Beyond these, softmax in float32 is a step or flat. */
const TEMPERATURES = [0.01, 1000] as const;

const count = integer(1, MAX_INTEGER);
const pixels = integer(0, MAX_INTEGER);
const rate = number(0, MAX_RATE);

const schema: Schema<Recipe> = strictObject({
  seed: integer(0, MAX_SEED),
  batch: count,
  momentum: number(0, 1),
  weightDecay: rate,
  schedule: byKind({
    steps: strictObject({
      kind: oneOf('steps'),
      rates: pipe(list(rate), minLength(1, 'at least one rate')),
      epochs: count,
    }),
    'warm-restarts': strictObject({ kind: oneOf('warm-restarts'), high: rate, low: rate, firstCycle: count }),
  }),
  augmentation: strictObject({
    shorterSide: optional(
      either(
        null,
        pipe(
          tuple(count, count),
          check(([low, high]) => low <= high, 'two integers, low and high'),
        ),
      ),
      null,
    ), // absent in older recipes
    flip: boolean,
    pad: pixels,
    cutout: pixels,
  }),
  momentBatches: count,
  math: exactOptional(oneOf(...mathModes)),
  teacher: exactOptional(
    strictObject({
      sha256: pipe(text, regex(/^[0-9a-f]{64}$/, '64 hexadecimal digits')),
      weight: number(0, 1),
      temperature: number(...TEMPERATURES),
    }),
  ),
});

/**
 * Reads a recipe from untrusted JSON.
 * @throws InputError that names the first field that is missing, unknown or out of range
 */
export function readRecipe(json: unknown): Recipe {
  return readJson(schema, json, 'recipe');
}
