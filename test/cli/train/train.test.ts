/** Every variant of the paper from the command line: two steps, an export, and parity of the training runtime with it. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import sharp from 'sharp';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { BackendName } from '../../../eval/backends/table.ts';
import { readClassifier } from '../../../eval/runtime/model-input.ts';
import { EXPORT_TOLERANCE } from '../../../eval/verify/export.ts';
import { command } from '../../../src/cli/train/train.ts';
import { InputError, UsageError } from '../../../src/errors.ts';
import { toNHWC } from '../../../src/train/network/inference.ts';
import { readCheckpoint } from '../../../src/train/run/checkpoint.ts';
import { readLog } from '../../../src/train/run/log.ts';
import type { TensorFlow } from '../../../src/train/tf/tensorflow.ts';
import { openTrained } from '../../../src/train/trained.ts';
import { folderWith, noise } from '../../data/crafted.ts';
import { fakeBackend } from '../../eval/fake-session.ts';
import { checkpointOf, smallData } from '../../train/run.ts';
import { testWithTensorFlow } from '../../train/tensorflow.ts';

/**
 * The command ends with a comparison of three runtimes in processes of their own; here they answer at once, all alike but
 * for `otherwise`, so that the comparison, its table and its page are the real ones.
 */
function fakeRuntimes(otherwise?: BackendName): void {
  for (const name of ['tfjs', 'cpu', 'wasm'] as const)
    fakeBackend(name, (file) => {
      const { classes } = readClassifier(file);
      const logits = (count: number) =>
        Float32Array.from({ length: count * classes }, (_, i) => (i % classes === (name === otherwise ? 1 : 0) ? 1 : 0));
      return { run: async (_, count) => ({ outputs: { logits: { shape: [count, classes], data: logits(count) } }, seconds: 1 }) };
    });
}

const fixtures = (set: string) => fileURLToPath(new URL(`../../data/fixtures/${set}`, import.meta.url));
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
  {
    name: 'preset svhn',
    args: ['--preset', 'svhn', ...small, '--flip'],
    data: () => fixtures('svhn'),
    batch: 3,
    config: { classes: 10 },
    recipe: { augmentation: { shorterSide: null, flip: true, pad: 4, cutout: 0 } },
  },
  {
    name: 'preset imagenet32',
    args: ['--preset', 'imagenet32', ...small],
    data: () => fixtures('imagenet32'),
    batch: 10,
    config: { classes: 1000, affine: 'all' },
    recipe: { weightDecay: 1e-4 },
  },
  {
    name: 'preset imagenet32, batch norm unlearned',
    args: ['--preset', 'imagenet32', ...small, '--no-learn-norm', '--seed', '0'],
    data: () => fixtures('imagenet32'),
    batch: 10,
    config: { affine: 'none' },
    recipe: { seed: 0, momentBatches: 1000 },
  },
  {
    name: 'preset imagenet',
    args: ['--preset', 'imagenet', '--width', '0.0625', '--image-size', '64', '--shorter-side', '64-80'],
    data: photographs,
    batch: 6,
    config: { stem: 'imagenet', depth: 18, affine: 'all', classes: 3, input: { channels: 3, height: 64, width: 64 } },
    recipe: { weightDecay: 1e-4, augmentation: { shorterSide: [64, 80], flip: true, pad: 0, cutout: 0 } },
  },
  {
    name: 'preset imagenet, images not scaled',
    args: ['--preset', 'imagenet', '--width', '0.0625', '--image-size', '32', '--no-shorter-side'],
    data: photographs,
    batch: 6,
    recipe: { augmentation: { shorterSide: null, flip: true, pad: 0, cutout: 0 } },
  },
];

