/** Training as the library offers it: the same run as that of the command's parts, and resumed the same. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { UsageError } from '../../src/errors.ts';
import { RunFolder } from '../../src/train/run/run-folder.ts';
import { train } from '../../src/train/train.ts';
import { trainNetwork } from '../../src/train-api.ts';
import { folderWith } from '../data/crafted.ts';
import { checkpointOf, smallRun } from './run.ts';
import { testWithTensorFlow } from './tensorflow.ts';

testWithTensorFlow('one call trains as the command does; aborted and resumed, it ends in the same checkpoint', async (tf) => {
  const run = await smallRun(200, 2);
  const images = { train: run.train, test: run.test };
  const options = { network: { depth: 8, width: 0.25 }, recipe: run.recipe, epochs: 2 };
  const [folder, stopped, expected] = [await folderWith(), await folderWith(), await folderWith()];
  const model = await train(tf, {
    ...run,
    source: run.train.name,
    folder: new RunFolder(expected),
    signal: new AbortController().signal,
  });
  expect(await trainNetwork(images, { ...options, folder: join(folder, 'run') })).toEqual(model);
  expect(readFileSync(checkpointOf(join(folder, 'run'))).equals(readFileSync(checkpointOf(expected)))).toBe(true);

  const abort = new AbortController();
  const onStep = ({ step }: { step: number }) => step === 7 && abort.abort('enough');
  await expect(trainNetwork(images, { ...options, folder: stopped, signal: abort.signal, onStep })).rejects.toBe('enough');
  await expect(trainNetwork(images, { ...options, folder: stopped })).rejects.toThrow(UsageError); // a run is there
  expect(await trainNetwork(images, { folder: stopped, resume: true })).toEqual(model);
  expect(readFileSync(checkpointOf(stopped)).equals(readFileSync(checkpointOf(expected)))).toBe(true);
});
