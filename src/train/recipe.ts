/** How a network is trained, and the paper's experiments as rows of a table. */
import { InputError } from '../errors.ts';
import type { NetworkConfig } from '../network/config.ts';
import { type Augmentation, noAugmentation } from './augment.ts';
import type { Schedule } from './schedule.ts';

export interface Recipe {
  readonly seed: number;
  /** Images a batch. */
  readonly batch: number;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly schedule: Schedule;
  readonly augmentation: Augmentation;
  /** Augmented training batches whose moments are averaged for inference. */
  readonly momentBatches: number;
}

/** McDonnell, ICLR 2018, section 4: what all experiments share. */
export const paperRecipe: Recipe = {
  seed: 1,
  batch: 125,
  momentum: 0.9,
  weightDecay: 5e-4,
  schedule: { kind: 'warm-restarts', high: 0.1, low: 1e-4, firstCycle: 2 },
  augmentation: { shorterSide: null, flip: true, pad: 4, cutout: 0 },
  momentBatches: 80,
};

export interface Preset {
  readonly title: string;
  /** Name of the data set in the catalog. */
  readonly data: string;
  readonly epochs: number;
  readonly network: Partial<NetworkConfig>;
  readonly recipe: Partial<Recipe>;
}

const cutout: Augmentation = { ...paperRecipe.augmentation, cutout: 18 };

/**
 * One row an experiment of the paper (section 4): WRN-20-10, WRN-20-4 for MNIST and SVHN, 18-2.5 for ImageNet; --depth and
 * --width give its others. How long SVHN, ImageNet32 and ImageNet train is our choice: to the end of a cycle.
 */
export const presets: Readonly<Record<string, Preset>> = {
  mnist: { title: 'MNIST', data: 'mnist', epochs: 14, network: { width: 4 }, recipe: { augmentation: noAugmentation } },
  cifar10: { title: 'CIFAR-10', data: 'cifar-10', epochs: 62, network: { width: 10 }, recipe: {} },
  'cifar10-cutout': {
    title: 'CIFAR-10 with cutout',
    data: 'cifar-10',
    epochs: 254,
    network: { width: 10 },
    recipe: { augmentation: cutout },
  },
  cifar100: { title: 'CIFAR-100', data: 'cifar-100', epochs: 62, network: { width: 10 }, recipe: {} },
  'cifar100-cutout': {
    title: 'CIFAR-100 with cutout',
    data: 'cifar-100',
    epochs: 254,
    network: { width: 10 },
    recipe: { augmentation: cutout },
  },
  svhn: {
    title: 'SVHN',
    data: 'svhn',
    epochs: 30,
    network: { width: 4 },
    recipe: { augmentation: { ...paperRecipe.augmentation, flip: false } },
  },
  imagenet32: {
    title: 'ImageNet32',
    data: 'imagenet32',
    epochs: 30,
    network: { width: 10, affine: 'all' },
    recipe: { weightDecay: 1e-4 },
  },
  imagenet: {
    title: 'ImageNet',
    data: 'imagenet',
    epochs: 62,
    network: { stem: 'imagenet', depth: 18, width: 2.5, affine: 'all', input: { channels: 3, height: 224, width: 224 } },
    recipe: { weightDecay: 1e-4, augmentation: { ...noAugmentation, shorterSide: [256, 480], flip: true } },
  },
};

/**
 * Reads a recipe from untrusted JSON.
 * @throws InputError naming the field that is not what it should be.
 */
export function readRecipe(json: unknown): Recipe {
  const object = (value: unknown, where: string): Record<string, unknown> => {
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
    throw new InputError('recipe', where, `expected an object, got ${JSON.stringify(value)}`);
  };
  const number = (from: Record<string, unknown>, field: string, low = 0): number => {
    const value = from[field];
    if (typeof value === 'number' && value >= low) return value;
    throw new InputError('recipe', field, `expected a number of at least ${low}, got ${JSON.stringify(value)}`);
  };
  const recipe = object(json, 'root');
  const schedule = object(recipe['schedule'], 'schedule');
  const augmentation = object(recipe['augmentation'], 'augmentation');
  const rates = (): number[] => {
    const value = schedule['rates'];
    if (Array.isArray(value) && value.length > 0 && value.every((rate) => typeof rate === 'number')) return value;
    throw new InputError('recipe', 'schedule.rates', `expected numbers, got ${JSON.stringify(value)}`);
  };
  const shorterSide = (): Augmentation['shorterSide'] => {
    const value = augmentation['shorterSide'] ?? null;
    if (value === null) return null;
    if (Array.isArray(value) && value.length === 2 && value.every(Number.isInteger) && value[0] <= value[1]) return [value[0], value[1]];
    throw new InputError('recipe', 'augmentation.shorterSide', `expected two integers, low and high, got ${JSON.stringify(value)}`);
  };
  return {
    seed: number(recipe, 'seed'),
    batch: number(recipe, 'batch', 1),
    momentum: number(recipe, 'momentum'),
    weightDecay: number(recipe, 'weightDecay'),
    schedule:
      schedule['kind'] === 'steps'
        ? { kind: 'steps', rates: rates(), epochs: number(schedule, 'epochs', 1) }
        : {
            kind: 'warm-restarts',
            high: number(schedule, 'high'),
            low: number(schedule, 'low'),
            firstCycle: number(schedule, 'firstCycle', 1),
          },
    augmentation: {
      shorterSide: shorterSide(),
      flip: augmentation['flip'] === true,
      pad: number(augmentation, 'pad'),
      cutout: number(augmentation, 'cutout'),
    },
    momentBatches: number(recipe, 'momentBatches', 1),
  };
}
