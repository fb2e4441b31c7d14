/** Measuring: what is counted, not how fast it is. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { toOnnx, toOnnxProto } from '../../converters/onnx/to-onnx.ts';
import { bench, type Measurement, spread } from '../../eval/bench.ts';
import { profile } from '../../eval/profile.ts';
import { encodeModel } from '../../proto/onnx.ts';
import { InputError } from '../../src/errors.ts';
import { layers, multiplyAccumulates } from '../../src/network/topology.ts';
import { interrupt, run } from '../cli/run.ts';
import { randomModel } from '../network/random-model.ts';

const model = randomModel({ width: 1, input: { channels: 3, height: 32, width: 32 } });
const file = (form: 'packed' | 'dense') => toOnnx(model, { form, input: 'nchw-float' });
const folder = mkdtempSync(join(tmpdir(), 'wrn-bench-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('median and quartiles are measured values', () => {
  expect(spread([5, 1, 4, 2, 3])).toEqual({ median: 3, low: 2, high: 4 });
  expect(spread([7])).toEqual({ median: 7, low: 7, high: 7 });
});

test('every file in every setting, each against the first of its setting', async () => {
  const files = [
    { name: 'dense', model: file('dense') },
    { name: 'packed', model: file('packed') },
  ];
  const got: Measurement[] = [];
  const options = { files, backends: ['cpu', 'wasm'] as const, batches: [1, 4], threads: [1], runs: 3, backendOptions: {} };
  for await (const one of bench(options)) got.push(one);
  expect(got.map(({ file, backend, batch }) => [file, backend, batch])).toEqual(
    ['cpu', 'wasm'].flatMap((backend) => [1, 4].flatMap((batch) => ['dense', 'packed'].map((name) => [name, backend, batch]))),
  );
  for (const [i, one] of got.entries()) {
    const first = got[i - (i % 2)] as Measurement;
    expect(one.threads).toBe(1);
    expect(one.fileBytes).toBe(files[i % 2]?.model.length);
    expect(one.speedup).toBeCloseTo(first.seconds.median / one.seconds.median, 10);
    expect(one.imagesPerSecond).toBeCloseTo(one.batch / one.seconds.median, 6);
    expect(one.seconds.low).toBeLessThanOrEqual(one.seconds.median);
    expect(one.seconds.high).toBeGreaterThanOrEqual(one.seconds.median);
    expect(one.peakMemoryBytes).toBeGreaterThan(20e6);
    expect(one.firstSeconds).toBeGreaterThan(0);
  }
});

test('a file for another batch size is refused', async () => {
  const proto = toOnnxProto(model, { form: 'dense', input: 'nchw-float' });
  const dims = proto.graph?.input?.[0]?.type?.tensor_type?.shape?.dim ?? [];
  dims[0] = { dim_value: 2 };
  const fixed = { name: 'fixed', model: encodeModel(proto) };
  const options = { files: [fixed], backends: ['cpu'] as const, batches: [4], threads: [undefined], runs: 1, backendOptions: {} };
  await expect(bench(options).next()).rejects.toThrow(InputError);
});

describe('profile', () => {
  test('the layers add up to the run, and bear the multiply-accumulates of the topology', async () => {
    const got = await profile(file('packed'), { batch: 16, threads: 1, runs: 5 });
    const sum = got.layers.reduce((total, { microsecondsPerImage }) => total + microsecondsPerImage, 0);
    const byOp = got.ops.reduce((total, { microsecondsPerImage }) => total + microsecondsPerImage, 0);
    expect(sum).toBeCloseTo(byOp, 6);
    expect(sum).toBeLessThanOrEqual(got.microsecondsPerImage);
    expect(sum).toBeGreaterThan(got.microsecondsPerImage / 2);
    const expected = layers(model.config).reduce((total, layer) => total + multiplyAccumulates(layer), 0);
    expect(got.layers.reduce((total, { multiplyAccumulates: macs }) => total + macs, 0)).toBe(expected);
    expect(got.peak.float32).toBeGreaterThan(1e8);
    for (const { shareOfPeak, multiplyAccumulates: macs } of got.layers) expect(shareOfPeak === null).toBe(macs === 0);
  });
});

describe('the command', () => {
  writeFileSync(join(folder, 'dense.onnx'), file('dense'));
  writeFileSync(join(folder, 'packed.onnx'), file('packed'));
  const paths = [join(folder, 'dense.onnx'), join(folder, 'packed.onnx')];

  test('a table, a profile and a chart', async () => {
    const chart = join(folder, 'speed');
    const got = await run(['bench', ...paths, '--batch', '1,2', '--runs', '2', '--threads', '1', '--profile', '--chart', chart]);
    expect(got).toMatchObject({ status: 0, stderr: '' });
    expect(got.stdout.match(/packed\.onnx +│ cpu +│ 1 +│ [12] /g)).toHaveLength(2);
    expect(got.stdout).toMatch(/group2\.block0\.conv1 +│ Conv/);
    expect(readFileSync(`${chart}.svg`, 'utf8')).toContain('packed.onnx');
    expect(readFileSync(`${chart}.png`).subarray(1, 4).toString()).toBe('PNG');
    const again = await run(['bench', ...paths, '--chart', chart]);
    expect(again).toMatchObject({ status: 2, stderr: `wrn-onnx: ${chart}.svg exists. Use --force to replace it\n` });
  });

  test('JSON', async () => {
    const { stdout } = await run(['bench', paths[0] as string, '--runs', '1', '--format', 'json']);
    const { measurements, profiles } = JSON.parse(stdout);
    expect(measurements).toHaveLength(1);
    expect(measurements[0]).toMatchObject({ file: 'dense.onnx', backend: 'cpu', batch: 8, threads: null, speedup: 1, loadRatio: 1 });
    expect(profiles).toEqual([]);
  });

  test.each([
    [['--batch', '0'], 2, /expected a whole number of at least 1/],
    [['--backend', 'abacus'], 2, /unknown backend abacus/],
    [['--threads', '1,x'], 2, /expected a whole number/],
  ] as const)('%s is refused', async (args, status, message) => {
    const got = await run(['bench', paths[0] as string, ...args]);
    expect(got.status).toBe(status);
    expect(got.stderr).toMatch(message);
  });

  test('an interruption ends in one line and exit code 130', async () => {
    const got = await run(['bench', paths[0] as string, '--runs', '100000'], {
      onStart: (child) => interrupt(child, 'SIGTERM'),
    });
    expect(got).toEqual({ status: 130, stdout: '', stderr: 'wrn-onnx: interrupted while measuring cpu, batch 8\n' });
  });

  test('the same name twice, and a file that is no model', async () => {
    expect((await run(['bench', paths[0] as string, paths[0] as string])).stderr).toMatch(/different names, got dense.onnx twice/);
    writeFileSync(join(folder, 'broken.onnx'), 'no model');
    expect((await run(['bench', join(folder, 'broken.onnx')])).status).toBe(3);
  });
});
