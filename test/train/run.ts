/** A training run that takes a second: 4 channels, 8 layers, 8x8 images of one colour in 4 classes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { openImageSet } from '../../src/data/open.ts';
import { defaultConfig } from '../../src/network/config.ts';
import { paperRecipe } from '../../src/train/recipe.ts';
import { cli } from '../cli/run.ts';
import { bigEndian, folderWith, noise } from '../data/crafted.ts';

/** A folder in the layout of MNIST: `images` training images and a third of them to test, each class a brightness of its own. */
export async function smallData(images: number): Promise<string> {
  const set = (count: number, seed: number) => {
    const labels = Buffer.from(Array.from({ length: count }, (_, i) => i % 4));
    const pixels = noise(count * 64, seed).map((value, i) => (value >> 2) + 48 * ((i >> 6) % 4));
    return { images: Buffer.concat([bigEndian(0x803, count, 8, 8), pixels]), labels: Buffer.concat([bigEndian(0x801, count), labels]) };
  };
  const train = set(images, 1);
  const test = set(Math.floor(images / 3), 2);
  return folderWith({
    'train-images-idx3-ubyte': train.images,
    'train-labels-idx1-ubyte': train.labels,
    't10k-images-idx3-ubyte': test.images,
    't10k-labels-idx1-ubyte': test.labels,
  });
}

export interface Outcome {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

/**
 * Trains in a process of its own, on one thread, so that sums have one order. `onStderr` gets all that it has said so far;
 * `wrapper` is a command that starts it.
 */
export function trainProcess(
  args: readonly string[],
  onStderr?: (soFar: string, child: ChildProcess) => void,
  wrapper: readonly string[] = [],
): Promise<Outcome> {
  const env = { ...process.env, TF_NUM_INTRAOP_THREADS: '1', TF_NUM_INTEROP_THREADS: '1' };
  const [command, ...rest] = [...wrapper, process.execPath, cli, 'train', ...args];
  const child = spawn(command as string, rest, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
    onStderr?.(stderr, child);
  });
  return new Promise((resolve) => child.once('close', (status, signal) => resolve({ status, signal, stderr })));
}

/** For `trainProcess`: interrupts it once it has said how an epoch went. It exits with 130, without the comparison at the end. */
export function stopAfter(epoch: number): (soFar: string, child: ChildProcess) => void {
  let stopped = false;
  return (soFar, child) => {
    if (stopped || !soFar.includes(`epoch ${epoch}: loss`)) return;
    stopped = true;
    child.kill('SIGTERM');
  };
}

export const smallNetwork = ['--depth', '8', '--width', '0.25', '--batch', '20', '--crop', '1'];

export const checkpointOf = (folder: string) => join(folder, 'checkpoint.safetensors');

/** The same network and data for `train` in this process: batches of 20, and as many for moments as make the test short. */
export async function smallRun(images: number, epochs: number) {
  const source = await smallData(images);
  const recipe = { ...paperRecipe, batch: 20, momentBatches: 10 };
  const [trainImages, test] = [await openImageSet(source, { split: 'train' }), await openImageSet(source, { split: 'test' })];
  onTestFinished(async () => void (await Promise.all([trainImages.close(), test.close()])));
  const { channels, height, width, classes } = test;
  const config = { ...defaultConfig, depth: 8, width: 0.25, classes, input: { channels, height, width } };
  return { config, recipe, epochs, train: trainImages, test, source };
}
