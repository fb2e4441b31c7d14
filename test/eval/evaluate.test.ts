/** Evaluation and bisection on the network and the images that the repository ships. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fromOnnx } from '../../converters/onnx/from-onnx.ts';
import { toOnnx, toOnnxProto } from '../../converters/onnx/to-onnx.ts';
import { bisect } from '../../eval/bisect.ts';
import { type EvaluateOptions, evaluate } from '../../eval/evaluate.ts';
import { verifyExport } from '../../eval/verify-export.ts';
import { encodeModel } from '../../proto/onnx.ts';
import type { ImageSet } from '../../src/data/image-set.ts';
import { openImageSet } from '../../src/data/open.ts';
import { InputError, ParityError } from '../../src/errors.ts';
import type { Model } from '../../src/network/model.ts';
import { readModelFile } from '../../src/network/model-file.ts';
import { randomModel } from '../network/random-model.ts';
import { reference } from '../network/reference.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
let model: Model;
let data: ImageSet;
beforeAll(async () => {
  model = readModelFile(await readFile(`${root}models/fashion-mnist-wrn-20-1/model.safetensors`));
  data = await openImageSet(`${root}examples/fashion-mnist`, { split: 'test' });
});
afterAll(() => data.close());

const packed = (of: Model = model) => toOnnx(of, { form: 'packed', input: 'nchw-float' });
const options = (changes: Partial<EvaluateOptions> = {}): EvaluateOptions => ({
  model: packed(),
  modelName: 'model.onnx',
  data,
  backends: ['cpu'],
  backendOptions: { batch: 8 },
  ...changes,
});

test('accuracy is what the naive interpreter finds, image by image', async () => {
  const LIMIT = 6;
  let right = 0;
  for await (const { imagesNCHW, labels, count } of data.batches(LIMIT, 0, LIMIT)) {
    const logits = reference(model, imagesNCHW, count).get('logits') as Float64Array;
    for (let i = 0; i < count; i++) {
      const row = logits.subarray(i * 10, (i + 1) * 10);
      if (row.indexOf(Math.max(...row)) === labels[i]) right++;
    }
  }
  const report = await evaluate(options({ limit: LIMIT }));
  expect(report).toMatchObject({ model: 'model.onnx', images: LIMIT, reference: 'cpu', verdict: 'pass' });
  expect(report.results[0]).toMatchObject({ images: LIMIT, top1: right / LIMIT, top5: null, agreement: null, verdict: 'reference' });
});

test('the shipped network on 1,000 images: the backends agree with the CPU', async () => {
  const seen: number[] = [];
  const report = await evaluate(
    options({
      backends: ['wasm', 'cpu'],
      reference: 'cpu',
      backendOptions: { batch: 64 },
      onLogits: (name, offset) => name === 'cpu' && seen.push(offset),
    }),
  );
  expect(report.results.map(({ backend, verdict }) => [backend, verdict])).toEqual([
    ['wasm', 'pass'],
    ['cpu', 'reference'],
  ]);
  const [wasm, cpu] = report.results;
  expect(wasm).toMatchObject({ images: 1000, agreement: 1, flips: 0, top1: cpu?.top1 });
  expect(wasm?.relError).toBeLessThan(1e-5);
  expect(seen).toEqual(Array.from({ length: 16 }, (_, i) => i * 64));
});

test('a signal ends it after the batches under way; the report holds what was done', async () => {
  const abort = new AbortController();
  const report = await evaluate(options({ signal: abort.signal, onProgress: (_, done) => done >= 16 && abort.abort() }));
  expect(report.images).toBeGreaterThanOrEqual(16);
  expect(report.images).toBeLessThan(1000);
  expect(report.results[0]?.images).toBe(report.images);
});

test.each([
  { title: 'another image size', changes: { input: { channels: 1, height: 8, width: 8 } }, message: /images of 1 x 8 x 8/ },
  { title: 'another number of classes', changes: { input: { channels: 1, height: 28, width: 28 }, classes: 7 }, message: /7 classes/ },
])('data of $title than the network are refused', async ({ changes, message }) => {
  const attempt = evaluate(options({ model: packed(randomModel(changes)) }));
  await expect(attempt).rejects.toThrow(InputError);
  await expect(attempt).rejects.toThrow(message);
});

test('a file that is no classifier is refused', async () => {
  await expect(evaluate(options({ model: Uint8Array.of(1, 2, 3) }))).rejects.toThrow(InputError);
});

/** The model with one bit of one kernel flipped. */
function withFlippedBit(kernel: string, bit: number): Model {
  const tensor = model.tensors.get(kernel);
  if (tensor?.dtype !== 'bits') throw new Error(`no bits in ${kernel}`);
  const bits = tensor.data.slice();
  bits[bit >> 3] = (bits[bit >> 3] as number) ^ (0x80 >> (bit & 7));
  return { ...model, tensors: new Map(model.tensors).set(kernel, { ...tensor, data: bits }) };
}

