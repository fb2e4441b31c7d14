/** Every variant of the paper from the command line: two steps, an export, and parity of the training runtime with it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import sharp from 'sharp';
import { beforeEach, describe, expect, vi } from 'vitest';
import { EXPORT_TOLERANCE } from '../../eval/verify-export.ts';
import { command } from '../../src/cli/train.ts';
import { readCheckpoint } from '../../src/train/checkpoint.ts';
import { toNHWC } from '../../src/train/inference.ts';
import type { TensorFlow } from '../../src/train/tensorflow.ts';
import { openTrained } from '../../src/train/trained.ts';
import { folderWith, noise } from '../data/crafted.ts';
import { checkpointOf, smallData } from '../train/run.ts';
import { testWithTensorFlow } from '../train/tensorflow.ts';

// the command ends with a comparison of three runtimes in processes of their own; here the comparison is this file's
vi.mock('../../eval/evaluate.ts', () => ({ evaluate: async () => ({ verdict: 'pass', results: [] }) }));
vi.mock('../../src/cli/parity-table.ts', () => ({ parityTable: () => '', requireParity: () => {} }));
vi.mock('../../src/cli/report.ts', () => ({ writeReport: () => {} }));

const fixtures = (set: string) => fileURLToPath(new URL(`../data/fixtures/${set}`, import.meta.url));
const small = ['--depth', '8', '--width', '0.25'];

/** Twelve photographs, 3 classes, train and val. */
async function photographs(): Promise<string> {
  const files: Record<string, Uint8Array> = {};
  for (let i = 0; i < 12; i++) {
    const image = sharp(noise(90 * 70 * 3, i), { raw: { width: 90, height: 70, channels: 3 } });
    for (const split of ['train', 'val']) files[`${split}/n${i % 3}/${i}.jpg`] = await image.jpeg().toBuffer();
  }
  return folderWith(files);
}

interface Variant {
  readonly name: string;
  readonly args: readonly string[];
  readonly data?: () => Promise<string> | string;
  readonly batch?: number;
  readonly config?: object;
  readonly recipe?: object;
}

const variants: readonly Variant[] = [
  { name: '1 bit, He scale', args: small, config: { bits: 1, endBits: 1, scale: 'he', affine: 'none', residual: true, inputRelu: false } },
  { name: 'full precision', args: [...small, '--bits', '32'], config: { bits: 32, endBits: 32 } },
  { name: 'BWN scale of the layer', args: [...small, '--scale', 'mean-layer'], config: { scale: 'mean-layer' } },
  { name: 'BWN scale of each channel', args: [...small, '--scale', 'mean-channel'], config: { scale: 'mean-channel' } },
  { name: 'learned batch norm', args: [...small, '--learn-norm'], config: { affine: 'all' } },
  { name: 'ReLU at the input', args: [...small, '--input-relu'], config: { inputRelu: true, affine: 'first' } },
  { name: 'plain', args: [...small, '--plain'], config: { residual: false } },
  { name: 'shifted ReLU', args: [...small, '--norm', 'shifted-relu'], config: { activation: 'shifted-relu' } },
  { name: 'depth 14, width 0.5', args: ['--depth', '14', '--width', '0.5'], config: { depth: 14, width: 0.5 } },
  {
    name: 'steps',
    args: [...small, '--schedule', 'steps'],
    recipe: { schedule: { kind: 'steps', rates: [0.1, 0.01, 0.001], epochs: 1 } },
  },
  {
    name: 'no flip, no crop, cutout',
    args: [...small, '--no-flip', '--crop', '0', '--cutout', '3'],
    recipe: { augmentation: { shorterSide: null, flip: false, pad: 0, cutout: 3 } },
  },
  {
    name: 'preset mnist',
    args: ['--preset', 'mnist', ...small],
    recipe: { augmentation: { shorterSide: null, flip: false, pad: 0, cutout: 0 } },
  },
  { name: 'preset svhn', args: ['--preset', 'svhn', ...small], data: () => fixtures('svhn'), batch: 3, config: { classes: 10 } },
  {
    name: 'preset imagenet32',
    args: ['--preset', 'imagenet32', ...small],
    data: () => fixtures('imagenet32'),
    batch: 10,
    config: { classes: 1000, affine: 'all' },
    recipe: { weightDecay: 1e-4 },
  },
  {
    name: 'preset imagenet',
    args: ['--preset', 'imagenet', '--width', '0.0625', '--image-size', '64', '--shorter-side', '64-80'],
    data: photographs,
    batch: 6,
    config: { stem: 'imagenet', depth: 18, affine: 'all', classes: 3, input: { channels: 3, height: 64, width: 64 } },
    recipe: { weightDecay: 1e-4, augmentation: { shorterSide: [64, 80], flip: true, pad: 0, cutout: 0 } },
  },
];

/** The checkpoint in the training runtime and the exported file in onnxruntime give the same logits. */
async function expectParity(tf: TensorFlow, folder: string): Promise<void> {
  const { config, classifier } = openTrained(tf, readFileSync(checkpointOf(folder)));
  const { channels, height, width } = config.input;
  const count = 4;
  const images = noise(count * channels * height * width, 3);
  const expected = classifier.logits(toNHWC(images, count, channels), count);
  classifier.dispose();
  const session = await InferenceSession.create(join(folder, 'model.onnx'));
  const input = new Tensor('float32', Float32Array.from(images), [count, channels, height, width]);
  const results = await session.run({ [session.inputNames[0] as string]: input });
  await session.release();
  const got = Object.values(results)[0]?.data as Float32Array;
  expect(got).toHaveLength(count * config.classes);
  const norm = (of: (i: number) => number) => Math.hypot(...Array.from(got, (_, i) => of(i)));
  expect(norm((i) => (got[i] as number) - (expected[i] as number)) / norm((i) => expected[i] as number)).toBeLessThan(EXPORT_TOLERANCE);
}

beforeEach(() => {
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  return () => vi.restoreAllMocks();
});

describe('two steps, export and parity:', () => {
  for (const { name, args, data = () => smallData(40), batch = 20, config = {}, recipe = {} } of variants) {
    testWithTensorFlow(name, async (tf) => {
      const [source, folder] = [await data(), await folderWith()];
      const argv = ['--data', source, '-o', folder, '--batch', String(batch), '--epochs', '1', ...args];
      await command().parseAsync(argv, { from: 'user' });
      const checkpoint = readCheckpoint(readFileSync(checkpointOf(folder)));
      expect(checkpoint.progress.step).toBe(2);
      expect(checkpoint.config).toMatchObject(config);
      expect(checkpoint.recipe).toMatchObject(recipe);
      await expectParity(tf, folder);
    });
  }
});
