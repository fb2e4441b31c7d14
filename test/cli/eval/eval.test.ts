/** `eval` and `predict` as a user runs them, on the shipped network and images. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Graph } from '../../../converters/onnx/graph.ts';
import { toOnnx, toOnnxProto } from '../../../converters/onnx/write.ts';
import { findBrowser } from '../../../eval/backends/browser/find.ts';
import { DataType, encodeModel } from '../../../proto/onnx.ts';
import { openImageSet } from '../../../src/data/open.ts';
import { readModelFile } from '../../../src/network/model-file.ts';
import { randomModel } from '../../network/random-model.ts';
import { pythonWith } from '../../python.ts';
import { models, shared, testWith } from '../../shared.ts';
import { interrupt, run } from '../run.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const images = `${root}examples/fashion-mnist`;
const folder = mkdtempSync(join(tmpdir(), 'wrn-eval-'));
const at = (name: string) => join(folder, name);
const model = readModelFile(readFileSync(`${root}models/fashion-mnist-wrn-20-1/model.safetensors`));
const options = { form: 'packed', input: 'nchw-float' } as const;

beforeAll(() => {
  writeFileSync(at('model.onnx'), toOnnx(model, options));
  const other = randomModel({ input: { channels: 3, height: 32, width: 32 } });
  writeFileSync(at('colour.onnx'), toOnnx(other, options));
});
afterAll(() => rmSync(folder, { recursive: true }));

test('class names in another order than those of the data are pointed out', async () => {
  const labels = [...'abcdefghij'];
  writeFileSync(at('reversed.onnx'), toOnnx({ ...model, about: { ...model.about, classLabels: labels.toReversed() } }, options));
  for (const label of labels) {
    mkdirSync(at(`letters/${label}`), { recursive: true });
    const grey = sharp({ create: { width: 28, height: 28, channels: 3, background: 'grey' } }).greyscale();
    await grey.png().toFile(at(`letters/${label}/image.png`));
  }
  const { status, stderr } = await run(['eval', at('reversed.onnx'), '--data', at('letters')]);
  expect(stderr).toBe('class 0 is j in the file and a in the data. Check that both have the same order\n');
  expect(status).toBe(0);
});

test('the JSON report has every field, null where it does not apply', async () => {
  const { status, stdout } = await run([
    'eval',
    at('model.onnx'),
    '--data',
    images,
    '--backend',
    'cpu,wasm',
    '--limit',
    '50',
    '--format',
    'json',
  ]);
  expect(status).toBe(0);
  const report = JSON.parse(stdout);
  expect(report).toMatchObject({ model: 'model.onnx', data: 'fashion-mnist test', images: 50, reference: 'cpu', verdict: 'pass' });
  const fields = [
    'backend',
    'images',
    'top1',
    'top5',
    'agreement',
    'flips',
    'maxAbsDiff',
    'meanAbsDiff',
    'relError',
    'imagesPerSecond',
    'loadSeconds',
    'peakMemoryBytes',
    'verdict',
    'tally',
  ];
  for (const result of report.results) expect(Object.keys(result)).toEqual(expect.arrayContaining(fields));
  expect(report.results[0]).toMatchObject({ backend: 'cpu', top5: null, agreement: null, relError: null, verdict: 'reference' });
  expect(report.results[1]).toMatchObject({ backend: 'wasm', agreement: 1, flips: 0, verdict: 'pass' });
});

test('the table names thresholds, verdict and what really ran', async () => {
  const { status, stdout } = await run(['eval', at('model.onnx'), '--data', images, '--backend', 'cpu,wasm', '--limit', '20']);
  expect(status).toBe(0);
  expect(stdout).toContain('parity with cpu: pass (agreement at least 100.00 %, relative error at most 0.0001)');
  expect(stdout).toMatch(/cpu: onnxruntime-node \d/);
  expect(stdout).toMatch(/wasm: onnxruntime-web \d/);
});

test.each([
  { title: 'an unknown backend', args: ['--backend', 'gpu'], status: 2, message: 'unknown backend gpu' },
  { title: 'a backend named as a method of every object', args: ['--backend', 'toString'], status: 2, message: 'unknown backend toString' },
  { title: 'a limit of zero', args: ['--limit', '0'], status: 2, message: 'whole number of at least 1' },
  { title: 'a shard beyond the last', args: ['--shard', '3/2'], status: 2, message: 'expected I/N with I from 1 to N' },
  { title: '--against a file for other images', args: ['--against', at('colour.onnx')], status: 3, message: 'images of 3 x 32 x 32' },
  { title: '--crops without --shorter-side', args: ['--crops', '5'], status: 2, message: 'expected image files to scale' },
  { title: 'a scale for images of one size', args: ['--shorter-side', '32'], status: 2, message: 'expected image files to scale' },
  {
    title: '--bisect of several crops',
    args: ['--bisect', '--shorter-side', '32,40'],
    status: 2,
    message: '--bisect compares layers on one crop per image',
  },
  ...[
    ['--shard', '1/2'],
    ['--batch', '4'],
    ['--save-logits', at('none.npy')],
  ].map((args) => ({
    title: `--bisect with ${args[0]}`,
    args: ['--bisect', '--backend', 'cpu,wasm', ...args],
    status: 2,
    message: 'need an evaluation: with --bisect, add --report',
  })),
  {
    title: 'logits in a folder that is not there',
    args: ['--save-logits', at('no/x.npy')],
    status: 2,
    message: 'no/x.npy: cannot be written',
  },
  {
    title: 'a report in a folder that is a file',
    args: ['--report', at('model.onnx/x.html')],
    status: 2,
    message: 'cannot be written, part of its path is a file, not a folder',
  },
  { title: '--compare without --report', args: ['--compare', 'x.json'], status: 2, message: '--compare needs --report' },
  { title: 'no such data', args: ['--data', '/nowhere'], status: 3, message: '/nowhere' },
  {
    title: 'a browser that is not there',
    args: ['--backend', 'browser-wasm', '--browser', '/nowhere'],
    status: 4,
    message: 'no browser at /nowhere',
  },
])('$title: one line and exit code $status', async ({ args, status, message }) => {
  const result = await run(['eval', at('model.onnx'), '--data', images, ...args]);
  expect(result).toMatchObject({ status, stdout: '' });
  expect(result.stderr).toContain(message);
  expect(result.stderr).not.toMatch(/^\s+at /m);
});

test('a file that backends answer differently fails parity: exit code 1, and the table says so', async () => {
  const graph = new Graph();
  const value = (name: string, sizes: number[]) => ({
    name,
    type: {
      tensor_type: { elem_type: DataType.FLOAT, shape: { dim: [{ dim_param: 'batch' }, ...sizes.map((dim_value) => ({ dim_value }))] } },
    },
  });
  graph.node('Flatten', ['images'], 'flat', { axis: 1 });
  graph.node('MatMul', ['flat', graph.floats('weights', [784, 10], new Float32Array(7840))], 'zeros');
  graph.node('RandomNormalLike', ['zeros'], 'logits'); // without a seed: other numbers in every process
  writeFileSync(
    at('random.onnx'),
    encodeModel({
      ir_version: 8,
      opset_import: [{ domain: '', version: 17 }],
      graph: {
        name: 'random',
        node: graph.nodes,
        initializer: graph.initializers,
        input: [value('images', [1, 28, 28])],
        output: [value('logits', [10])],
      },
    }),
  );
  const result = await run(['eval', at('random.onnx'), '--data', images, '--backend', 'cpu,wasm', '--limit', '40']);
  expect(result.status).toBe(1);
  expect(result.stdout).toContain('parity with cpu: fail');
  expect(result.stderr).toMatch(
    /^neither the file nor the data name their classes: .*\nwrn-onnx: parity failed: wasm beyond the thresholds\n$/,
  );
});

test('shards merge to the report of the whole; a merged breach of parity exits 1, a part that is missing or cut off 3', async () => {
  const args = ['eval', at('model.onnx'), '--data', images, '--limit', '40', '--batch', '8', '--format', 'json', '--backend', 'cpu,wasm'];
  const files: string[] = [];
  for (const shard of ['1/2', '2/2']) {
    const { status, stdout } = await run([...args, '--shard', shard]);
    expect(status).toBe(0);
    files.push(at(`part-${shard[0]}.json`));
    writeFileSync(files.at(-1) as string, stdout);
  }
  const merged = await run(['merge', ...files, '--format', 'json']);
  expect(merged.status).toBe(0);
  const { results } = JSON.parse(merged.stdout);
  const whole = JSON.parse((await run(args)).stdout).results;
  expect(results.map(({ tally }: { tally: unknown }) => tally)).toEqual(whole.map(({ tally }: { tally: unknown }) => tally));

  for (const file of files) {
    const part = JSON.parse(readFileSync(file, 'utf8'));
    writeFileSync(`${file}.strict`, JSON.stringify({ ...part, thresholds: { agreement: 1, relError: 1e-12 } }));
  }
  const strict = await run(['merge', ...files.map((file) => `${file}.strict`), '--report', at('strict.html')]);
  expect(strict).toMatchObject({ status: 1, stderr: 'wrn-onnx: parity failed: wasm beyond the thresholds\n' });
  expect(strict.stdout).toContain('model.onnx on the first 40 of 1,000 images of fashion-mnist test');
  expect(readFileSync(at('strict.html'), 'utf8')).toContain('✗ Parity with cpu fails: wasm');
  expect(await run(['merge', files[0] as string])).toEqual({
    status: 3,
    stdout: '',
    stderr: 'wrn-onnx: report parts: expected all 2 shards, got 1. Missing: 2\n',
  });
  writeFileSync(at('cut.json'), readFileSync(files[1] as string).subarray(0, 900));
  const cut = await run(['merge', files[0] as string, at('cut.json')]);
  expect(cut).toMatchObject({ status: 3, stdout: '' });
  expect(cut.stderr).toBe(
    `wrn-onnx: report ${at('cut.json')}: expected the JSON of eval --format json, got something else or a truncated file\n`,
  );
});

test('a shard says so, and that its parity is for merge to judge', async () => {
  const { status, stdout } = await run([
    'eval',
    at('model.onnx'),
    '--data',
    images,
    '--backend',
    'cpu,wasm',
    '--limit',
    '32',
    '--batch',
    '16',
    '--shard',
    '2/2',
  ]);
  expect(status).toBe(0);
  expect(stdout).toContain('model.onnx on 16 of the first 32 of 1,000 images of fashion-mnist test, shard 2 of 2');
  expect(stdout).toContain('parity with cpu: see wrn-onnx merge (');
});

/** The shipped network with its classes or its last operator changed. */
function changed(change: (graph: NonNullable<ReturnType<typeof toOnnxProto>['graph']>) => void): Uint8Array {
  const proto = toOnnxProto(model, options);
  if (proto.graph) change(proto.graph);
  return encodeModel(proto);
}

