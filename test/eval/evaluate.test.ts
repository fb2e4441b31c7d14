/** Evaluation and bisection on the network and the images that the repository ships. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { fromOnnx } from '../../converters/onnx/read.ts';
import { toOnnx, toOnnxProto } from '../../converters/onnx/write.ts';
import { backends } from '../../eval/backends/table.ts';
import { type EvaluateOptions, evaluate } from '../../eval/evaluate.ts';
import type { Report } from '../../eval/report.ts';
import { bisect, type Side } from '../../eval/verify/bisect.ts';
import { verifyExport } from '../../eval/verify/export.ts';
import { encodeModel } from '../../proto/onnx.ts';
import type { ImageSet } from '../../src/data/dataset.ts';
import { openImageSet } from '../../src/data/open.ts';
import { DeviceError, InputError, ParityError, UsageError } from '../../src/errors.ts';
import type { Model } from '../../src/network/model.ts';
import { readModelFile } from '../../src/network/model-file.ts';
import { type FloatTensor, floatTensor } from '../../src/network/tensor.ts';
import { model as foreign, node, value } from '../converters/onnx/foreign-model.ts';
import { randomModel } from '../network/random-model.ts';
import { reference } from '../network/reference.ts';
import { fakeBackend } from './fake-session.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
let model: Model;
let data: ImageSet;
beforeAll(async () => {
  model = readModelFile(await readFile(`${root}models/fashion-mnist-wrn-20-1/model.safetensors`));
  data = await openImageSet(`${root}examples/fashion-mnist`, { split: 'test' });
});
afterAll(() => data.close());
afterEach(() => void vi.restoreAllMocks());

const packed = (of: Model = model) => toOnnx(of, { form: 'packed', input: 'nchw-float' });
const options = (changes: Partial<EvaluateOptions> = {}): EvaluateOptions => ({
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
  const report = await evaluate(packed(), options({ limit: LIMIT }));
  expect(report).toMatchObject({ model: 'model.onnx', images: LIMIT, reference: 'cpu', verdict: null });
  expect(report.results[0]).toMatchObject({ images: LIMIT, top1: right / LIMIT, top5: null, agreement: null, verdict: 'reference' });
});

test('the shipped network on 1,000 images: the backends agree with the CPU', async () => {
  const seen: number[] = [];
  const report = await evaluate(
    packed(),
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

test('a signal ends it after the batches under way with its reason, once the report of what was done is handed over', async () => {
  const abort = new AbortController();
  const reason = new Error('enough');
  let found: Report | undefined;
  const onProgress = (_: string, done: number) => done >= 16 && abort.abort(reason);
  const attempt = evaluate(packed(), options({ signal: abort.signal, onProgress, onPartial: (report) => (found = report) }));
  await expect(attempt).rejects.toBe(reason);
  expect(found?.images).toBeGreaterThanOrEqual(16);
  expect(found?.images).toBeLessThan(1000);
  expect(found?.results[0]?.images).toBe(found?.images);
});

test('a batch is read while the one before it runs, and no more than that', async () => {
  const events: string[] = [];
  const read: ImageSet = {
    ...data,
    length: 32,
    async *batches(size) {
      for (let offset = 0; offset < 32; offset += size) {
        events.push(`read ${offset}`);
        yield { offset, count: size, imagesNCHW: new Uint8Array(size * 28 * 28), labels: new Int32Array(size) };
      }
    },
  };
  fakeBackend('cpu', () => {
    let runs = 0;
    return {
      async run(_images, count) {
        const offset = count * runs++;
        events.push(`run ${offset}`);
        await new Promise(setImmediate); // whatever can go on at once goes on before this
        events.push(`done ${offset}`);
        return { outputs: { logits: { shape: [count, 10], data: new Float32Array(count * 10) } }, seconds: 1 };
      },
    };
  });
  await evaluate(packed(), options({ data: read }));
  const at = (event: string) => events.indexOf(event);
  for (const offset of [8, 16, 24]) {
    expect(at(`run ${offset}`)).toBeLessThan(at(`done ${offset - 8}`));
    expect(at(`read ${offset}`)).toBeGreaterThan(at(`done ${offset - 16}`));
  }
});

test('a file of a fixed batch is run in batches of that', async () => {
  const file = toOnnx(model, { form: 'qonnx', input: 'nchw-float', batch: 2 });
  const [fixed, free] = [await evaluate(file, options({ limit: 5 })), await evaluate(packed(), options({ limit: 5 }))];
  expect(fixed).toMatchObject({ images: 5, batch: 2 });
  expect(fixed.results[0]?.top1).toBe(free.results[0]?.top1);
});

test('a backend that fails ends the evaluation; what those before it have found is handed over first', async () => {
  fakeBackend('wasm', () => ({
    run: () => Promise.reject(new DeviceError('no wasm today')),
  }));
  let found: Report | undefined;
  const attempt = evaluate(
    packed(),
    options({ backends: ['wasm', 'cpu'], reference: 'cpu', limit: 8, onPartial: (report) => (found = report) }),
  );
  await expect(attempt).rejects.toThrow('no wasm today');
  expect(found).toMatchObject({ images: 8, complete: false, results: [{ backend: 'cpu', images: 8 }] });
});

test('every backend is opened once, before any runs, and closed once', async () => {
  const events: string[] = [];
  for (const name of ['cpu', 'wasm'] as const) {
    fakeBackend(name, () => {
      events.push(`open ${name}`);
      return {
        async run(_images, count) {
          events.push(`run ${name}`);
          return { outputs: { logits: { shape: [count, 10], data: new Float32Array(count * 10) } }, seconds: 1 };
        },
        async close() {
          events.push(`close ${name}`);
        },
      };
    });
  }
  await evaluate(packed(), options({ backends: ['wasm', 'cpu'], reference: 'cpu', limit: 8 }));
  expect(events).toEqual(['open cpu', 'open wasm', 'run cpu', 'close cpu', 'run wasm', 'close wasm']);
});

test('a backend that is not there is an error before any runs, or is left out and named where that is asked for', async () => {
  const ran: string[] = [];
  const closed: string[] = [];
  fakeBackend('cpu', () => ({
    async run(_images, count) {
      ran.push('cpu');
      return { outputs: { logits: { shape: [count, 10], data: new Float32Array(count * 10) } }, seconds: 1 };
    },
    close: async () => void closed.push('cpu'),
  }));
  fakeBackend('cuda', () => {
    throw new DeviceError('no GPU');
  });
  const two = options({ backends: ['cpu', 'cuda'], limit: 8 });
  await expect(evaluate(packed(), two)).rejects.toThrow('no GPU');
  expect({ ran, closed }).toEqual({ ran: [], closed: ['cpu'] });
  const missing: string[] = [];
  const report = await evaluate(packed(), { ...two, onMissing: (name, reason) => missing.push(`${name}: ${reason}`) });
  expect(missing).toEqual(['cuda: no GPU']);
  expect(report).toMatchObject({ complete: true, backends: ['cpu'], results: [{ backend: 'cpu' }] });
  const absent = evaluate(packed(), { ...two, reference: 'cuda', onMissing: (name) => missing.push(name) });
  await expect(absent).rejects.toThrow('no GPU');
});

test('a model that a working backend refuses is an error, even where absent ones are left out', async () => {
  const { open } = backends.wasm;
  const original = packed();
  vi.spyOn(backends.wasm, 'open').mockImplementation((bytes, ...rest) =>
    bytes.length === original.length ? Promise.reject(new DeviceError('no such form')) : open(bytes, ...rest),
  );
  const attempt = evaluate(original, options({ backends: ['cpu', 'wasm'], limit: 8, onMissing: () => {} }));
  await expect(attempt).rejects.toThrow('no such form');
});

test('a runtime that dies of the signal that ends the evaluation is no failure', async () => {
  const abort = new AbortController();
  fakeBackend('wasm', () => ({
    run() {
      abort.abort('enough');
      return Promise.reject(new DeviceError('killed'));
    },
  }));
  let found: Report | undefined;
  const onPartial = (report: Report) => (found = report);
  await expect(evaluate(packed(), options({ backends: ['cpu', 'wasm'], limit: 8, signal: abort.signal, onPartial }))).rejects.toBe(
    'enough',
  );
  expect(found).toMatchObject({ complete: false, results: [{ backend: 'cpu' }], verdict: null });
});

test.each([
  { title: 'another image size', changes: { input: { channels: 1, height: 8, width: 8 } }, message: /images of 1 x 8 x 8/ },
  { title: 'another number of classes', changes: { input: { channels: 1, height: 28, width: 28 }, classes: 7 }, message: /7 classes/ },
])('data of $title than the network are refused', async ({ changes, message }) => {
  const attempt = evaluate(packed(randomModel(changes)), options());
  await expect(attempt).rejects.toThrow(InputError);
  await expect(attempt).rejects.toThrow(message);
});

test('a file that is no classifier is refused', async () => {
  await expect(evaluate(Uint8Array.of(1, 2, 3), options())).rejects.toThrow(InputError);
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
    const result = await bisect([side('a', packed()), side('b', other())], { imagesNCHW, count, tolerance: 1e-4, backendOptions: {} });
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
      [
        { name: 'a', model: file, backend: 'cpu' },
        { name: 'a', model: file, backend: 'wasm' },
      ],
      { imagesNCHW, count, tolerance: 1e-4, backendOptions: {} },
    );
    expect(result.first).toBeNull();
    expect(result.layers.length).toBeGreaterThan(70);
    return;
  }
});

test('bisect passes over an output of integers, whatever its name', async () => {
  const nodes = [node('Flatten', ['x'], 'y'), node('Shape', ['x'], 'toString')];
  const proto = foreign({ nodes, tensors: [], inputs: [value('x', ['batch', 1, 2, 5])] });
  proto.graph = { ...proto.graph, output: [value('y', ['batch', 10])] };
  const side = { name: 'x', model: encodeModel(proto), backend: 'cpu' as const };
  const { layers } = await bisect([side, side], { imagesNCHW: new Uint8Array(10), count: 1, backendOptions: {} });
  expect(layers.map(({ layer }) => layer)).toEqual(['y']);
});

test('bisect asks no file for more images than it takes', async () => {
  const file = toOnnx(model, { form: 'dense', input: 'nhwc-uint8', batch: 1 });
  const [a, b] = [packed(), file].map((model) => ({ name: 'x', model, backend: 'cpu' as const })) as [Side, Side];
  const attempt = bisect([a, b], { imagesNCHW: new Uint8Array(2 * 28 * 28), count: 2, backendOptions: {} });
  await expect(attempt).rejects.toThrow(new UsageError('expected at most 1 images, the batch size fixed in a file, got 2'));
});

test('bisect tells a layer that is not finite from one of another shape', async () => {
  const mean = model.tensors.get('head.norm.mean') as FloatTensor;
  const nan = floatTensor(mean.shape, new Float32Array(mean.data.length).fill(Number.NaN));
  const damaged = { ...model, tensors: new Map(model.tensors).set('head.norm.mean', nan) };
  const other = toOnnx(damaged, { form: 'inline', input: 'nchw-float' });
  const [a, b] = [packed(), other].map((model) => ({ name: 'x', model, backend: 'cpu' as const })) as [Side, Side];
  const found = await bisect([a, b], { imagesNCHW: new Uint8Array(28 * 28), count: 1, backendOptions: {} });
  const [first] = JSON.parse(JSON.stringify([found.first]));
  expect(first).toEqual({ layer: 'head.norm', op: 'BatchNormalization', relError: null, maxAbsDiff: null, problem: 'not finite' });
});

test('an export that is not the model is found out', async () => {
  const exportOptions = { form: 'packed', input: 'nchw-float' } as const;
  const verification = await verifyExport(packed(), { model });
  expect(verification.bits).toBe(268_048);
  expect(verification.relError).toBeLessThan(1e-5);
  const flipped = packed(withFlippedBit('group1.block1.conv0.kernel', 777));
  await expect(verifyExport(flipped, { model })).rejects.toThrow(
    new ParityError('read back from the file, group1.block1.conv0.kernel differs from the source'),
  );
  const wrongPad = withWrongPad('group2.block0.conv0');
  await expect(verifyExport(wrongPad, { model })).rejects.toThrow(/logits differ from the reference/);
  expect(fromOnnx(toOnnxProto(model, exportOptions)).tensors.size).toBe(model.tensors.size);
});
