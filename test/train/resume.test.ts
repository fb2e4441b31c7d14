/** A run that is stopped anywhere and resumed ends in the same bytes as one that is not. */
import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test, vi } from 'vitest';
import { catchInterrupt } from '../../src/cli/shared/interrupt.ts';
import { command } from '../../src/cli/train/train.ts';
import { closable } from '../../src/closable.ts';
import type { ImageBatch, ImageSet } from '../../src/data/dataset.ts';
import { InputError, TrainingError } from '../../src/errors.ts';
import { bf16Instructions } from '../../src/train/network/cpu-flags.ts';
import { paperRecipe } from '../../src/train/recipe.ts';
import { readCheckpoint, writeCheckpoint } from '../../src/train/run/checkpoint.ts';
import { readLog } from '../../src/train/run/log.ts';
import { RunFolder } from '../../src/train/run/run-folder.ts';
import type { TensorFlow } from '../../src/train/tf/tensorflow.ts';
import { type TrainOptions, train } from '../../src/train/train.ts';
import { folderWith } from '../data/crafted.ts';
import { random } from '../network/random-model.ts';
import { testOnDisk } from '../small-disk.ts';
import { checkpointOf, smallData, smallNetwork, smallRun, stopAfter, trainProcess } from './run.ts';
import { hasTensorFlow, testWithTensorFlow } from './tensorflow.ts';

// one order of sums, read when TensorFlow loads
vi.hoisted(() => Object.assign(process.env, { TF_NUM_INTRAOP_THREADS: '1', TF_NUM_INTEROP_THREADS: '1' }));

type Small = Awaited<ReturnType<typeof smallRun>>;

/** Trains in this process, from the checkpoint in the folder if there is one. */
function trainHere(tf: TensorFlow, run: Small, folder: RunFolder, more: Partial<TrainOptions> = {}) {
  const checkpoint = folder.hasCheckpoint ? folder.readCheckpoint() : undefined;
  return train(tf, { ...run, folder, checkpoint, signal: new AbortController().signal, ...more });
}

/** Goes on to the end in `folder`, and compares with a run that was never stopped. */
async function expectUnbroken(tf: TensorFlow, run: Small, folder: RunFolder): Promise<void> {
  const whole = new RunFolder(await folderWith());
  expect(await trainHere(tf, run, folder)).toEqual(await trainHere(tf, run, whole));
  expect(readFileSync(folder.checkpointPath).equals(readFileSync(whole.checkpointPath))).toBe(true);
  expect(errors(folder.path(''))).toEqual(errors(whole.path('')));
}

testWithTensorFlow(
  'stopped after a step, within an epoch, at its end and at that of a cycle, a run goes on as if it had not been',
  async (tf) => {
    const run = await smallRun(200, 3); // cycles end at 2 and 3
    const folder = new RunFolder(await folderWith());
    for (const stop of [1, 10, 13, 20, 27]) {
      const controller = new AbortController();
      const onStep: TrainOptions['onStep'] = ({ step }) => void (step === stop && controller.abort('stopped'));
      await expect(trainHere(tf, run, folder, { signal: controller.signal, onStep })).rejects.toBe('stopped');
      expect(folder.readCheckpoint().progress.step).toBe(stop);
    }
    await expectUnbroken(tf, run, folder);
  },
);

