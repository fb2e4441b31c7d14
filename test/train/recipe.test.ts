/** The paper's experiments: what McDonnell, ICLR 2018, sections 3 and 4, says of each. */
import { expect, test } from 'vitest';
import { catalogEntry } from '../../src/data/catalog.ts';
import { InputError } from '../../src/errors.ts';
import { defaultConfig, networkName, readConfig } from '../../src/network/config.ts';
import { weightCount } from '../../src/network/topology.ts';
import { paperRecipe, presets, readRecipe } from '../../src/train/recipe.ts';
import { isCycleEnd } from '../../src/train/schedule.ts';

const light = { shorterSide: null, flip: true, pad: 4, cutout: 0 };

test.each([
  { preset: 'mnist', network: 'WRN-20-4', affine: 'none', weightDecay: 5e-4, augmentation: { ...light, flip: false, pad: 0 } },
  { preset: 'cifar10', network: 'WRN-20-10', affine: 'none', weightDecay: 5e-4, augmentation: light },
  { preset: 'cifar10-cutout', network: 'WRN-20-10', affine: 'none', weightDecay: 5e-4, augmentation: { ...light, cutout: 18 } },
  { preset: 'cifar100', network: 'WRN-20-10', affine: 'none', weightDecay: 5e-4, augmentation: light },
  { preset: 'cifar100-cutout', network: 'WRN-20-10', affine: 'none', weightDecay: 5e-4, augmentation: { ...light, cutout: 18 } },
  { preset: 'svhn', network: 'WRN-20-4', affine: 'none', weightDecay: 5e-4, augmentation: { ...light, flip: false } },
  { preset: 'imagenet32', network: 'WRN-20-10', affine: 'all', weightDecay: 1e-4, augmentation: light },
  {
    preset: 'imagenet',
    network: 'WRN-18-2.5',
    affine: 'all',
    weightDecay: 1e-4,
    augmentation: { ...light, pad: 0, shorterSide: [256, 480] },
  },
])('$preset', ({ preset, network, affine, weightDecay, augmentation }) => {
  const row = presets[preset];
  const data = catalogEntry(row?.data ?? '');
  if (!row || !data) throw new Error('expected a preset whose data set is in the catalog');
  const recipe = { ...paperRecipe, ...row.recipe };
  const input = { channels: data.channels, height: data.height, width: data.width };
  const config = readConfig({ ...defaultConfig, classes: data.classes, input, ...row.network });
  expect(config).toMatchObject({ affine, bits: 1, residual: true, scale: 'he', input });
  expect(networkName(config)).toBe(network);
  expect(recipe).toMatchObject({ batch: 125, momentum: 0.9, weightDecay, augmentation });
  expect(recipe.schedule).toEqual({ kind: 'warm-restarts', high: 0.1, low: 1e-4, firstCycle: 2 });
  expect(isCycleEnd(recipe.schedule, row.epochs)).toBe(true);
  expect(readRecipe(JSON.parse(JSON.stringify(recipe)))).toEqual(recipe);
  // as the author's file counts, and the paper's tables, in millions
  if (preset === 'cifar10') expect(weightCount(config)).toBe(26_737_120);
  if (preset === 'imagenet') expect(Math.round(weightCount(config) / 1e5)).toBe(700);
});

test('every preset is in the table', () => expect(Object.keys(presets)).toHaveLength(8));

test('a recipe from before image files could be scaled is read', () => {
  const { shorterSide: _, ...augmentation } = light;
  expect(readRecipe({ ...paperRecipe, augmentation })).toEqual(paperRecipe);
});

const steps = { kind: 'steps', rates: [0.1, 0.01], epochs: 4 };
const restarts = paperRecipe.schedule;

test('a recipe of steps is read', () => expect(readRecipe({ ...paperRecipe, schedule: steps }).schedule).toEqual(steps));

test.each<[change: object, message: string]>([
  [{ batch: 20.5 }, 'batch: expected an integer from 1 to 2147483647, got 20.5'],
  [{ batch: 0 }, 'batch: expected an integer from 1'],
  [{ seed: '1' }, 'seed: expected an integer from 0'],
  [{ momentum: 2 }, 'momentum: expected a number from 0 to 1, got 2'],
  [{ weightDecay: null }, 'weightDecay: expected a number from 0 to 1e+38, got null'],
  [{ momentBatches: 1e12 }, 'momentBatches: expected an integer from 1'],
  [{ nesterov: true }, 'root.nesterov: expected no such field'],
  [{ schedule: undefined }, 'schedule: expected an object, got nothing'],
  [{ schedule: { ...restarts, kind: 'linear' } }, 'schedule.kind: expected "steps" or "warm-restarts", got "linear"'],
  [{ schedule: { ...restarts, rates: [0.1] } }, 'schedule.rates: expected no such field'],
  [{ schedule: { ...restarts, firstCycle: 1.5 } }, 'schedule.firstCycle: expected an integer from 1'],
  [{ schedule: { ...steps, rates: [] } }, 'schedule.rates: expected at least one rate, got []'],
  [{ schedule: { ...steps, rates: [0.1, '0.01'] } }, 'schedule.rates[1]: expected a number from 0'],
  [{ schedule: { ...steps, high: 1 } }, 'schedule.high: expected no such field'],
  [{ augmentation: { ...light, flip: 1 } }, 'augmentation.flip: expected true or false, got 1'],
  [{ augmentation: { ...light, pad: 1.5 } }, 'augmentation.pad: expected an integer from 0'],
  [{ augmentation: { ...light, cutout: -1 } }, 'augmentation.cutout: expected an integer from 0'],
  [{ augmentation: { ...light, mixup: 1 } }, 'augmentation.mixup: expected no such field'],
  [{ augmentation: { ...light, shorterSide: [256] } }, 'augmentation.shorterSide: expected a list of 2, got [256]'],
  [{ augmentation: { ...light, shorterSide: '256-480' } }, 'augmentation.shorterSide: expected a list of 2, got "256-480"'],
  [{ augmentation: { ...light, shorterSide: [480, 256] } }, 'augmentation.shorterSide: expected two integers, low and high, got [480,256]'],
  [{ augmentation: { ...light, shorterSide: [256.5, 480] } }, 'augmentation.shorterSide[0]: expected an integer from 1'],
])('%j is refused', (change, message) => {
  expect(() => readRecipe({ ...paperRecipe, ...change })).toThrow(InputError);
  expect(() => readRecipe({ ...paperRecipe, ...change })).toThrow(`recipe ${message}`);
});
