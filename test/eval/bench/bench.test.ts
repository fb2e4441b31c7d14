/** Measuring: what is counted, not how fast it is. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { planInt8 } from '../../../converters/onnx/forms/int8/plan.ts';
import { toInt8Onnx } from '../../../converters/onnx/forms/int8/to-int8.ts';
import { Graph } from '../../../converters/onnx/graph.ts';
import { toOnnx, toOnnxProto } from '../../../converters/onnx/write.ts';
import { findBrowser } from '../../../eval/backends/browser/find.ts';
import { bench, type Measurement } from '../../../eval/bench/bench.ts';
import { benchChart } from '../../../eval/bench/chart.ts';
import { type ProfileRow, profile } from '../../../eval/bench/profile.ts';
import { quartiles } from '../../../eval/tally/statistics.ts';
import { DataType, encodeModel } from '../../../proto/onnx.ts';
import { DeviceError, InputError, UsageError } from '../../../src/errors.ts';
import { interrupt, run } from '../../cli/run.ts';
import { model as foreign, int64s, node, signs, value } from '../../converters/onnx/foreign-model.ts';
import { randomModel } from '../../network/random-model.ts';
import { fakeBackend } from '../fake-session.ts';

// the pauses between runs keep their times apart, which no test compares
vi.mock('node:timers/promises', () => ({ setTimeout: async () => {} }));

const model = randomModel({ width: 1, input: { channels: 3, height: 32, width: 32 } });
const file = (form: 'packed' | 'dense') => toOnnx(model, { form, input: 'nchw-float' });
const folder = mkdtempSync(join(tmpdir(), 'wrn-bench-'));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => void vi.unstubAllEnvs().restoreAllMocks());

test('median and quartiles are measured values', () => {
  expect(quartiles([5, 1, 4, 2, 3])).toEqual({ median: 3, low: 2, high: 4 });
  expect(quartiles([7])).toEqual({ median: 7, low: 7, high: 7 });
});

test('every file on every backend in every setting, each against the first', async () => {
  const files = [
    { name: 'dense', model: file('dense') },
    { name: 'packed', model: file('packed') },
  ];
  const got: Measurement[] = [];
  const options = { backends: ['cpu', 'wasm'] as const, batches: [1, 4], threads: [1], runs: 3, backendOptions: {} };
  for await (const one of bench(files, options)) got.push(one);
  expect(got.map(({ file, backend, batch }) => [file, backend, batch])).toEqual(
    [1, 4].flatMap((batch) => ['cpu', 'wasm'].flatMap((backend) => ['dense', 'packed'].map((name) => [name, backend, batch]))),
  );
  for (const [i, one] of got.entries()) {
    expect(one.threads).toBe(1);
    expect(one.fileBytes).toBe(files[i % 2]?.model.length);
    expect(one.seconds.low).toBeLessThanOrEqual(one.seconds.median);
    expect(one.seconds.high).toBeGreaterThanOrEqual(one.seconds.median);
    expect(one.peakMemoryBytes).toBeGreaterThan(20e6);
    expect(one.idleMemoryBytes).toBeGreaterThan(10e6);
    expect(one.idleMemoryBytes).toBeLessThan(one.peakMemoryBytes ?? 0);
    expect(one.ratio.low).toBeLessThanOrEqual(one.ratio.high);
    if (one.backend === 'cpu') expect(one.ratio).toEqual({ median: 1, low: 1, high: 1 });
    expect(one.firstSeconds).toBeGreaterThan(0);
  }
});

describe('turns', () => {
  const files = ['a', 'b', 'c'].map((name, i) => ({ name, model: i === 0 ? file('dense') : file('packed') }));
  /** Seconds of the timed runs, load and memory of each file: b is twice as fast as a in a quarter of its memory, of c's nothing is known. */
  const rows = [
    { seconds: 2, load: 4, memory: 400 },
    { seconds: 1, load: 1, memory: 100 },
    { seconds: 4, load: 2, memory: undefined },
  ];

  /** Measures with sessions that take the seconds above, but a thousand in runs that should not count. */
  async function measured(runs: number): Promise<{ turns: string[]; got: Measurement[] }> {
    const turns: string[] = [];
    let opened = 0;
    fakeBackend('cpu', () => {
      const [index, { seconds, load, memory }] = [opened, rows[opened] as (typeof rows)[number]];
      const name = files[opened++]?.name as string;
      let run = 0;
      return {
        loadSeconds: load,
        peakMemoryBytes: async () => memory,
        async run() {
          turns.push(name);
          run++;
          return { outputs: {}, seconds: run <= 2 ? 1000 + index : seconds };
        },
      };
    });
    const options = { backends: ['cpu'] as const, batches: [8], threads: [undefined], runs, backendOptions: {} };
    const got: Measurement[] = [];
    for await (const one of bench(files, options)) got.push(one);
    return { turns, got };
  }

  test('all files run in turn, another one first in each round; a run at the start and one to warm up do not count', async () => {
    const { turns, got } = await measured(3);
    expect(turns.join('')).toBe(['abc', 'abc', 'bca', 'cab', 'abc'].join(''));
    expect(got.map(({ seconds }) => seconds.high)).toEqual([2, 1, 4]);
    expect(got.map(({ firstSeconds }) => firstSeconds)).toEqual([1000, 1001, 1002]);
  });

  test('each is compared with the first', async () => {
    const { got } = await measured(1);
    expect(got.map(({ speedup, loadRatio, memoryRatio }) => [speedup, loadRatio, memoryRatio])).toEqual([
      [1, 1, 1],
      [2, 0.25, 0.25],
      [0.5, 0.5, null],
    ]);
    expect(got.map(({ imagesPerSecond }) => imagesPerSecond)).toEqual([4, 8, 2]);
  });

  test('backends run in turn, and are compared round by round with the first', async () => {
    const turns: string[] = [];
    // Seconds of each round: the machine is twice as slow in the second and third.
    const seconds = { cpu: [4, 8, 8, 4, 4], wasm: [2, 4, 4, 1, 4] };
    for (const name of ['cpu', 'wasm'] as const) {
      let run = -2; // the first run, and one to warm up
      fakeBackend(name, () => ({
        async run() {
          turns.push(name);
          return { outputs: {}, seconds: seconds[name][run++] ?? 1 };
        },
      }));
    }
    const options = { backends: ['cpu', 'wasm'] as const, batches: [8], threads: [undefined], runs: 5, backendOptions: {} };
    const got: Measurement[] = [];
    for await (const one of bench(files.slice(0, 1), options)) got.push(one);
    expect(turns.map(([first]) => first).join('')).toBe('cw cw wc cw wc cw wc'.replaceAll(' ', ''));
    expect(got.map(({ ratio }) => ratio)).toEqual([
      { median: 1, low: 1, high: 1 },
      { median: 2, low: 2, high: 2 }, // of 1, 2, 2, 2 and 4
    ]);
  });

  test('short runs are repeated in their turn, and count by their median', async () => {
    let run = -2;
    fakeBackend('cpu', () => ({
      // Of a turn of at least 20 ms the first run is slow: 9, 3, 3, 3 and 3 ms.
      run: async () => ({ outputs: {}, seconds: run++ < 0 ? 1 : run % 5 === 1 ? 0.009 : 0.003 }),
    }));
    const options = { backends: ['cpu'] as const, batches: [8], threads: [undefined], runs: 2, backendOptions: {} };
    const { value } = await bench(files.slice(0, 1), options).next();
    expect(value?.seconds).toEqual({ median: 0.003, low: 0.003, high: 0.003 });
    expect(run).toBe(10);
  });

  test('the chart has a bar of every file in every setting, with its speed', async () => {
    const { got } = await measured(1);
    const slower = got
      .slice(0, 2)
      .map((one) => ({ ...one, batch: 1, imagesPerSecond: one.imagesPerSecond / 2, seconds: { low: 0.25, median: 0.5, high: 1 } }));
    const svg = benchChart([...got, ...slower], ['a machine, <two> cores', '2026-11-27']);
    const numbers = (element: string, ...names: string[]) =>
      [...svg.matchAll(new RegExp(`<${element} ${names.map((name) => `${name}="([\\d.]+)" ?`).join('')}[^>]*>`, 'g'))].map((match) =>
        match.slice(1).map(Number),
      );
    const bars = numbers('rect', 'x', 'y', 'width', 'height').filter(([, , , height]) => height === 20);
    const scale = (bars[0]?.[2] ?? 0) / 4; // pixels for an image per second
    expect(bars.map(([, , width = 0]) => Number((width / scale).toFixed(2)))).toEqual([4, 8, 2, 2, 4]);
    const spans = numbers('line', 'x1', 'x2', 'y1', 'y2').filter(([x1, x2, y1, y2]) => y1 === y2 && x1 !== x2);
    expect(spans).toHaveLength(2); // the other runs took equally long
    const [from = 0, to = 0] = spans.at(-1)?.map((x) => (x - 16) / scale) ?? [];
    expect(from).toBeCloseTo(1, 1);
    expect(to).toBeCloseTo(4, 1);
    for (const text of ['a machine, &#60;two&#62; cores', '2026-11-27']) expect(svg).toContain(text);
    for (const text of [
      'cpu, batch size 8',
      'cpu, batch size 1<',
      '4.00  (1.00x)',
      '8.00  (2.00x)',
      '2.00  (0.50x)',
      '2.00  (1.00x)',
      '4.00  (2.00x)',
    ])
      expect(svg).toContain(text);
  });
});

