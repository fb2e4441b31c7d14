/** `export --form fp16` as a user runs it, on the shipped network and images. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { writeModelFile } from '../../../src/network/model-file.ts';
import type { BitTensor } from '../../../src/network/tensor.ts';
import { randomModel } from '../../network/random-model.ts';
import { run } from '../run.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const shipped = `${root}models/fashion-mnist-wrn-20-1/model.safetensors`;
const images = `${root}examples/fashion-mnist`;
const folder = mkdtempSync(join(tmpdir(), 'wrn-fp16-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

test('agreement, accuracy and the largest value are printed; the file says where it is slow, and decides as the float form', async () => {
  const exported = await run(['export', shipped, '--form', 'fp16', '--data', images, '-o', at('half.onnx'), '--quiet']);
  expect(exported).toMatchObject({ status: 0, stderr: '' });
  for (const words of ['bits equal', 'random images: agreement with float32', 'test images: agreement', 'accuracy, 95 %', 'largest value'])
    expect(exported.stdout).toContain(words);
  const again = await run(['export', shipped, '--form', 'fp16', '-o', at('again.onnx'), '--format', 'json']);
  expect(readFileSync(at('again.onnx')).equals(readFileSync(at('half.onnx')))).toBe(true);
  expect(JSON.parse(again.stdout)).toMatchObject({ form: 'fp16', verification: { bits: 268_048, data: null } });
  await run(['export', shipped, '-o', at('packed.onnx')]);
  const bisected = await run(['eval', at('half.onnx'), '--bisect', '--against', at('packed.onnx'), '--data', images]);
  expect(bisected).toMatchObject({ status: 0 });
  expect(bisected.stdout).toContain('No layer differs');
}, 60_000);

test('near ties of random images do not refuse a file: agreement is asked for on real images', async () => {
  // Two classes of the same weights, 1e-6 apart: float32 decides for the second, float16 sees them equal and for the first.
  const model = randomModel({ affine: 'last', classes: 2 });
  const kernel = model.tensors.get('head.conv.kernel') as BitTensor;
  const half = kernel.shape.slice(1).reduce((a, b) => a * b, 1) / 8;
  kernel.data.copyWithin(half, 0, half);
  for (const [field, values] of Object.entries({ mean: [0, 0], variance: [1, 1], gamma: [1, 1], beta: [0.5, 0.5 + 1e-6] }))
    model.tensors.get(`head.norm1.${field}`)?.data.set(values);
  writeFileSync(at('tie.safetensors'), writeModelFile(model));
  const exported = await run(['export', at('tie.safetensors'), '--form', 'fp16', '-o', at('tie.onnx')]);
  expect(exported).toMatchObject({ status: 0, stderr: '' });
  expect(exported.stdout).toContain('16 random images: agreement with float32 0.00 %');
});

test('float16 in and out: eval on every CPU runtime, and the warning', async () => {
  await run(['export', shipped, '--form', 'fp16', '--float16-io', '-o', at('io.onnx')]);
  const { status, stdout, stderr } = await run(['eval', at('io.onnx'), '--data', images, '--backend', 'cpu,wasm', '--limit', '32']);
  expect(status).toBe(0);
  expect(stdout).toContain('parity with cpu: pass (agreement at least 98.00 %, relative error at most 0.02)');
  expect(stderr).toContain('fp16 on cpu: onnxruntime computes it in float32 there');
});

test.each([
  { args: ['--form', 'packed', '--float16-io'], status: 2, message: '--float16-io needs --form fp16' },
  { args: ['--form', 'int8', '--data', images], status: 2, message: '--data needs --form fp16' },
  { args: ['--form', 'fp16', '--calibrate', images], status: 2, message: '--calibrate needs --form int8' },
  { args: ['--form', 'fp16', '--data', '/nowhere'], status: 3, message: '/nowhere' },
])('refused: $message', async ({ args, status, message }) => {
  const result = await run(['export', shipped, ...args, '-o', at('never.onnx')]);
  expect(result).toMatchObject({ status, stdout: '' });
  expect(result.stderr).toContain(message);
  expect(existsSync(at('never.onnx'))).toBe(false);
});