test.each(['cpu', 'wasm'])('an operator that nobody knows is the fault of the file, on %s: exit code 3', async (backend) => {
  const file = changed((graph) => {
    const last = graph.node?.at(-1);
    if (last) last.op_type = 'Abracadabra';
  });
  writeFileSync(at('unknown.onnx'), file);
  const { status, stderr } = await run(['eval', at('unknown.onnx'), '--data', images, '--backend', backend, '--limit', '8']);
  expect(stderr).toMatch(/^wrn-onnx: onnx graph: expected a model that onnxruntime accepts, got: .*Abracadabra.*\n$/);
  expect(status).toBe(3);
});

test('predict refuses logits that are not as many as the classes', async () => {
  const file = changed((graph) => {
    const dims = graph.output?.[0]?.type?.tensor_type?.shape?.dim;
    if (dims) dims[1] = { dim_value: 12 };
  });
  writeFileSync(at('classes.onnx'), file);
  const { status, stderr } = await run(['predict', at('classes.onnx'), `${root}examples/ship.png`]);
  expect(stderr).toContain('onnx output logits: expected 12 float logits, got 10');
  expect(status).toBe(3);
});

/** Decisions in a file of --save-logits: its header ends with a line feed, float32 follow. */
function decisionsIn(name: string): number[] {
  const bytes = readFileSync(at(name));
  const start = bytes.indexOf('\n') + 1;
  const logits = new Float32Array(Uint8Array.from(bytes.subarray(start)).buffer);
  return Array.from({ length: logits.length / 10 }, (_, i) => {
    const row = logits.subarray(i * 10, (i + 1) * 10);
    return row.indexOf(Math.max(...row));
  });
}