/** The exported file with the pads of one convolution moved to the other side. */
function withWrongPad(conv: string): Uint8Array {
  const proto = toOnnxProto(model, { form: 'inline', input: 'nchw-float' });
  const pads = proto.graph?.node?.find(({ name }) => name === conv)?.attribute?.find(({ name }) => name === 'pads');
  if (!pads) throw new Error(`no pads in ${conv}`);
  pads.ints = [...(pads.ints ?? [])].reverse();
  return encodeModel(proto);
}

test.each([
  { title: 'a flipped bit', other: () => packed(withFlippedBit('group1.block1.conv0.kernel', 777)), layer: 'group1.block1.conv0' },
  { title: 'a flipped bit in the last layer', other: () => packed(withFlippedBit('head.conv.kernel', 3)), layer: 'head.conv' },
  { title: 'a wrong pad', other: () => withWrongPad('group2.block0.conv0'), layer: 'group2.block0.conv0' },
])('bisect names the layer of $title', async ({ other, layer }) => {
  for await (const { imagesNCHW, count } of data.batches(2)) {
    const side = (name: string, file: Uint8Array) => ({ name, model: file, backend: 'cpu' as const });
    const result = await bisect(side('a', packed()), side('b', other()), { imagesNCHW, count, tolerance: 1e-4, backendOptions: {} });
    expect(result.first?.layer).toBe(layer);
    const at = result.layers.findIndex((row) => row.layer === layer);
    expect(result.layers.slice(0, at).every(({ relError }) => relError !== null && relError < 1e-5)).toBe(true);
    return;
  }
});

test('bisect of one file on two backends finds every layer equal', async () => {
  for await (const { imagesNCHW, count } of data.batches(1)) {
    const file = packed();
    const result = await bisect(
      { name: 'a', model: file, backend: 'cpu' },
      { name: 'a', model: file, backend: 'wasm' },
      { imagesNCHW, count, tolerance: 1e-4, backendOptions: {} },
    );
    expect(result.first).toBeNull();
    expect(result.layers.length).toBeGreaterThan(70);
    return;
  }
});

test('an export that is not the model is found out', async () => {
  const exportOptions = { form: 'packed', input: 'nchw-float' } as const;
  const verification = await verifyExport(packed(), model, exportOptions);
  expect(verification.bits).toBe(268_048);
  expect(verification.relError).toBeLessThan(1e-5);
  const flipped = packed(withFlippedBit('group1.block1.conv0.kernel', 777));
  await expect(verifyExport(flipped, model, exportOptions)).rejects.toThrow(
    new ParityError('read back from the file, group1.block1.conv0.kernel differs from the source'),
  );
  const wrongPad = withWrongPad('group2.block0.conv0');
  await expect(verifyExport(wrongPad, model, exportOptions)).rejects.toThrow(/logits differ from the reference/);
  expect(fromOnnx(toOnnxProto(model, exportOptions)).tensors.size).toBe(model.tensors.size);
});
