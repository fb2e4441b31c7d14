/** Options that take one of several names, given another one, as a caller in JavaScript can. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import * as wrn from '../src/index.ts';
import { openSplits, trainNetwork } from '../src/train-api.ts';

const ours = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const model = wrn.readModel(await readFile(ours('models/fashion-mnist-wrn-20-1/model.safetensors')));
const file = wrn.toOnnx(model);
const images = ours('examples/fashion-mnist');
const data = await wrn.openImageSet(images);
afterAll(() => data.close());
const ranges: wrn.Ranges = new Map();
const layouts = 'nchw-float, nhwc-uint8';
const backends = wrn.backendNames.join(', ');
/** Of any type. */
const wrong = (name: string) => name as never;

test.each<[string, () => unknown, string]>([
  ['form', () => wrn.toOnnx(model, { form: wrong('fp16') }), 'form: expected packed, inline, dense, qonnx, got "fp16"'],
  ['form of Object', () => wrn.toOnnx(model, { form: wrong('toString') }), 'form: expected packed, inline, dense, qonnx, got "toString"'],
  ['input', () => wrn.toOnnx(model, { input: wrong('nhwc') }), `input: expected ${layouts}, got "nhwc"`],
  ['input, fp16', () => wrn.toFp16Onnx(model, { input: wrong('nhwc') }), `input: expected ${layouts}, got "nhwc"`],
  ['indices', () => wrn.toInt8Onnx(model, { ranges, indices: wrong('gather') }), 'indices: expected cast, product, got "gather"'],
  ['method', () => wrn.calibrate(model, { data, method: wrong('max') }), 'method: expected percentile, mse, minmax, got "max"'],
  ['split', () => wrn.openImageSet(images, { split: wrong('val') }), 'split: expected train, test, got "val"'],
  ['split, no text', () => wrn.openImageSet(images, { split: wrong(0 as never) }), 'split: expected train, test, got 0'],
  ['backends', () => wrn.evaluate(file, { data, backends: [wrong('gpu')] }), `backend: expected ${backends}, got "gpu"`],
  ['device', () => wrn.evaluate(file, { data, backends: [wrong('cpu#2')] }), `backend: expected ${backends}, got "cpu#2"`],
  ['reference', () => wrn.evaluate(file, { data, backends: ['cpu'], reference: 'wasm' }), 'reference: expected cpu, got "wasm"'],
  ['probe', () => wrn.probe(wrong('toString')), `backend: expected ${backends}, got "toString"`],
  ['bench', () => wrn.bench([{ name: 'a', model: file }], { backends: [wrong('gpu')] }).next(), `backend: expected ${backends}, got "gpu"`],
])('%s', async (_, call, message) => {
  const error = await new Promise((resolve) => resolve(call())).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(wrn.UsageError);
  expect((error as Error).message).toBe(message);
});

test('a recipe and a network to train', async () => {
  const splits = await openSplits(images);
  const folder = await mkdtemp(join(tmpdir(), 'wrn-choice-'));
  try {
    const train = (options: object) => trainNetwork(splits, { folder, epochs: 1, ...options });
    await expect(train({ recipe: { math: 'float16' } })).rejects.toThrow('recipe math: expected "float32" or "bf16", got "float16"');
    await expect(train({ network: { affine: 'some' } })).rejects.toThrow('configuration affine: expected "none"');
  } finally {
    await Promise.all([splits.train.close(), splits.test.close(), rm(folder, { recursive: true })]);
  }
});