test('--against compares two files: accuracy of both, agreement and the images decided differently, as two evaluations give them', async () => {
  const float = `${root}models/fashion-mnist-wrn-20-1-float/model.safetensors`;
  const common = ['--data', images, '--limit', '200', '--format', 'json'];
  const a = JSON.parse((await run(['eval', at('model.onnx'), ...common, '--save-logits', at('a.npy')])).stdout);
  const b = JSON.parse((await run(['eval', float, ...common, '--save-logits', at('b.npy')])).stdout);
  const [decidedA, decidedB] = [decisionsIn('a.npy'), decisionsIn('b.npy')];
  const differing = [...decidedA.keys()].filter((i) => decidedA[i] !== decidedB[i]);
  expect(differing.length).toBeGreaterThan(0);

  const before = Date.now();
  const report = ['--report', at('two.html')];
  const both = await run(['eval', at('model.onnx'), '--against', float, ...common, ...report]);
  expect(both.status).toBe(1);
  expect(both.stderr).toContain('parity failed: model.safetensors on cpu beyond the thresholds');
  const { results, against, sha256, verdict, date, machine, command, version, dataImages } = JSON.parse(both.stdout);
  expect([sha256, against.sha256]).toEqual([a.sha256, b.sha256]);
  expect(results.map(({ top1 }: { top1: number }) => top1)).toEqual([a.results[0].top1, b.results[0].top1]);
  expect(results[1]).toMatchObject({
    model: 'model.safetensors',
    backend: 'cpu',
    agreement: 1 - differing.length / 200,
    flips: differing.length,
  });
  expect(results[1].tally.flipped.map(({ index }: { index: number }) => index)).toEqual(differing.slice(0, 24));
  expect(verdict).toBe('fail');
  const page = readFileSync(at('two.html'), 'utf8');
  expect(page.match(/<img src="data:image\/png/g)).toHaveLength(Math.min(24, differing.length));
  for (const text of [
    'model.onnx and model.safetensors',
    'the first 200 of 1,000 images',
    'Caution: 200 images are few',
    date.slice(0, 10),
    machine,
  ])
    expect(page).toContain(text);

  expect(Date.parse(date)).toBeGreaterThanOrEqual(before);
  expect(Date.parse(date)).toBeLessThanOrEqual(Date.now());
  expect({ version, dataImages }).toEqual({ version: '0.1.0', dataImages: 1000 });
  expect(machine).toContain(`Node ${process.version}`);
  expect(command).toBe(`wrn-onnx eval ${at('model.onnx')} --against ${float} ${common.join(' ')} ${report.join(' ')}`);
});

test('--against another form of the same network, on two backends, passes; the shards of it merge', async () => {
  writeFileSync(at('dense.onnx'), toOnnx(model, { form: 'dense', input: 'nhwc-uint8', batch: 4 }));
  const args = ['eval', at('model.onnx'), '--against', at('dense.onnx'), '--data', images, '--limit', '16', '--backend', 'cpu,wasm'];
  const whole = await run([...args, '--format', 'json']);
  expect(whole).toMatchObject({ status: 0, stderr: '' });
  const parts = ['1/2', '2/2'].map((part) => [part, at(`two-${part[0]}.json`)] as const);
  for (const [part, file] of parts) writeFileSync(file, (await run([...args, '--shard', part, '--format', 'json'])).stdout);
  const merge = ['merge', ...parts.map(([, file]) => file)];
  const table = await run(merge);
  expect(table).toMatchObject({ status: 0, stderr: '' });
  for (const row of ['model.onnx on cpu', 'model.onnx on wasm', 'dense.onnx on cpu', 'dense.onnx on wasm'])
    expect(table.stdout).toContain(`│ ${row} `);
  expect(table.stdout).toContain('parity with model.onnx on cpu: pass');
  const { results, verdict, command } = JSON.parse((await run([...merge, '--format', 'json'])).stdout);
  const { results: expected } = JSON.parse(whole.stdout);
  const tallies = (rows: { tally: unknown }[]) => rows.map(({ tally }) => tally);
  expect(tallies(results)).toEqual(tallies(expected));
  expect(verdict).toBe('pass');
  expect(command).toContain('wrn-onnx merge ');
});

test('--bisect of files for different images is refused', async () => {
  const { status, stderr } = await run(['eval', at('model.onnx'), '--bisect', '--against', at('colour.onnx'), '--data', images]);
  expect(stderr).toBe('wrn-onnx: model.onnx takes images of 1 x 28 x 28, colour.onnx of 3 x 32 x 32: expected the same\n');
  expect(status).toBe(2);
});

/** Kills the first child of a process as soon as there is one. */
function killChildOf(pid: number): void {
  const timer = setInterval(() => {
    const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
    if (child === undefined) return;
    clearInterval(timer);
    setTimeout(() => process.kill(Number(child), 'SIGKILL'), 700);
  }, 20);
}

test.skipIf(process.platform !== 'linux')(
  'a runtime that is killed is one line and exit code 4, not a failed parity [needs Linux]',
  async () => {
    const { status, stderr } = await run(['eval', at('model.onnx'), '--data', images, '--backend', 'wasm', '--batch', '1'], {
      onStart: (child) => killChildOf(child.pid as number),
    });
    // on a slow machine it is killed while it loads
    expect(stderr).toMatch(/^wrn-onnx: wasm (stopped while it ran|cannot run) this model: the process ended with SIGKILL.*\n$/);
    expect(status).toBe(4);
  },
);

test('all takes what is here and lists what is missing and why', async () => {
  // no browser, so that the same is missing on every machine; what a browser has is tried in doctor.test.ts
  const few = ['--limit', '8', '--browser', '/nowhere', '--format', 'json'];
  const { status, stdout, stderr } = await run(['eval', at('model.onnx'), '--data', images, '--backend', 'all', ...few]);
  expect(status).toBe(0);
  const ran = JSON.parse(stdout).results.map(({ backend }: { backend: string }) => backend);
  expect(ran).toEqual(expect.arrayContaining(['cpu', 'wasm', 'onebit']));
  for (const name of ['browser-wasm', 'browser-webgpu', 'browser-webgl', 'browser-onebit'])
    expect(stderr).toContain(`skipped ${name}: no browser at /nowhere. Install`);
  for (const name of ['cuda', 'webgpu']) expect(ran.includes(name) || stderr.includes(`skipped ${name}: `)).toBe(true);
});

const interruptions = [
  { signal: 'SIGINT', backend: 'wasm', there: true },
  { signal: 'SIGTERM', backend: 'wasm', there: true },
  { signal: 'SIGTERM', backend: 'browser-wasm', there: findBrowser() !== undefined },
] as const;
for (const { signal, backend, there } of interruptions) {
  test.skipIf(!there)(`${signal} on ${backend} prints what was done so far and exits 130${there ? '' : ' [needs a browser]'}`, async () => {
    const { status, stdout, stderr } = await run(
      ['eval', at('model.onnx'), '--data', images, '--backend', backend, '--batch', '1', '--format', 'json'],
      { onStart: (child) => interrupt(child, signal) },
    );
    expect(stderr).toContain('interrupted');
    expect(status).toBe(130);
    expect(JSON.parse(stdout).images).toBeLessThan(1000);
  });
}

const python = pythonWith('numpy');
(python ? test : test.skip)(`--save-logits is what numpy reads${python ? '' : ' [needs Python with numpy]'}`, async () => {
  await run(['eval', at('model.onnx'), '--data', images, '--limit', '30', '--save-logits', at('logits.npy')]);
  const script = `import numpy, sys; a = numpy.load(sys.argv[1]); print(a.dtype, a.shape, *a.argmax(1))`;
  const [dtype, rows, columns, ...classes] = execFileSync(python as string, ['-c', script, at('logits.npy')], { encoding: 'utf8' })
    .trim()
    .split(/[\s(),]+/);
  expect([dtype, rows, columns]).toEqual(['float32', '30', '10']);
  const data = await openImageSet(images, { split: 'test' });
  let right = 0;
  for await (const { labels } of data.batches(30, 0, 30))
    right = labels.reduce((sum, label, i) => sum + (Number(classes[i]) === label ? 1 : 0), 0);
  await data.close();
  const report = JSON.parse((await run(['eval', at('model.onnx'), '--data', images, '--limit', '30', '--format', 'json'])).stdout);
  expect(report.results[0].top1).toBe(right / 30);
  const again = await run(['eval', at('model.onnx'), '--data', images, '--limit', '30', '--save-logits', at('logits.npy')]);
  expect(again.status).toBe(2);
});

test('--bisect of a file with a wrong pad names the layer and exits 1', async () => {
  const proto = toOnnxProto(model, { ...options, form: 'inline' });
  const pads = proto.graph?.node?.find(({ name }) => name === 'group1.block0.conv0')?.attribute?.find(({ name }) => name === 'pads');
  if (!pads) throw new Error('no pads');
  pads.ints = [1, 1, 0, 0];
  writeFileSync(at('wrong-pad.onnx'), encodeModel(proto));
  const result = await run(['eval', at('model.onnx'), '--against', at('wrong-pad.onnx'), '--data', images, '--bisect']);
  expect(result.status).toBe(1);
  expect(result.stdout).toContain('First difference: group1.block0.conv0 (Conv).');
  const rowsOf = (stdout: string) => stdout.split('\n').filter((line) => line.startsWith('│')).length;
  expect(rowsOf(result.stdout)).toBe(1 + 11); // the head, five layers before and after
  const wide = await run(['eval', at('model.onnx'), '--against', at('wrong-pad.onnx'), '--data', images, '--bisect', '--wide']);
  expect(rowsOf(wide.stdout)).toBeGreaterThan(70);
  const equal = await run(['eval', at('model.onnx'), '--data', images, '--bisect', '--backend', 'cpu,wasm', '--format', 'json']);
  expect(equal.status).toBe(0);
  expect(JSON.parse(equal.stdout).first).toBeNull();
});

test('a file of a fixed batch: --bisect takes its number of images, against a model file; another --batch is refused', async () => {
  writeFileSync(at('fixed.onnx'), toOnnx(model, { form: 'dense', input: 'nhwc-uint8', batch: 1 }));
  const source = `${root}models/fashion-mnist-wrn-20-1/model.safetensors`;
  const { status, stdout } = await run(['eval', source, '--against', at('fixed.onnx'), '--data', images, '--bisect', '--format', 'json']);
  expect(JSON.parse(stdout)).toMatchObject({ b: 'fixed.onnx on cpu', images: 1, first: null });
  expect(status).toBe(0);
  const refused = await run(['eval', at('fixed.onnx'), '--data', images, '--batch', '8']);
  expect(refused).toMatchObject({ status: 2, stderr: `wrn-onnx: ${at('fixed.onnx')}: expected --batch 1, as fixed in the file, got 8\n` });
  const tfjs = await run(['eval', source, '--data', images, '--bisect', '--against', source, '--backend', 'tfjs']);
  expect(tfjs).toMatchObject({ status: 2, stderr: expect.stringContaining('tfjs gives only logits') });
});

test('an evaluation is printed, and its logits and page are written, though the bisection behind it fails', async () => {
  const args = ['--bisect', '--against', at('colour.onnx'), '--report', at('half.html'), '--save-logits', at('half.npy'), '--limit', '8'];
  const { status, stdout, stderr } = await run(['eval', at('model.onnx'), '--data', images, '--format', 'json', ...args]);
  expect(JSON.parse(stdout)).toMatchObject({ images: 8, complete: true });
  expect(readFileSync(at('half.npy')).length).toBeGreaterThan(8 * 10 * 4);
  expect(readFileSync(at('half.html'), 'utf8')).toContain('fashion-mnist');
  expect(stderr).toContain('takes images of');
  expect(status).toBe(2);
});

test('--report writes the page: layers and other results in it, the command to make it again; and replaces no file', async () => {
  const args = ['eval', at('model.onnx'), '--data', images, '--limit', '8', '--format', 'json'];
  const other = JSON.parse((await run(args)).stdout);
  writeFileSync(at('other.json'), JSON.stringify({ ...other, model: 'other.onnx' }));
  writeFileSync(at('cifar.json'), JSON.stringify({ ...other, data: 'cifar-10 test' }));
  const report = [...args, '--backend', 'cpu,wasm', '--bisect', '--report', at('it is.html'), '--compare'];
  const { status, stdout } = await run([...report, at('other.json')]);
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ verdict: 'pass', form: 'packed', network: 'WRN-20-1', bisection: { images: 2, first: null } });
  const page = readFileSync(at('it is.html'), 'utf8');
  const options = "--limit 8 --format json --backend cpu,wasm --bisect --report '";
  for (const text of ['✓ Parity with cpu holds', 'No layer differs', 'other.onnx', options.replace("'", '&#39;')])
    expect(page).toContain(text);
  expect(await run([...report, at('other.json')])).toMatchObject({ status: 2, stderr: expect.stringContaining('exists. Use --force') });
  const cifar = await run([...report, at('cifar.json'), '--force']);
  expect(cifar).toMatchObject({ status: 3, stdout: '' });
  expect(cifar.stderr).toContain('expected a result on fashion-mnist test, got one on cifar-10 test');
});

