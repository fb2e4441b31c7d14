/** `eval`, `predict` and `export` of what training leaves: model files and checkpoints, in the training runtime and exported. */
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readCheckpoint, writeCheckpoint } from '../../../src/train/run/checkpoint.ts';
import { folderWith } from '../../data/crafted.ts';
import { checkpointOf, smallData, smallNetwork, trainProcess } from '../../train/run.ts';
import { testWithTensorFlow } from '../../train/tensorflow.ts';
import { run } from '../run.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const images = `${root}examples/fashion-mnist`;
const shipped = `${root}models/fashion-mnist-wrn-20-1/model.safetensors`;
const folder = mkdtempSync(join(tmpdir(), 'wrn-eval-trained-'));

beforeAll(() => {
  // a module that hides tfjs-node from the processes that load it first
  const hide = `const Module = require('node:module'); const find = Module._resolveFilename;
    Module._resolveFilename = function (name, ...rest) {
      if (name.startsWith('@tensorflow/')) throw new Error('Cannot find module ' + name);
      return find.call(this, name, ...rest);
    };`;
  writeFileSync(join(folder, 'hide.cjs'), hide);
});
afterAll(() => rmSync(folder, { recursive: true }));

test('a model file is exported in memory: eval gives what eval of the exported file gives', async () => {
  const onnx = join(folder, 'model.onnx');
  await run(['export', shipped, '-o', onnx]);
  const results = [];
  for (const file of [onnx, shipped]) {
    const { status, stdout } = await run(['eval', file, '--data', images, '--limit', '40', '--format', 'json']);
    expect(status).toBe(0);
    const { backend, top1, images: count } = JSON.parse(stdout).results[0];
    results.push({ backend, top1, count });
  }
  expect(results[1]).toEqual(results[0]);
  const { stdout } = await run(['predict', shipped, `${root}examples/ship.png`, '--top', '1', '--format', 'json']);
  expect(JSON.parse(stdout).results[0].classes).toHaveLength(1);
  const unfit = await run(['eval', onnx, '--data', images, '--backend', 'cpu,tfjs']);
  expect(unfit).toMatchObject({ status: 2, stdout: '', stderr: 'wrn-onnx: tfjs runs a checkpoint or a model file, not an ONNX file\n' });
});

test('without tfjs-node its backend is one line and exit code 4, and the others run', async () => {
  const env = { NODE_OPTIONS: `--require ${join(folder, 'hide.cjs')}` };
  for (const backends of ['tfjs', 'tfjs,cpu']) {
    const { status, stdout, stderr } = await run(['eval', shipped, '--data', images, '--backend', backends], { env });
    expect({ status, stdout }).toEqual({ status: 4, stdout: '' });
    expect(stderr).toMatch(/^wrn-onnx: tfjs cannot run this model: .*Cannot find module.*Get it with: node ".*"\n$/);
    expect(existsSync(/node "(.*)"/.exec(stderr)?.[1] ?? '')).toBe(true);
  }
  const others = await run(['eval', shipped, '--data', images, '--backend', 'cpu', '--limit', '8'], { env });
  expect(others.status).toBe(0);
});

testWithTensorFlow(
  'a checkpoint: the training runtime agrees with the exported file on cpu and wasm',
  async () => {
    const data = await smallData(300);
    const trained = await folderWith();
    expect((await trainProcess(['--data', data, '-o', trained, ...smallNetwork, '--epochs', '2'])).status).toBe(0);
    const written = JSON.parse(readFileSync(join(trained, 'report.json'), 'utf8'));
    expect(written).toMatchObject({
      network: 'WRN-8-0.25',
      bits: 1,
      epochs: 2,
      recipe: { seed: 1, batch: 20 },
      parity: { verdict: 'pass', images: 100 },
    });
    expect(written.cycles.map(({ epoch }: { epoch: number }) => epoch)).toEqual([2]);
    expect(written.testError).toBeCloseTo(1 - written.parity.results[0].top1, 9); // counted apart: by the training loop, and by eval
    for (const [name, { bytes, sha256 }] of Object.entries<{ bytes: number; sha256: string }>(written.files)) {
      const content = readFileSync(join(trained, name));
      expect({ bytes, sha256 }).toEqual({ bytes: content.length, sha256: createHash('sha256').update(content).digest('hex') });
    }
    for (const name of ['curve.svg', 'curve.png', 'parity.txt', 'report.html'])
      expect(statSync(join(trained, name)).size).toBeGreaterThan(1000);

    // a run that was stopped between its last test and its end leaves the same files
    rmSync(join(trained, 'curve.png'));
    rmSync(join(trained, 'model.onnx'));
    expect((await trainProcess(['--data', data, '-o', trained, '--resume', '--epochs', '2'])).status).toBe(0);
    expect(readFileSync(join(trained, 'curve.png')).subarray(1, 4).toString()).toBe('PNG');
    expect(
      createHash('sha256')
        .update(readFileSync(join(trained, 'model.onnx')))
        .digest('hex'),
    ).toBe(written.files['model.onnx'].sha256);

    const path = checkpointOf(trained);
    const evaluate = (file: string, backends = 'tfjs,cpu') =>
      run(['eval', file, '--data', data, '--backend', backends, '--format', 'json']);
    const { status, stdout } = await evaluate(path, 'tfjs,cpu,wasm');
    const report = JSON.parse(stdout);
    expect(status).toBe(0);
    expect(report).toMatchObject({ model: 'checkpoint.safetensors', images: 100, reference: 'tfjs', verdict: 'pass' });
    expect(report.results.map(({ agreement }: { agreement: number | null }) => agreement)).toEqual([null, 1, 1]);

    // the weights of the checkpoint, and no others, are what tfjs runs: with one layer's signs turned the two part
    const checkpoint = readCheckpoint(readFileSync(path));
    const turned = { ...checkpoint, weights: checkpoint.weights.map((values, i) => (i === 1 ? values.map((w) => -w) : values)) };
    const other = join(trained, 'other.safetensors');
    writeFileSync(other, writeCheckpoint(turned));
    const otherResults = JSON.parse((await evaluate(other)).stdout).results;
    expect(otherResults[0].top1).not.toBe(report.results[0].top1);
    expect(otherResults[1]).toMatchObject({ top1: otherResults[0].top1, verdict: 'pass' });

    const within = join(trained, 'within.safetensors');
    writeFileSync(within, writeCheckpoint({ ...checkpoint, moments: undefined }));
    const refused = await evaluate(within);
    expect(refused).toMatchObject({ status: 3, stdout: '' });
    expect(refused.stderr).toMatch(/^wrn-onnx: checkpoint .*within\.safetensors step 30: .*Continue with train --resume\n$/);
    writeFileSync(within, readFileSync(path).subarray(0, -5));
    expect(await evaluate(within)).toMatchObject({ status: 3, stdout: '' });

    const exported = join(trained, 'from-checkpoint.onnx');
    expect((await run(['export', path, '-o', exported])).status).toBe(0);
    const about = async (file: string) => JSON.parse((await run(['inspect', file, '--format', 'json'])).stdout).about;
    const { sourceSha256, ...known } = await about(exported);
    expect(known).toEqual(await about(join(trained, 'model.safetensors')));
    expect(known).toMatchObject({ dialect: 'wrn-onnx', testAccuracy: 1 - written.testError });
    const { stdout: cpu } = await run(['eval', exported, '--data', data, '--format', 'json']);
    expect(JSON.parse(cpu).results[0].top1).toBe(report.results[1].top1);
  },
  300_000,
);