testWithTensorFlow('killed between log and checkpoint, a run goes on as if it had not been', async (tf) => {
  /** Writes one log and checkpoint, then half of the next. */
  class Killed extends RunFolder {
    #left = 3;
    override write(name: string, bytes: Uint8Array): void {
      if (/^(log|checkpoint)/.test(name) && this.#left-- === 0) throw new RangeError('killed');
      super.write(name, bytes);
    }
  }
  const run = await smallRun(40, 3);
  const path = await folderWith();
  let kills = 0;
  const killed = () => trainHere(tf, run, new Killed(path)).catch((error: unknown) => error);
  while ((await killed()) instanceof RangeError) kills++;
  expect(kills).toBe(4); // at each of three epochs and two tests but the first
  await expectUnbroken(tf, run, new RunFolder(path));
});

testWithTensorFlow('without its log, a run that is done is tested again', async (tf) => {
  const run = await smallRun(40, 2);
  const folder = new RunFolder(await folderWith());
  await trainHere(tf, run, folder);
  const tested = errors(folder.path('')).slice(-1);
  rmSync(folder.path('log.jsonl'));
  await trainHere(tf, run, folder);
  expect(errors(folder.path(''))).toEqual(tested);
});

for (const pass of ['steps', 'moments', 'test'] as const) {
  testWithTensorFlow(`a signal is seen at once: ${pass}`, async (tf) => {
    const run = await smallRun(400, 1);
    const kept: ImageBatch[] = []; // in memory, where no file lets the event loop run
    for await (const { imagesNCHW, labels, ...rest } of run.test.batches(20))
      kept.push({ ...rest, imagesNCHW: imagesNCHW.slice(), labels: labels.slice() });
    const test: ImageSet = {
      ...run.test,
      async *batches() {
        yield* kept;
      },
    };
    const folder = new RunFolder(await folderWith());
    const interrupt = catchInterrupt('stopped');
    const seen: number[] = [];
    const note = (kind: string, count: number) => {
      if (kind !== pass) return;
      if (seen.push(count) === 1) process.kill(process.pid, 'SIGTERM');
    };
    try {
      const onStep: TrainOptions['onStep'] = ({ step }) => note('steps', step);
      await expect(
        trainHere(tf, { ...run, test: closable(test) }, folder, { signal: interrupt.signal, onStep, onPass: note }),
      ).rejects.toThrow('stopped');
    } finally {
      interrupt.release();
    }
    expect(seen.length).toBeLessThan(4); // of 20 steps, 10 and 7 batches
    if (pass === 'steps') expect(folder.readCheckpoint().progress.step).toBe(seen.at(-1));
  });
}

const EPOCHS = ['--epochs', '6'];
/** Longer than any run needs. */
const TIMEOUT = 300_000;
const MAX_RUNS = 60;

testWithTensorFlow(
  'killed at random points and resumed, a run ends in the same checkpoint, model and log of errors',
  async () => {
    const data = await smallData(3000);
    const whole = await folderWith();
    const unbroken = await trainProcess(['--data', data, '-o', whole, ...smallNetwork, ...EPOCHS]);
    expect(unbroken.stderr).toContain('test error');
    expect(unbroken.stderr).not.toContain(' 0 min left');
    expect(unbroken.status).toBe(0);

    const next = random(1);
    const pieces = await folderWith();
    const endings: string[] = [];
    for (let run = 0; run < MAX_RUNS; run++) {
      const resume = existsSync(checkpointOf(pieces));
      const rest = resume ? ['--resume'] : ['--data', data, ...smallNetwork, ...EPOCHS];
      const signal = (['SIGTERM', 'SIGKILL', 'SIGINT'] as const)[run % 3] ?? 'SIGTERM';
      // from start-up, through the epochs, to the test at the end of a cycle and the comparison at the end
      const [entries, delay] = [Math.floor(next() * 9), next() * 300];
      let waiting = run < 8;
      const {
        status,
        signal: died,
        stderr,
      } = await trainProcess(['-o', pieces, ...rest], (said, child) => {
        if (!waiting || said.split('epoch ').length <= entries) return;
        waiting = false;
        setTimeout(() => child.kill(signal), delay);
      });
      if (status === 0) break;
      endings.push(died ?? String(status));
      expect(['SIGKILL', 'SIGTERM', 'SIGINT', '130'], stderr).toContain(died ?? String(status));
    }
    expect(endings.length).toBeGreaterThan(0);
    for (const file of ['checkpoint.safetensors', 'model.safetensors', 'model.onnx'])
      expect(readFileSync(join(pieces, file)).equals(readFileSync(join(whole, file))), `${file} after ${endings}`).toBe(true);
    expect(errors(pieces)).toEqual(errors(whole));
    const epochs = readLog(readFileSync(join(whole, 'log.jsonl'), 'utf8'), 'log.jsonl').filter(({ kind }) => kind === 'epoch');
    expect(new Set(epochs.map((entry) => 'tensors' in entry && entry.tensors)).size).toBe(1); // no tensor is left behind
  },
  TIMEOUT,
);

/** What of the log does not depend on the machine. */
function errors(folder: string): unknown[] {
  return readFileSync(join(folder, 'log.jsonl'), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const { kind, epoch, step, loss, trainError, testError, rate } = JSON.parse(line);
      return { kind, epoch, step, loss, trainError, testError, rate };
    });
}

