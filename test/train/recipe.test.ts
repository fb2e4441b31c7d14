/** The paper's experiments: what McDonnell, ICLR 2018, sections 3 and 4, says of each. */
import { expect, test } from 'vitest';
import { catalogEntry } from '../../src/data/catalog.ts';
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

test.each([[[256]], [[480, 256]], ['256-480'], [[256.5, 480]]])('a shorter side of %j is refused', (shorterSide) => {
  expect(() => readRecipe({ ...paperRecipe, augmentation: { ...light, shorterSide } })).toThrow(
    /^recipe augmentation\.shorterSide: expected two integers, low and high, got /,
  );
});
