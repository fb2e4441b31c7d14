/** `export --form int8` and `--for` as a user runs them, on the shipped network and images. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { decodeModel, toNumber } from '../../../proto/onnx.ts';
import { readMetadata } from '../../../src/network/file-metadata.ts';
import { readModelFile, writeModelFile } from '../../../src/network/model-file.ts';
import { randomModel } from '../../network/random-model.ts';
import { testWith } from '../../shared.ts';
import { run } from '../run.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const shipped = `${root}models/fashion-mnist-wrn-20-1/model.safetensors`;
const images = `${root}examples/fashion-mnist`;
const folder = mkdtempSync(join(tmpdir(), 'wrn-int8-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

const formOf = (file: string) => readMetadata(decodeModel(readFileSync(file)).metadata_props)?.form;
const batchOf = (file: string) => {
  const dim = decodeModel(readFileSync(file)).graph?.input?.[0]?.type?.tensor_type?.shape?.dim?.[0];
  return dim?.dim_param ?? toNumber(dim?.dim_value);
};

test('int8: what it costs and gains is printed, and the file evaluates', async () => {
  const source = [shipped, '--calibrate', images, '--calibration-images', '64'];
  const exported = await run(['export', ...source, '--form', 'int8', '-o', at('int8.onnx')]);
  expect(exported.stderr).toBe('');
  expect(exported.status).toBe(0);
  for (const words of [
    'bits equal',
    /agreement with float32: \d+\.\d\d %, logits within (\d\.\d\de-\d|0\.0\d+)/,
    'accuracy, 95 % interval',
    'speed on this CPU',
    'layers that cost most',
    'bits per weight',
  ])
    expect(exported.stdout).toMatch(words);
  expect(formOf(at('int8.onnx'))).toBe('int8');

  const again = await run(['export', ...source, '--form', 'int8', '-o', at('again.onnx'), '--format', 'json']);
  expect(readFileSync(at('again.onnx')).equals(readFileSync(at('int8.onnx')))).toBe(true);
  const { verification } = JSON.parse(again.stdout);
  const evaluated = await run(['eval', at('int8.onnx'), '--data', images, '--format', 'json']);
  const { top1 } = JSON.parse(evaluated.stdout).results[0];
  const [low, high] = verification.int8.interval;
  expect(top1).toBeGreaterThan(low);
  expect(top1).toBeLessThan(high);
}, 60_000);

describe('refusals: one line, the right exit code, nothing written', () => {
  writeFileSync(at('float.safetensors'), writeModelFile(randomModel({ bits: 32, endBits: 32 })));
  writeFileSync(at('colour.safetensors'), writeModelFile(randomModel({ input: { channels: 3, height: 32, width: 32 } })));
  // random weights: near ties, so that 8 bits decide some images otherwise
  const undecided = randomModel({ input: { channels: 1, height: 28, width: 28 } });
  writeFileSync(at('undecided.safetensors'), writeModelFile(undecided));
  test.each([
    { why: 'no calibration data', source: shipped, args: [], status: 2, message: 'needs calibration images: add --calibrate DATA' },
    {
      why: 'images without a split to verify on',
      source: shipped,
      args: ['--calibrate', `${images}/train-images-idx3-ubyte.gz`],
      status: 2,
      message: 'expected a training and a test split, got one set',
    },
    {
      why: 'another shape',
      source: at('colour.safetensors'),
      args: ['--calibrate', images],
      status: 3,
      message: /expected .*3.*32.*, got .*28/,
    },
    {
      why: 'too few images asked for',
      source: shipped,
      args: ['--calibrate', images, '--calibration-images', '3'],
      status: 2,
      message: 'expected at least 16 images, got 3',
    },
    {
      why: 'too few images there',
      source: shipped,
      args: ['--calibrate', images, '--calibration-images', '9999999'],
      status: 2,
      message: /expected 9999999 images in .*, got/,
    },
    {
      why: 'no one-bit weights',
      source: at('float.safetensors'),
      args: ['--calibrate', images],
      status: 3,
      message: 'one-bit convolutions',
    },
    {
      why: 'an unknown method',
      source: shipped,
      args: ['--calibrate', images, '--method', 'entropy'],
      status: 2,
      message: "argument 'entropy' is invalid",
    },
    {
      why: 'agreement that cannot be reached',
      source: at('undecided.safetensors'),
      args: ['--calibrate', images, '--calibration-images', '16', '--min-agreement', '1'],
      status: 1,
      message: /int8 agrees with float32 on .* expected at least 100.00 %. group\S+ costs most/,
    },
  ])('$why', async ({ source, args, status, message }) => {
    const before = readdirSync(folder);
    const result = await run(['export', source, '--form', 'int8', '-o', at('never.onnx'), ...args]);
    expect(result.stderr).toMatch(message);
    const lines = result.stderr.trim().split('\n');
    expect(lines.filter((line) => !line.startsWith('(run with --help'))).toHaveLength(1);
    expect(result.status).toBe(status);
    expect(readdirSync(folder)).toEqual(before);
  });

  test('constant activations: a ReLU that no image passes', async () => {
    const model = readModelFile(readFileSync(shipped));
    const mean = model.tensors.get('group0.block0.norm0.mean');
    if (mean?.dtype !== 'float32') throw new Error('no mean');
    const tensors = new Map(model.tensors).set('group0.block0.norm0.mean', { ...mean, data: mean.data.map(() => 1e6) });
    writeFileSync(at('dead.safetensors'), writeModelFile({ ...model, tensors }));
    const result = await run([
      'export',
      at('dead.safetensors'),
      '--form',
      'int8',
      '--calibrate',
      images,
      '-o',
      at('never.onnx'),
      '--quiet',
    ]);
    expect(result).toMatchObject({ status: 3, stdout: '' });
    expect(result.stderr).toBe('wrn-onnx: calibration group0.block0.relu0: expected activations that vary, got only 0. Use other images\n');
    expect(existsSync(at('never.onnx'))).toBe(false);
  });

  test('a file that is there stays as it was when the new one agrees too little', async () => {
    writeFileSync(at('before.onnx'), 'what was here');
    const few = ['--calibrate', images, '--calibration-images', '16', '--min-agreement', '1', '--force'];
    const before = readdirSync(folder);
    const result = await run(['export', at('undecided.safetensors'), '--form', 'int8', '-o', at('before.onnx'), ...few]);
    expect(result.status).toBe(1);
    expect(readFileSync(at('before.onnx'), 'utf8')).toBe('what was here');
    expect(readdirSync(folder)).toEqual(before);
  });

  test('options of int8 with another form', async () => {
    const result = await run(['export', shipped, '--form', 'packed', '--method', 'mse', '-o', at('never.onnx')]);
    expect(result).toMatchObject({ status: 2, stdout: '' });
    expect(result.stderr).toContain('--method needs --form int8');
  });
});

describe('--for', () => {
  test('wasm unpacks without the Cast that onnxruntime-web is slow to load with; the logits are those of the portable file', async () => {
    const opsOf = (file: string) => new Set(decodeModel(readFileSync(file)).graph?.node?.map(({ op_type }) => op_type));
    const source = [shipped, '--calibrate', images, '--calibration-images', '32', '-o'];
    await run(['export', ...source, at('for-wasm.onnx'), '--for', 'wasm']);
    await run(['export', ...source, at('for-cpu.onnx'), '--for', 'cpu']);
    expect(opsOf(at('for-wasm.onnx')).has('MatMulInteger')).toBe(true);
    expect(opsOf(at('for-cpu.onnx')).has('MatMulInteger')).toBe(false);
    const bisected = ['--data', images, '--backend', 'wasm', '--bisect', '--against', at('for-cpu.onnx')];
    expect(await run(['eval', at('for-wasm.onnx'), ...bisected])).toMatchObject({ status: 0, stderr: '' });
  }, 60_000);

  test.each([
    { target: 'cpu', args: [], form: 'packed', batch: 'batch' },
    { target: 'wasm', args: ['--calibrate', images, '--calibration-images', '32'], form: 'int8', batch: 'batch' },
    { target: 'cpu-amx', args: ['--calibrate', images, '--calibration-images', '32'], form: 'int8-amx', batch: 'batch' },
    { target: 'webgpu', args: [], form: 'packed', batch: 'batch' },
    { target: 'webgl', args: [], form: 'dense', batch: 1 },
    { target: 'fpga', args: [], form: 'qonnx', batch: 1 },
  ])('$target $args.0 is $form', async ({ target, args, form, batch }) => {
    const file = at(`${target}.onnx`);
    const result = await run(['export', shipped, '--for', target, ...args, '--quiet', '-o', file]);
    expect(result.stderr).toBe('');
    expect(formOf(file)).toBe(form);
    expect(batchOf(file)).toBe(batch);
    expect(result.stdout.includes('8-bit activations are faster there: add --calibrate DATA')).toBe(target === 'cpu');
    const evaluated = await run(['eval', file, '--data', images, '--limit', '20', '--format', 'json']);
    expect(JSON.parse(evaluated.stdout).images).toBe(20);
  });

  test('not with --form', async () => {
    const result = await run(['export', shipped, '--for', 'cpu', '--form', 'dense', '-o', at('never.onnx')]);
    expect(result.status).toBe(2);
    expect(result.stderr).toContain("option '--for <target>' cannot be used with option '--form <form>'");
  });
});

testWith('data/cifar-10-binary.tar.xz', 'the first Ctrl-C ends an export that still reads its archive', async (archive) => {
  const network = `${root}models/cifar-10-wrn-20-1/model.safetensors`;
  const { status } = await run(['export', network, '--form', 'int8', '--calibrate', archive, '-o', at('never.onnx')], {
    onStart: (child) => setTimeout(() => child.kill('SIGINT'), 3000), // reading takes longer
  });
  expect(status).toBeNull(); // the signal's doing, and not an end that waited for the archive
});