test('predict: the classes that eval counts, from PNG files of the same images', async () => {
  const data = await openImageSet(images, { split: 'test' });
  const files: string[] = [];
  const expected: number[] = [];
  for await (const { imagesNCHW, labels } of data.batches(4, 0, 4)) {
    for (let i = 0; i < 4; i++) {
      files.push(at(`${i}.png`));
      await sharp(imagesNCHW.subarray(i * 784, (i + 1) * 784), { raw: { width: 28, height: 28, channels: 1 } })
        .png()
        .toFile(at(`${i}.png`));
      expected.push(labels[i] as number);
    }
  }
  await data.close();
  const { status, stdout } = await run(['predict', at('model.onnx'), ...files, '--top', '2', '--format', 'json']);
  expect(status).toBe(0);
  const { results } = JSON.parse(stdout);
  expect(results.map(({ classes }: { classes: { index: number }[] }) => classes[0]?.index)).toEqual(expected);
  expect(results[0].classes).toHaveLength(2);
  const bad = await run(['predict', at('model.onnx'), at('model.onnx')]);
  expect(bad.status).toBe(3);
  expect(bad.stderr).toContain('expected an image (PNG, JPEG, WebP');
  const partly = await run(['predict', at('model.onnx'), ...files.slice(0, 2), at('model.onnx'), ...files, '--format', 'json']);
  expect(partly.status).toBe(3);
  expect(partly.stderr).toMatch(/^wrn-onnx: image .*model\.onnx: expected an image \(PNG.*\n$/);
  expect(JSON.parse(partly.stdout).results.map(({ image }: { image: string }) => image)).toEqual(files.slice(0, 2));
  writeFileSync(at('empty.png'), '');
  const empty = await run(['predict', at('model.onnx'), at('empty.png')]);
  expect(empty.status).toBe(3);
  expect(empty.stderr).toMatch(/^wrn-onnx: image .*empty\.png: expected an image \(PNG, JPEG, WebP, GIF, TIFF, AVIF\), got: .*\n$/);
});

const cifar = shared('data/cifar-10-binary.tar.xz');
if (cifar) {
  testWith(
    models.keras,
    "the author's network on the first real test images of CIFAR-10, read from the archive",
    async (file) => {
      const { stdout } = await run(['eval', file, '--data', cifar, '--limit', '200', '--format', 'json']);
      // 191 of the first 200: counted by an evaluation of the same weights in python onnxruntime
      expect(JSON.parse(stdout).results[0].top1).toBe(191 / 200);
      const { stdout: predicted } = await run(['predict', file, `${root}examples/ship.png`, '--top', '1']);
      expect(predicted).toContain('class 8'); // the ships of CIFAR-10
    },
    180_000,
  );
}
