/** A run that is stopped anywhere and resumed ends in the same bytes as one that is not. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { folderWith } from '../data/crafted.ts';
import { checkpointOf, smallData, smallNetwork, trainProcess } from './run.ts';
import { testWithTensorFlow } from './tensorflow.ts';

const EPOCHS = ['--epochs', '6'];
/** Longer than any run needs. */
const TIMEOUT = 300_000;
const MAX_RUNS = 60;

testWithTensorFlow(
  'killed at random points and resumed, a run ends in the same checkpoint, model and log of errors',
  async () => {
    const data = await smallData(3000);
    const whole = await folderWith();
    const started = performance.now();
    const unbroken = await trainProcess(['--data', data, '-o', whole, ...smallNetwork, ...EPOCHS]);
    const duration = performance.now() - started;
    expect(unbroken.stderr).toContain('test error');
    expect(unbroken.status).toBe(0);

    const pieces = await folderWith();
    const endings: string[] = [];
    for (let run = 0; run < MAX_RUNS; run++) {
      const resume = existsSync(checkpointOf(pieces));
      const rest = resume ? ['--resume', ...EPOCHS] : [...smallNetwork, ...EPOCHS];
      const signal = (['SIGTERM', 'SIGKILL', 'SIGINT'] as const)[run % 3] ?? 'SIGTERM';
      // from start-up, through the epochs, to the test at the end of a cycle
      const after = run < 8 ? duration * (0.3 + 0.5 * Math.random()) : Number.MAX_SAFE_INTEGER;
      const kill = run < 8 ? { after, signal } : undefined;
      const { status, signal: died, stderr } = await trainProcess(['--data', data, '-o', pieces, ...rest], kill);
      if (status === 0) break;
      endings.push(died ?? String(status));
      expect(['SIGKILL', 'SIGTERM', 'SIGINT', '130'], stderr).toContain(died ?? String(status));
    }
    expect(endings.length).toBeGreaterThan(0);
    for (const file of ['checkpoint.safetensors', 'model.safetensors', 'model.onnx'])
      expect(readFileSync(join(pieces, file)).equals(readFileSync(join(whole, file))), `${file} after ${endings}`).toBe(true);
    expect(errors(pieces)).toEqual(errors(whole));
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
    await refused(['--depth', '9'], 3, 'expected 6n + 2');
    await refused(['--batch', '61'], 2, 'expected at most the 60 training images');
    await refused(['--resume'], 2, 'cannot be used (ENOENT)');
    expect((await trainProcess([...args, ...smallNetwork, '--epochs', '1'])).status).toBe(0);
    await refused(smallNetwork, 2, 'exists. Use --resume');
    await refused(['--resume', '--width', '1'], 2, 'leave out width');
    const bytes = readFileSync(checkpointOf(folder));
    writeFileSync(checkpointOf(folder), bytes.subarray(0, bytes.length - 9));
    await refused(['--resume'], 3, 'safetensors');
  },
  TIMEOUT,
);

testWithTensorFlow(
  'a loss that is no number stops the run and leaves the last checkpoint',
  async () => {
    const data = await smallData(60);
    const folder = await folderWith();
    const run = await trainProcess([
      '--data',
      data,
      '-o',
      folder,
      ...smallNetwork,
      '--bits',
      '32',
      '--weight-decay',
      '1e30',
      '--epochs',
      '3',
    ]);
    expect(run.stderr).toMatch(/the loss became (NaN|Infinity) at step \d+ \(epoch 1/);
    expect(run.status).toBe(1);
    expect(existsSync(checkpointOf(folder))).toBe(false);
  },
  TIMEOUT,
);
