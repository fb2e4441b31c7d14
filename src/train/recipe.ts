/** How a network is trained, and the paper's experiments as rows of a table. */

import { jsonReader } from '../formats/json.ts';
import type { NetworkConfig } from '../network/config.ts';
import { type Augmentation, noAugmentation } from './augment.ts';
import type { Schedule } from './schedule.ts';
import type { Teaching } from './teacher.ts';
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
  cifar10: { data: 'cifar-10', epochs: 62, network: { width: 10 }, recipe: {} },
  'cifar10-cutout': {
    data: 'cifar-10',
    epochs: 254,
    network: { width: 10 },
    recipe: { augmentation: cutout },
  },
  cifar100: { data: 'cifar-100', epochs: 62, network: { width: 10 }, recipe: {} },
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

/**
 * Reads a recipe from untrusted JSON.
 * @throws InputError that names the first field that is missing, unknown or out of range
 */
export function readRecipe(json: unknown): Recipe {
  const { fail, record, integer, number, text, oneOf, list } = jsonReader('recipe');
  const count = (value: unknown, field: string) => integer(value, field, 1, MAX_INTEGER);
  const pixels = (value: unknown, field: string) => integer(value, field, 0, MAX_INTEGER);
  const rate = (value: unknown, field: string) => number(value, field, 0, MAX_RATE);
  const r = record(json, 'root', [...Object.keys(paperRecipe), 'teacher']);
  const schedule = (): Schedule => {
    const s = record(r['schedule'], 'schedule');
    if (oneOf(s['kind'], 'schedule.kind', ['steps', 'warm-restarts']) === 'steps') {
      record(s, 'schedule', ['kind', 'rates', 'epochs']);
      const rates = list(s['rates'], 'schedule.rates', rate);
      if (rates.length === 0) fail('schedule.rates', 'at least one rate', rates);
      return { kind: 'steps', rates, epochs: count(s['epochs'], 'schedule.epochs') };
    }
    record(s, 'schedule', ['kind', 'high', 'low', 'firstCycle']);
    const [high, low] = [rate(s['high'], 'schedule.high'), rate(s['low'], 'schedule.low')];
    return { kind: 'warm-restarts', high, low, firstCycle: count(s['firstCycle'], 'schedule.firstCycle') };
  };
  const a = record(r['augmentation'], 'augmentation', Object.keys(noAugmentation));
  const shorterSide = (): Augmentation['shorterSide'] => {
    const value = a['shorterSide'] ?? null; // absent in older recipes
    if (value === null) return null;
    const [low, high] = list(value, 'augmentation.shorterSide', count, 2) as [number, number];
    return low <= high ? [low, high] : fail('augmentation.shorterSide', 'two integers, low and high', value);
  };
  const teacher = (): Teaching => {
    const t = record(r['teacher'], 'teacher', ['sha256', 'weight', 'temperature']);
    const sha256 = text(t['sha256'], 'teacher.sha256');
    if (!/^[0-9a-f]{64}$/.test(sha256)) fail('teacher.sha256', '64 hexadecimal digits', sha256);
    return {
      sha256,
      weight: number(t['weight'], 'teacher.weight', 0, 1),
      temperature: number(t['temperature'], 'teacher.temperature', ...TEMPERATURES),
    };
  };
  return {
    seed: integer(r['seed'], 'seed', 0, MAX_SEED),
    batch: count(r['batch'], 'batch'),
    momentum: number(r['momentum'], 'momentum', 0, 1),
    weightDecay: rate(r['weightDecay'], 'weightDecay'),
    schedule: schedule(),
    augmentation: {
      shorterSide: shorterSide(),
      flip: oneOf(a['flip'], 'augmentation.flip', [true, false]),
      pad: pixels(a['pad'], 'augmentation.pad'),
      cutout: pixels(a['cutout'], 'augmentation.cutout'),
    },
    momentBatches: count(r['momentBatches'], 'momentBatches'),
    ...(r['math'] === undefined ? {} : { math: oneOf(r['math'], 'math', mathModes) }),
    ...(r['teacher'] === undefined ? {} : { teacher: teacher() }),
  };
}
