/** A run that is stopped anywhere and resumed ends in the same bytes as one that is not. */
import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { readCheckpoint, writeCheckpoint } from '../../src/train/checkpoint.ts';
import { readLog } from '../../src/train/log.ts';
import { folderWith } from '../data/crafted.ts';
import { testOnDisk } from '../small-disk.ts';
import { checkpointOf, smallData, smallNetwork, trainProcess } from './run.ts';
import { hasTensorFlow, testWithTensorFlow } from './tensorflow.ts';

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
    expect(unbroken.status).toBe(0);

    const pieces = await folderWith();
    const endings: string[] = [];
    for (let run = 0; run < MAX_RUNS; run++) {
      const resume = existsSync(checkpointOf(pieces));
      const rest = resume ? ['--resume', ...EPOCHS] : [...smallNetwork, ...EPOCHS];
      const signal = (['SIGTERM', 'SIGKILL', 'SIGINT'] as const)[run % 3] ?? 'SIGTERM';
      // from start-up, through the epochs, to the test at the end of a cycle and the comparison at the end
      const [entries, delay] = [Math.floor(Math.random() * 9), Math.random() * 300];
      let waiting = run < 8;
      const {
        status,
        signal: died,
        stderr,
      } = await trainProcess(['--data', data, '-o', pieces, ...rest], (said, child) => {
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
      'got a damaged file',
    );
    await resume(readFileSync(join(folder, 'model.safetensors')), [], 3, 'checkpoint wrn.checkpoint_version: expected 1, got nothing');
    await resume(
      bytes,
      ['--data', fileURLToPath(new URL('../../examples/fashion-mnist', import.meta.url))],
      3,
      'expected images of 1 x 8 x 8 for this network',
    );
    await refused(['-o', join(data, 'train-labels-idx1-ubyte')], 2, 'cannot be used');
  },
  TIMEOUT,
);

testWithTensorFlow(
  'a loss that is no number stops the run, says where, and leaves the last good checkpoint',
  async () => {
    const data = await smallData(60);
    const folder = await folderWith();
    const args = ['--data', data, '-o', folder];
    expect((await trainProcess([...args, ...smallNetwork, '--bits', '32', '--epochs', '1'])).status).toBe(0);
    const checkpoint = readCheckpoint(readFileSync(checkpointOf(folder)));
    const bytes = writeCheckpoint({ ...checkpoint, recipe: { ...checkpoint.recipe, weightDecay: 1e30 } });
    writeFileSync(checkpointOf(folder), bytes);
    const { stderr, status } = await trainProcess([...args, '--resume', '--epochs', '9']);
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
      expect(stderr).toMatch(/\nwrn-onnx: .*cannot be used, no space is left on its disk\n$/);
      expect(status).toBe(2);
      const saved = readCheckpoint(readFileSync(checkpointOf(folder)));
      expect(saved.progress.step).toBeGreaterThanOrEqual(30);
      expect(await trainProcess(['--data', data, '-o', folder, '--resume'])).toMatchObject({
        status: 2,
        stderr: expect.stringMatching(/^wrn-onnx: disk of .*expected at least .* free/),
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
