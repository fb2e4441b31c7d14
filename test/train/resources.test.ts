/** What a training needs, against what one takes. */
import { expect, test } from 'vitest';
import { randomStream } from '../../src/data/random.ts';
import { defaultConfig } from '../../src/network/config.ts';
import { Learner } from '../../src/train/network/step.ts';
import { initialWeights, learned, momentNames } from '../../src/train/network/variables.ts';
import { paperRecipe } from '../../src/train/recipe.ts';
import { checkpointBytes, checkResources, memoryNeeded } from '../../src/train/resources.ts';
import { writeCheckpoint } from '../../src/train/run/checkpoint.ts';
import { testWithTensorFlow } from './tensorflow.ts';

const config = { ...defaultConfig, depth: 14, width: 1 };
const initial = () => initialWeights(learned(config), randomStream(1));

test('a checkpoint is as large as was foretold', () => {
  const weights = initial();
  const { length } = writeCheckpoint({
    config,
    recipe: paperRecipe,
    progress: { step: 0, epochLoss: 0, epochErrors: 0 },
    weights,
    momenta: weights,
    moments: new Map(momentNames(config).map((name) => [name, new Float32Array(16)])),
  });
  expect(checkpointBytes(config) / length).toBeGreaterThan(0.97);
  expect(checkpointBytes(config) / length).toBeLessThan(1.03);
});

testWithTensorFlow('a step takes at least the memory that is asked for, and not much more', (tf) => {
  const batch = 200;
  const before = process.resourceUsage().maxRSS;
  const learner = new Learner(tf, config, paperRecipe, initial(), initial());
  const images = Float32Array.from({ length: batch * 3072 }, (_, i) => i % 251);
  for (let i = 0; i < 2; i++) learner.step(images, [batch, 32, 32, 3], new Int32Array(batch), 0.01);
  learner.dispose();
  const taken = (process.resourceUsage().maxRSS - before) * 1024;
  const asked = memoryNeeded({ config, batch, dataBytes: 0 }) - memoryNeeded({ config, batch: 0, dataBytes: 0 });
  expect(asked).toBeGreaterThan(100e6);
  expect(taken / asked).toBeGreaterThan(1);
  expect(taken / asked).toBeLessThan(2.5);
});

const need = { config, batch: 250, dataBytes: 1e6 };
const ample = { memory: 1e12, freeMemory: 1e12, freeDisk: 1e12, folder: 'run', hasCheckpoint: false };

test.each([
  ['memory', { memory: 400e6 }, /^memory: expected at least [\d.]+ [MG]B for WRN-14-1 at batch size 250, got 400\.0 MB/],
  ['disk', { freeDisk: 3e6 }, /^disk of run: expected at least [\d.]+ MB free for the checkpoints, got 3\.0 MB$/],
])('too little %s is refused', (_, little, message) => {
  expect(() => checkResources(need, { ...ample, ...little })).toThrow(message);
  expect(checkResources(need, ample)).toBeUndefined();
});

test('memory that is there but not free is a warning: the cache of files that were read gives way', () => {
  expect(checkResources(need, { ...ample, freeMemory: 400e6 })).toMatch(
    /^memory: expected at least [\d.]+ [MG]B for .*, got 400\.0 MB free$/,
  );
});