testWithTensorFlow(
  'what does not fit is refused before training, in one line',
  async () => {
    const data = await smallData(60);
    const folder = await folderWith();
    const args = ['--data', data, '-o', folder];
    const refused = async (more: readonly string[], status: number, said: string) => {
      const run = await trainProcess([...args, ...more]);
      expect(run.stderr).toContain(said);
      expect(
        run.stderr
          .trim()
          .split('\n')
          .filter((line) => line.startsWith('wrn-onnx:') || line.startsWith('error:')),
      ).toHaveLength(1);
      expect(run.status).toBe(status);
    };
    await refused(['--preset', 'no-such'], 2, 'no-such');
    await refused(['--batch', '61'], 2, 'expected at most the 60 training images');
    await refused(['--resume'], 2, 'does not exist. Leave out --resume');
    await refused(['--width', '256'], 2, 'memory: expected at least');
    expect((await trainProcess([...args, ...smallNetwork, '--epochs', '1'])).status).toBe(0);
    await refused(smallNetwork, 2, 'exists. Use --resume');
    await refused(['--resume', '--width', '1'], 2, 'leave out width');
    const bytes = readFileSync(checkpointOf(folder));
    const resume = async (content: Uint8Array, more: readonly string[], status: number, said: string) => {
      writeFileSync(checkpointOf(folder), content);
      await refused(['--resume', ...more], status, said);
    };
    await resume(bytes.subarray(0, bytes.length - 9), [], 3, 'safetensors');
    await resume(
      bytes.map((byte, i) => (i === bytes.length - 99 ? byte ^ 1 : byte)),
      [],
      3,
      'got other content. The file is damaged',
    );
    await resume(
      readFileSync(join(folder, 'model.safetensors')),
      [],
      3,
      'checkpoint.safetensors wrn.checkpoint_version: expected 1, got nothing',
    );
    await resume(
      bytes,
      ['--data', fileURLToPath(new URL('../../examples/fashion-mnist', import.meta.url))],
      3,
      'expected images of 1 x 8 x 8 for this network',
    );
    await resume(bytes, ['--data', await smallData(80)], 3, 'expected the 60 training images of');
    await refused(['-o', join(data, 'train-labels-idx1-ubyte')], 2, 'cannot be used');
  },
  TIMEOUT,
);

for (const [name, images, config] of [
  ['one step per epoch', 20, { bits: 32, endBits: 32 }],
  ['1 bit, whose loss stays finite', 60, { bits: 1, endBits: 1 }],
] as const) {
  testWithTensorFlow(`weights that are not finite are not saved: ${name}`, async (tf) => {
    const run = await smallRun(images, 1);
    const good = { ...run, config: { ...run.config, ...config } };
    const schedule = { ...paperRecipe.schedule, high: 1e38 };
    const recipe = { ...run.recipe, weightDecay: 1e38, schedule };
    const empty = new RunFolder(await folderWith());
    const diverged = trainHere(tf, { ...good, recipe }, empty);
    await expect(diverged).rejects.toThrow(TrainingError);
    await expect(diverged).rejects.toThrow(
      'the weights are not finite after step 1 (epoch 1, learning rate 1.00e+38). There is no earlier checkpoint',
    );
    expect(empty.hasCheckpoint).toBe(false);

    const folder = new RunFolder(await folderWith());
    await trainHere(tf, good, folder);
    folder.saveCheckpoint({ ...folder.readCheckpoint(), recipe });
    const before = readFileSync(folder.checkpointPath);
    await expect(trainHere(tf, { ...good, recipe, epochs: 2 }, folder)).rejects.toThrow('The last checkpoint is from an earlier step');
    expect(readFileSync(folder.checkpointPath).equals(before)).toBe(true);
  });
}

