/** Whole networks on the compiled kernels, against onnxruntime. */
import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { toInt8Onnx } from '../../converters/onnx/forms/int8/to-int8.ts';
import { flattenFile } from '../../converters/onnx/layered/flatten.ts';
import { toOnnx } from '../../converters/onnx/write.ts';
import { decodeModel } from '../../proto/onnx.ts';
import { readModelFile } from '../../src/network/model-file.ts';
import { layers } from '../../src/network/topology.ts';
import { loadOneBit } from '../../src/onebit.ts';
import { randomImages, randomModel, variants } from '../network/random-model.ts';
import { relativeError } from '../network/reference.ts';
import { runOnnx } from './onnxruntime.ts';
import { rangesOf } from './ranges.ts';

const IMAGES = 3;
const oneBit = Object.entries(variants).filter(([, changes]) => changes.bits !== 32);
/** Shapes that fill no vector, and enough channels for more than one round of 16-bit sums. */
const shapes = {
  'wide rows': { input: { channels: 3, height: 6, width: 40 } },
  'narrow rows': { input: { channels: 3, height: 21, width: 4 } },
  'many channels': { width: 3, input: { channels: 3, height: 8, width: 12 } },
  'more than a batch': { input: { channels: 1, height: 4, width: 4 } },
};

describe.each([...oneBit, ...Object.entries(shapes)])('%s', (name, changes) => {
  const model = randomModel(changes);
  const { input } = model.config;
  const count = name === 'more than a batch' ? 19 : IMAGES;
  const images = randomImages(model.config, count);
  const dims = [count, input.channels, input.height, input.width];

  test.each(['packed', 'inline', 'int8', 'int8 by product'] as const)('%s', async (form) => {
    const file = form.startsWith('int8')
      ? toInt8Onnx(model, { ranges: rangesOf(model, images, count), indices: form === 'int8' ? 'cast' : 'product' })
      : toOnnx(model, { form: form as 'packed' | 'inline', input: 'nchw-float' });
    const expected = (await runOnnx(file, Float32Array.from(images), dims)).get('logits') as Float32Array;
    const first = await loadOneBit(file, { threads: 1 });
    const logits = await first.run(images);
    first.release();
    expect(relativeError(logits, expected)).toBeLessThan(1e-5);
    for (const threads of [2, 3]) {
      const network = await loadOneBit(file, { threads });
      expect(network.threads).toBe(threads);
      expect(await network.run(images)).toEqual(logits);
      expect(await network.run(Float32Array.from(images.subarray(0, images.length / count)))).toEqual(
        logits.subarray(0, model.config.classes),
      );
      network.release();
    }
  });
});

test.each(['packed', 'int8'] as const)('every layer of %s that can be kept is onnxruntime’s', async (form) => {
  const model = randomModel({ ...variants['pytorch'], width: 1 });
  const { input } = model.config;
  const images = randomImages(model.config, IMAGES);
  const options = { input: 'nchw-float', form: 'packed' } as const;
  const file =
    form === 'int8' ? toInt8Onnx(model, { ranges: rangesOf(model, images, IMAGES), input: options.input }) : toOnnx(model, options);
  const flat = flattenFile(file); // onnxruntime gives what a node of the graph makes
  const made = new Set(decodeModel(flat).graph?.node?.flatMap(({ output }) => output ?? []));
  const keep = layers(model.config).map(({ name }) => name);
  const dims = [IMAGES, input.channels, input.height, input.width];
  const names = keep.filter((name) => made.has(name));
  const expected = await runOnnx(flat, Float32Array.from(images), dims, names);
  const network = await loadOneBit(file, { threads: 1, keep });
  const outputs = await network.runLayers(images);
  network.release();
  expect([...outputs.keys()].filter((name) => name !== 'logits')).toEqual(names.filter((name) => outputs.has(name)));
  expect(outputs.size).toBeGreaterThan(form === 'int8' ? 20 : 30);
  for (const [name, { shape, data }] of outputs) {
    expect(shape[0]).toBe(IMAGES);
    // An activation that an 8-bit convolution reads is in memory as its 8 bits alone.
    const rounded = form === 'int8' && name.endsWith('relu0') ? 0.01 : 1e-5;
    expect(relativeError(data, expected.get(name) as Float32Array), name).toBeLessThan(rounded);
  }
});

test('a network says what it is, classifies, and ends', async () => {
  const model = readModelFile(await readFile('models/fashion-mnist-wrn-20-1/model.safetensors'));
  const network = await loadOneBit(toOnnx(model, { form: 'packed', input: 'nchw-float' }), { threads: 1 });
  expect(network).toMatchObject({ input: { channels: 1, height: 28, width: 28 }, classes: 10, form: 'packed', threads: 1 });
  expect(network.labels).toHaveLength(10);
  expect(network.memoryBytes).toBeLessThan(8e6);
  const predictions = await network.classify({ width: 40, height: 30, data: new Uint8Array(4800).fill(128) }, 3);
  expect(predictions).toHaveLength(3);
  expect(predictions[0]?.probability).toBeGreaterThan(predictions[1]?.probability ?? 1);
  await expect(network.run(new Uint8Array(785))).rejects.toThrow('images: expected a multiple of 1 x 28 x 28 values, got 785');
  expect(await network.run(new Uint8Array(0))).toEqual(new Float32Array(0));
  network.release();
  network.release();
  await expect(network.run(new Uint8Array(784))).rejects.toThrow('got a released one');
});

test.each([0, -1, 1.5, 65])('%d threads are refused', async (threads) => {
  const file = toOnnx(randomModel(), { form: 'packed', input: 'nhwc-uint8' });
  await expect(loadOneBit(file, { threads })).rejects.toThrow(`threads: expected 1 to 64, got ${threads}`);
});

test('an address without an answer is a failed download', async () => {
  await expect(loadOneBit('http://127.0.0.1:9/model.onnx')).rejects.toMatchObject({ code: 'WRN_DOWNLOAD' });
});

test('many runs and many networks take no more memory', async () => {
  const model = randomModel();
  const file = toOnnx(model, { form: 'packed', input: 'nchw-float' });
  const images = randomImages(model.config, 1);
  const round = async (runs: number) => {
    const network = await loadOneBit(file, { threads: 2 });
    for (let i = 0; i < runs; i++) await network.run(images);
    network.release();
  };
  const rounds = async (count: number) => {
    for (let i = 0; i < count; i++) await round(100);
    return process.memoryUsage().rss;
  };
  const before = await rounds(10);
  expect((await rounds(20)) - before).toBeLessThan(50e6);
});