/** The checkpoint in the training runtime and the exported file in onnxruntime give the same logits. */
async function expectParity(tf: TensorFlow, folder: string): Promise<void> {
  const { numTensors } = tf.memory();
  const { config, classifier } = openTrained(tf, readFileSync(checkpointOf(folder)));
  const { channels, height, width } = config.input;
  const count = 4;
  const images = noise(count * channels * height * width, 3);
  const expected = classifier.logits(toNHWC(images, count, channels), count);
  classifier.dispose();
  expect(tf.memory().numTensors).toBe(numTensors);
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
  fakeRuntimes();
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

const refused = (args: readonly string[]) =>
  expect(
    command()
      .exitOverride()
      .configureOutput({ writeErr: () => {} })
      .parseAsync([...args], { from: 'user' }),
  ).rejects;

test.each([
  ['--weight-decay', 'abc', 'expected a number of at least 0'],
  ['--weight-decay', '-1', 'expected a number of at least 0'],
  ['--width', 'abc', 'expected a number above 0'],
  ['--width', '0', 'expected a number above 0'],
  ['--bits', '7', 'expected 1 or 32'],
])('%s %s is refused as an argument', (option, value, expected) =>
  refused(['--data', 'x', '-o', 'x', option, value]).toMatchObject({
    code: 'commander.invalidArgument',
    message: expect.stringContaining(`'${value}' is invalid. ${expected}`),
  }),
);

describe('options and data that do not fit are errors of usage:', () => {
  /** Images of the classes of each split. */
  const folders = async (train: readonly string[], val: readonly string[]) => {
    const image = await sharp(noise(8 * 8 * 3, 1), { raw: { width: 8, height: 8, channels: 3 } })
      .png()
      .toBuffer();
    const paths = [...train.map((name) => `train/${name}`), ...val.map((name) => `val/${name}`)];
    return folderWith(Object.fromEntries(paths.map((path) => [`${path}/1.png`, image])));
  };
  const animals = [...small, '--image-size', '8', '--batch', '2'];
  const rows: readonly (readonly [string, readonly string[], string, (() => Promise<string>)?])[] = [
    ['depth', ['--depth', '9'], 'configuration depth: expected 6n + 2, got 9'],
    ['width', ['--width', '0.3'], 'configuration width: expected a whole number of channels'],
    ['seed', ['--seed', '4294967296'], 'recipe seed: expected an integer from 0 to 4294967295'],
    ['batch norm of none', ['--norm', 'shifted-relu', '--no-learn-norm'], 'apply to batch norm: leave them out with --norm shifted-relu'],
    ['weight decay', ['--weight-decay', '1e39'], 'recipe weightDecay: expected a number from 0 to 1e+38'],
    ['scale of full precision', ['--bits', '32', '--scale', 'he'], '--scale applies to 1-bit weights: leave it out with --bits 32'],
    ['one set for both', animals, 'expected a training and a test split', async () => join(await folders(['a', 'b'], []), 'train')],
    [
      'other classes to test on',
      animals,
      'expected class 0 to be cat, as in training, got bird',
      () => folders(['cat', 'dog'], ['bird', 'cat']),
    ],
  ];
  for (const [name, args, message, data = () => smallData(40)] of rows) {
    testWithTensorFlow(name, async () => {
      const source = await data();
      const run = ['--data', source, '-o', await folderWith(), '--epochs', '1', ...args];
      await refused(run).toThrow(UsageError);
      await refused(run).toThrow(message);
    });
  }
});

testWithTensorFlow('what another run has left is not replaced', async () => {
  const source = await smallData(40);
  for (const file of ['model.safetensors', 'report.json', 'checkpoint.safetensors']) {
    const folder = await folderWith({ [file]: 'of another run' });
    await refused(['--data', source, '-o', folder, ...small]).toThrow(`${join(folder, file)} exists`);
    expect(readdirSync(folder)).toEqual([file]);
  }
});

testWithTensorFlow('a command that is refused leaves no folder', async () => {
  const folder = join(await folderWith(), 'run');
  await refused(['--data', await smallData(40), '-o', folder, '--depth', '9']).toThrow(UsageError);
  await refused(['--resume', '-o', folder]).toThrow(UsageError);
  expect(existsSync(folder)).toBe(false);
});

testWithTensorFlow('a runtime that answers otherwise stands in table, page and report, and is the error', async () => {
  vi.restoreAllMocks();
  fakeRuntimes('wasm');
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  const folder = await folderWith();
  const args = ['-o', folder, '--data', await smallData(40), '--batch', '20', '--epochs', '1', ...small];
  await expect(command().parseAsync(args, { from: 'user' })).rejects.toThrow('parity failed: wasm beyond the thresholds');
  const read = (name: string) => readFileSync(join(folder, name), 'utf8');
  expect(JSON.parse(read('report.json')).parity.results.map(({ backend, verdict }: Record<string, string>) => [backend, verdict])).toEqual([
    ['tfjs', 'reference'],
    ['cpu', 'pass'],
    ['wasm', 'fail'],
  ]);
  expect(read('parity.txt')).toMatch(/│ wasm .*│ fail/);
  expect(read('report.html')).toContain('✗ Parity with tfjs fails: wasm');
});

testWithTensorFlow('a run that ends within a cycle says so', async () => {
  const folder = await folderWith();
  const args = ['-o', folder, '--data', await smallData(40), '--batch', '20', ...small];
  const said = vi.mocked(process.stderr.write);
  await command().parseAsync([...args, '--epochs', '3'], { from: 'user' });
  expect(said).toHaveBeenCalledWith(
    'warning: --epochs 3 is not the end of a cycle: the learning rate is still 0.085 there. Choose 2 or 6 to end at a low rate\n',
  );
  const report = JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8'));
  expect(report.cycles).toMatchObject([{ epoch: 2 }]);
  const tests = readLog(readFileSync(join(folder, 'log.jsonl'), 'utf8'), '').filter((entry) => entry.kind === 'test');
  expect(tests.map(({ epoch }) => epoch)).toEqual([2, 3]);
  expect(report.testError).toBe(tests[1]?.testError);

  rmSync(join(folder, 'log.jsonl'));
  said.mockClear();
  await command().parseAsync(['--resume', '-o', folder, '--epochs', '6'], { from: 'user' });
  expect(said.mock.calls.filter(([text]) => String(text).startsWith('warning'))).toEqual([
    ['warning: log.jsonl is missing: the curve and the report begin here\n'],
  ]);
});

testWithTensorFlow('an image that cannot be read stops the run; put in order, it goes on from the step before', async () => {
  const [source, folder] = [await photographs(), await folderWith()];
  const image = join(source, 'train/n1/7.jpg');
  const good = readFileSync(image);
  writeFileSync(image, good.subarray(0, 100));
  const args = ['--preset', 'imagenet', '--width', '0.0625', '--image-size', '64', '--shorter-side', '64-80', '--batch', '3'];
  const run = ['--data', source, '-o', folder, '--epochs', '2', ...args];
  const error = await command()
    .parseAsync(run, { from: 'user' })
    .catch((reason: unknown) => reason);
  const { step } = readCheckpoint(readFileSync(checkpointOf(folder))).progress;
  expect(error).toBeInstanceOf(InputError);
  expect(String(error)).toMatch(new RegExp(`7\\.jpg: .*Repair or remove the file, then continue with --resume: ${step} steps are saved`));
  writeFileSync(image, good);
  await command().parseAsync(['--resume', '-o', folder], { from: 'user' });
  expect(readCheckpoint(readFileSync(checkpointOf(folder))).progress.step).toBe(8);
});