testWithTensorFlow('what does not fit is known before an image is read', async (tf) => {
  const run = await smallRun(40, 2);
  const unread = {
    ...run.train,
    batches: () => {
      throw new RangeError('read');
    },
  };
  const folder = new RunFolder(await folderWith());
  const attempt = (more: Partial<TrainOptions>) => expect(trainHere(tf, { ...run, train: unread }, folder, more)).rejects;
  await attempt({}).toThrow('read');
  await attempt({ recipe: { ...run.recipe, batch: 41 } }).toThrow('batch size: expected at most the 40 training images, got 41');
  await attempt({ test: { ...run.test, height: 9 } }).toThrow('expected images of 1x8x8');
  const augmentation = (changed: object) => ({ recipe: { ...run.recipe, augmentation: { ...run.recipe.augmentation, ...changed } } });
  await attempt(augmentation({ cutout: 9 })).toThrow("cutout: expected at most the 8 pixels of an image's side, got 9");
  await attempt(augmentation({ pad: 8 })).toThrow("crop: expected less padding than the 8 pixels of an image's side, got 8");
  const schedule = { kind: 'steps', rates: [0.1, 0.01], epochs: 1 } as const;
  await attempt({ recipe: { ...run.recipe, schedule } }).toThrow('epochs: expected at most the 1 epochs of the step schedule, got 2');
  folder.write('log.jsonl', Buffer.from('{}'));
  await attempt({}).toThrow('log.jsonl line 1');
  folder.writeLog([]);
  await trainHere(tf, run, folder);
  await attempt({ epochs: 1 }).toThrow('epochs: expected at least the 2.0 epochs already trained, got 1');
});

testWithTensorFlow('--resume asks for the data that it cannot find', async (tf) => {
  const folder = new RunFolder(await folderWith());
  await trainHere(tf, { ...(await smallRun(20, 1)), source: 'no-such-folder' }, folder);
  const resume = () => command().parseAsync(['--resume', '-o', folder.path('')], { from: 'user' });
  await expect(resume()).rejects.toThrow(InputError);
  await expect(resume()).rejects.toThrow(`no-such-folder: expected it in ${process.cwd()}, got nothing. Use --data to say where it is`);
  folder.saveCheckpoint({ ...folder.readCheckpoint(), plan: undefined });
  await expect(resume()).rejects.toThrow('the checkpoint does not name its training data: add --data');
});

testWithTensorFlow(
  'a loss that is no number stops the run, says where, and leaves the last good checkpoint',
  async () => {
    const data = await smallData(60);
    const folder = await folderWith();
    const args = ['--data', data, '-o', folder];
    const network = [...smallNetwork, '--bits', '32', '--norm', 'shifted-relu'];
    expect((await trainProcess([...args, ...network, '--epochs', '9'], stopAfter(1))).status).toBe(130);
    const checkpoint = readCheckpoint(readFileSync(checkpointOf(folder)));
    const bytes = writeCheckpoint({ ...checkpoint, weights: checkpoint.weights.map((values) => values.map((w) => w * 1e38)) });
    writeFileSync(checkpointOf(folder), bytes);
    const { stderr, status } = await trainProcess([...args, '--resume']);
    expect(stderr).toMatch(
      /\nwrn-onnx: the loss became (NaN|Infinity) at step \d+ \(epoch [2-9], learning rate 0\.\d+\)\. The last checkpoint/,
    );
    expect(status).toBe(1);
    expect(readCheckpoint(readFileSync(checkpointOf(folder))).weights.every((values) => values.every(Number.isFinite))).toBe(true);
  },
  TIMEOUT,
);

if (hasTensorFlow) {
  testOnDisk(
    'size=3m',
    'a disk that fills up during training stops it in one line; the last checkpoint goes on elsewhere',
    async (disk) => {
      const data = await smallData(600);
      const folder = join(disk, 'run');
      const run = trainProcess(['--data', data, '-o', folder, ...smallNetwork, '--epochs', '254'], (stderr) => {
        if (stderr.includes('epoch 2: loss')) fill(join(disk, 'filler'));
      });
      const { status, stderr } = await run;
      expect(stderr).toMatch(/\nwrn-onnx: .*cannot be used, the disk is full\n$/);
      expect(status).toBe(2);
      const saved = readCheckpoint(readFileSync(checkpointOf(folder)));
      expect(saved.progress.step).toBeGreaterThanOrEqual(30);
      expect(await trainProcess(['--data', data, '-o', folder, '--resume'])).toMatchObject({
        status: 2,
        stderr: expect.stringMatching(/^wrn-onnx: .*lock: cannot be used, the disk is full\n$/),
      });
      rmSync(join(disk, 'filler'));
      const end = Math.ceil(saved.progress.step / 30) + 1;
      expect((await trainProcess(['--data', data, '-o', folder, '--resume', '--epochs', `${end}`])).status).toBe(0);
    },
    TIMEOUT,
  );
}

