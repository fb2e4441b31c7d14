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
  augmentation: { flip: true, pad: 4, cutout: 0 },
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

const cutout: Augmentation = { flip: true, pad: 4, cutout: 18 };

/** One row an experiment of the paper. */
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
      flip: augmentation['flip'] === true,
      pad: number(augmentation, 'pad'),
      cutout: number(augmentation, 'cutout'),
    },
    momentBatches: number(recipe, 'momentBatches', 1),
  };
}