test('a runtime that dies of the signal that ends the measurement is no failure', async () => {
  const abort = new AbortController();
  fakeBackend('cpu', () => {
    abort.abort('stopped');
    throw new DeviceError('killed');
  });
  const files = [{ name: 'a', model: file('dense') }];
  const options = { backends: ['cpu'] as const, batches: [1], threads: [1], runs: 1, backendOptions: {}, signal: abort.signal };
  await expect(bench(files, options).next()).rejects.toBe('stopped');
});

test('a file for another batch size is refused', async () => {
  const proto = toOnnxProto(model, { form: 'dense', input: 'nchw-float' });
  const dims = proto.graph?.input?.[0]?.type?.tensor_type?.shape?.dim ?? [];
  dims[0] = { dim_value: 2 };
  const fixed = { name: 'fixed', model: encodeModel(proto) };
  const options = { backends: ['cpu'] as const, batches: [4], threads: [undefined], runs: 1, backendOptions: {} };
  await expect(bench([fixed], options).next()).rejects.toThrow(InputError);
});

describe('a model that takes no images', () => {
  /** Rows of a table by token, masked, times a matrix: tokens int64 [first, length], mask float [first, length]. */
  const text = (first: number | string) =>
    encodeModel(
      foreign({
        nodes: [
          node('Gather', ['table', 'tokens'], 'rows'),
          node('Unsqueeze', ['mask', 'last'], 'column'),
          node('Mul', ['rows', 'column'], 'masked'),
          node('MatMul', ['masked', 'signs'], 'y'),
        ],
        tensors: [signs('table', [2, 64]), { ...int64s([-1]), name: 'last' }, signs('signs', [64, 64])],
        inputs: [value('tokens', [first, 'length'], DataType.INT64), value('mask', [first, 'length'])],
      }),
    );
  const options = { threads: [1], runs: 2, backendOptions: {} };

  for (const backend of ['cpu', 'wasm', 'browser-wasm'] as const) {
    const there = backend !== 'browser-wasm' || findBrowser() !== undefined;
    (there ? test : test.skip)(`is run on random values of its shapes: ${backend}${there ? '' : ' [needs a browser]'}`, async () => {
      const got: Measurement[] = [];
      const files = [{ name: 'text', model: text('sentences') }];
      for await (const one of bench(files, { ...options, backends: [backend], batches: [1, 3] })) got.push(one);
      expect(got.map(({ inputs }) => inputs)).toEqual([1, 3].map((batch) => ({ tokens: [batch, 32], mask: [batch, 32] })));
      for (const one of got) expect(one.imagesPerSecond).toBeCloseTo(one.batch / one.seconds.median, 6);
    });
  }

  test('is profiled by node', async () => {
    const got = await profile(text('sentences'), { batch: 2, threads: 1, runs: 3 });
    expect(got.layers.flatMap(({ ops }) => ops)).toEqual(expect.arrayContaining(['Gather', 'Mul', 'MatMul']));
  });

  test('whose first sizes are fixed is refused in other ones', async () => {
    const attempt = bench([{ name: 'fixed', model: text(2) }], { ...options, backends: ['cpu'], batches: [8] });
    await expect(attempt.next()).rejects.toThrow(/fixed: expected any batch size, got the fixed batch size 2. Use --batch 2/);
  });

  test('whose first sizes are fixed is measured with these when no batch size is asked for', async () => {
    const attempt = bench([{ name: 'fixed', model: text(2) }], { ...options, backends: ['cpu'], batches: undefined });
    expect((await attempt.next()).value).toMatchObject({ batch: 2 });
    await attempt.return(undefined);
  });

  test('that asks for terabytes is refused', async () => {
    const proto = foreign({ nodes: [node('Identity', ['x'], 'y')], tensors: [], inputs: [value('x', ['batch', 2 ** 20, 2 ** 20])] });
    const attempt = bench([{ name: 'huge', model: encodeModel(proto) }], { ...options, backends: ['cpu'], batches: [1] });
    const refusal = new InputError('onnx', 'inputs', 'expected at most 67108864 values in all, got 1099511627776');
    await expect(attempt.next()).rejects.toThrow(refusal);
  });

  test('the command names the shapes', async () => {
    writeFileSync(join(folder, 'text.onnx'), text('sentences'));
    const { status, stdout } = await run(['bench', join(folder, 'text.onnx'), '--batch', '4', '--runs', '1']);
    expect(stdout).toContain('\n  text.onnx: random input tokens [4, 32], mask [4, 32]\n');
    expect(status).toBe(0);
  });
});