/** Writes until the disk is full. */
function fill(path: string): void {
  for (const size of [65536, 4096]) {
    try {
      for (;;) appendFileSync(path, Buffer.alloc(size));
    } catch {}
  }
}

describe('--math bf16', () => {
  const EPOCHS = ['--epochs', '2'];
  const mathOf = (folder: string) => readCheckpoint(readFileSync(checkpointOf(folder))).recipe.math;

  testWithTensorFlow(
    'is kept in checkpoint, log and report, and a resumed run ends in the same bytes',
    async () => {
      const data = await smallData(60);
      const [whole, pieces] = [await folderWith(), await folderWith()];
      const args = ['--data', data, ...smallNetwork, '--math', 'bf16'];
      expect((await trainProcess(['-o', whole, ...args, ...EPOCHS])).status).toBe(0);
      expect((await trainProcess(['-o', pieces, ...args, ...EPOCHS], stopAfter(1))).status).toBe(130);
      const contradicted = await trainProcess(['-o', pieces, '--resume', ...EPOCHS, '--math', 'float32']);
      expect(contradicted.stderr).toContain('--math: expected bf16, as this run started, got float32');
      expect(contradicted.status).toBe(2);
      expect((await trainProcess(['-o', pieces, '--resume', ...EPOCHS])).status).toBe(0);
      expect(readFileSync(checkpointOf(pieces)).equals(readFileSync(checkpointOf(whole)))).toBe(true);
      expect(mathOf(whole)).toBe('bf16');
      const epochs = readLog(readFileSync(join(whole, 'log.jsonl'), 'utf8'), '').filter(({ kind }) => kind === 'epoch');
      expect(epochs).toMatchObject([{ math: 'bf16' }, { math: 'bf16' }]);
      expect(JSON.parse(readFileSync(join(whole, 'report.json'), 'utf8')).recipe.math).toBe('bf16');
    },
    TIMEOUT,
  );

  testWithTensorFlow(
    'can be stated for a checkpoint of an earlier version, which says nothing of it',
    async (tf) => {
      const run = await smallRun(60, 1);
      const folder = new RunFolder(await folderWith());
      const { math: _, ...recipe } = run.recipe;
      await trainHere(tf, { ...run, recipe }, folder);
      expect(mathOf(folder.path(''))).toBeUndefined();
      const args = ['-o', folder.path(''), '--resume', ...EPOCHS];
      expect((await trainProcess([...args, '--math', 'bf16'])).status).toBe(0);
      expect(mathOf(folder.path(''))).toBe('bf16');
    },
    TIMEOUT,
  );

  const instructions = bf16Instructions();
  const named = instructions ? `with ${instructions}` : '[needs a processor with bfloat16 products]';
  (instructions && hasTensorFlow ? test : test.skip)(
    `computes otherwise than float32, and what it stores is close to it: ${named}`,
    async () => {
      const data = await smallData(60);
      const weights = async (math: string) => {
        const folder = await folderWith();
        const args = ['-o', folder, '--data', data, '--depth', '8', '--width', '1', '--batch', '20', '--epochs', '1', '--math', math];
        expect((await trainProcess(args, stopAfter(1))).status).toBe(130);
        return readCheckpoint(readFileSync(checkpointOf(folder))).weights.flatMap((values) => [...values]);
      };
      const [rounded, exact] = [await weights('bf16'), await weights('float32')];
      const norm = (values: readonly number[]) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
      const distance = norm(rounded.map((value, i) => value - (exact[i] as number))) / norm(exact);
      expect(distance).toBeGreaterThan(1e-6);
      expect(distance).toBeLessThan(0.1);
    },
    TIMEOUT,
  );
});