describe('profile', () => {
  test('the layers add up to the run, and bear the multiply-accumulates of the topology', async () => {
    const got = await profile(file('packed'), { batch: 16, threads: 1, runs: 5 });
    const sum = got.layers.reduce((total, { microsecondsPerImage }) => total + microsecondsPerImage, 0);
    const byOp = got.ops.reduce((total, { microsecondsPerImage }) => total + microsecondsPerImage, 0);
    expect(sum).toBeCloseTo(byOp, 6);
    expect(sum).toBeLessThanOrEqual(got.microsecondsPerImage);
    expect(sum).toBeGreaterThan(got.microsecondsPerImage / 2);
    // worked out by hand: weights times pixels of the output, 16, 32 and 64 channels on 32x32, 16x16 and 8x8 pixels, 10 classes
    const [large, middle, small] = [1024, 256, 64];
    const convolutions = {
      'stem.conv': 27 * 16 * large,
      'group0.block0.conv0': 144 * 16 * large,
      'group0.block0.conv1': 144 * 16 * large,
      'group1.block0.conv0': 144 * 32 * middle,
      'group1.block0.conv1': 288 * 32 * middle,
      'group2.block0.conv0': 288 * 64 * small,
      'group2.block0.conv1': 576 * 64 * small,
      'head.conv': 64 * 10 * small,
    };
    const found = got.layers.flatMap(({ layer, multiplyAccumulates: macs }) => (macs > 0 ? [[layer, macs] as const] : []));
    expect(Object.fromEntries(found)).toEqual(convolutions);
    expect(found).toHaveLength(8);
    const fused = got.layers.find(({ layer }) => layer === 'group0.block0.conv0')?.fused;
    expect([[], ['group0.block0.norm1', 'group0.block0.relu1']]).toContainEqual(fused); // as the kernels of this processor allow
    expect(got.matmul.float32).toBeGreaterThan(1e8);
    for (const { ofMatmul, ofPeak, multiplyAccumulates: macs } of got.layers) {
      expect([ofMatmul === null, ofPeak === null]).toEqual([macs === 0, macs === 0]);
      expect(ofPeak ?? 0).toBeLessThanOrEqual(1);
    }
    expect(Math.max(got.matmul.float32 / got.peak.float32, ...got.layers.map(({ ofPeak }) => ofPeak ?? 0))).toBe(1);
  });

  test('of an int8 file: convolutions in integers are compared with the product in integers', async () => {
    const ranges = new Map(planInt8(model).tensors.map(({ name }) => [name, { low: -4, high: 4 }]));
    const got = await profile(toInt8Onnx(model, { ranges }), { batch: 16, threads: 1, runs: 5 });
    const convs = got.layers.filter(({ multiplyAccumulates: macs }) => macs > 0);
    const [integer, float] = [true, false].map((is) => convs.filter(({ ops }) => ops.includes('QLinearConv') === is));
    expect(integer).toHaveLength(6); // two of each of three blocks
    expect(float).toHaveLength(2); // first and last
    expect(got.matmul.int8).not.toBe(got.matmul.float32);
    const shares = (rows: readonly ProfileRow[] | undefined) =>
      rows?.map(({ ofMatmul, multiplyAccumulates: macs, microsecondsPerImage }) => (macs / microsecondsPerImage / (ofMatmul ?? 0)) * 1e6);
    for (const speed of shares(integer) ?? []) expect(speed / got.matmul.int8).toBeCloseTo(1, 6);
    for (const speed of shares(float) ?? []) expect(speed / got.matmul.float32).toBeCloseTo(1, 6);
  });

  test('without a temporary folder it is one line', async () => {
    vi.stubEnv('TMPDIR', join(folder, 'none')).stubEnv('TEMP', join(folder, 'none'));
    const attempt = profile(file('packed'), { batch: 1, runs: 1 });
    await expect(attempt).rejects.toThrow(UsageError);
    await expect(attempt).rejects.toThrow(
      /^profile: cannot be written into .*none, the folder does not exist\. Make room there, or set TMPDIR to another/,
    );
  });

  test('a signal ends it', async () => {
    const attempt = profile(file('packed'), { batch: 1, threads: 1, runs: 1, signal: AbortSignal.abort('stopped') });
    await expect(attempt).rejects.toBe('stopped');
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
    const { width, height } = await sharp(`${chart}.png`).metadata();
    expect(readFileSync(`${chart}.svg`, 'utf8')).toContain(`width="${width / 2}" height="${height / 2}"`);
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
    [['--chart', join(folder, 'no', 'speed')], 2, /speed.svg: cannot be written, the folder does not exist/],
  ] as const)('%s is refused', async (args, status, message) => {
    const got = await run(['bench', paths[0] as string, ...args]);
    expect(got.status).toBe(status);
    expect(got.stderr).toMatch(message);
  });

  test('settings that were measured are printed when a later one fails', async () => {
    const proto = toOnnxProto(model, { form: 'dense', input: 'nchw-float' });
    const [images = {}] = proto.graph?.input ?? [];
    const nodes = proto.graph?.node ?? [];
    for (const one of nodes) one.input = (one.input ?? []).map((name) => (name === images.name ? 'single' : name));
    const graph = new Graph();
    graph.node('Reshape', ['images', graph.int64s('shape', [1, 3, 32, 32])], 'single'); // whatever the file promises, it takes one image
    nodes.unshift(...graph.nodes);
    proto.graph?.initializer?.push(...graph.initializers);
    writeFileSync(join(folder, 'single.onnx'), encodeModel(proto));
    const got = await run(['bench', join(folder, 'single.onnx'), '--batch', '1,2', '--runs', '1', '--format', 'json']);
    expect(got.status).toBe(4);
    expect(JSON.parse(got.stdout).measurements).toMatchObject([{ file: 'single.onnx', batch: 1 }]);
  });

  test('an interruption ends in one line and exit code 130', async () => {
    const got = await run(['bench', paths[0] as string, '--runs', '100000'], {
      onStart: (child) => interrupt(child, 'SIGTERM'),
    });
    expect(got).toEqual({ status: 130, stdout: '', stderr: 'wrn-onnx: interrupted\n' });
  });

  test('the same name twice, and a file that is no model', async () => {
    expect((await run(['bench', paths[0] as string, paths[0] as string])).stderr).toMatch(/different names, got dense.onnx twice/);
    writeFileSync(join(folder, 'broken.onnx'), 'no model');
    expect((await run(['bench', join(folder, 'broken.onnx')])).status).toBe(3);
  });
});
