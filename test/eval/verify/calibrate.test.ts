/** Ranges from real images, and what they cost, on the network and the images that the repository ships. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { planInt8 } from '../../../converters/onnx/forms/int8/plan.ts';
import { toInt8Onnx } from '../../../converters/onnx/forms/int8/to-int8.ts';
import { wilsonInterval } from '../../../eval/tally/statistics.ts';
import { calibrate, methodNames, methods } from '../../../eval/verify/calibrate.ts';
import { Histogram } from '../../../eval/verify/histogram.ts';
import { verifyInt8 } from '../../../eval/verify/int8.ts';
import { layerErrors, worstLayer } from '../../../eval/verify/layer-errors.ts';
import type { ImageSet } from '../../../src/data/dataset.ts';
import { openImageSet } from '../../../src/data/open.ts';
import { ParityError, UsageError } from '../../../src/errors.ts';
import type { Model } from '../../../src/network/model.ts';
import { readModelFile } from '../../../src/network/model-file.ts';
import { random, randomImages, randomModel } from '../../network/random-model.ts';
import { reference } from '../../network/reference.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
let model: Model;
let train: ImageSet;
let data: ImageSet;
beforeAll(async () => {
  model = readModelFile(await readFile(`${root}models/fashion-mnist-wrn-20-1/model.safetensors`));
  train = await openImageSet(`${root}examples/fashion-mnist`, { split: 'train' });
  data = await openImageSet(`${root}examples/fashion-mnist`, { split: 'test' });
});
afterAll(async () => {
  await train.close();
  await data.close();
});

describe('histogram', () => {
  const next = random(3);
  // two humps and a far outlier, so that the limit doubles many times
  const values = Float32Array.from({ length: 20_000 }, (_, i) => (i === 10_000 ? 900 : (next() + next() + next()) * (i % 2 ? 1 : -3)));
  const seen = new Histogram();
  for (let i = 0; i < values.length; i += 1000) seen.add(values.subarray(i, i + 1000));
  const sorted = Float32Array.from(values).sort();

  test.each([0.01, 0.25, 0.5, 0.9, 0.999])('quantile %s is that of the sorted values, to a bin', (fraction) => {
    const bin = (2 * 1024) / 8192;
    expect(Math.abs(seen.quantile(fraction) - (sorted[Math.ceil(fraction * values.length) - 1] as number))).toBeLessThanOrEqual(bin);
  });

  test('smallest and largest are exact, no value is lost', () => {
    expect([seen.min, seen.max]).toEqual([sorted[0], 900]);
    expect(seen.sum(() => 1)).toBe(values.length);
    expect([seen.quantile(0), seen.quantile(1)]).toEqual([sorted[0], 900]);
  });
});

test('the 95 % interval of a proportion', () => {
  // scipy 1.16, binomtest(k, n).proportion_ci(0.95, 'wilson')
  for (const [k, n, low, high] of [
    [96, 100, 0.9016292856, 0.984336696],
    [0, 20, 0, 0.1611251581],
    [9625, 10000, 0.9585952728, 0.9660495287],
  ] as const) {
    const interval = wilsonInterval(k, n);
    expect(interval[0]).toBeCloseTo(low, 8);
    expect(interval[1]).toBeCloseTo(high, 8);
  }
});

test('minmax finds the smallest and the largest value of the naive interpreter', async () => {
  const IMAGES = 20;
  const small = randomModel();
  const images = randomImages(small.config, IMAGES);
  const ranges = await calibrate(small, { data: memorySet(small, images, IMAGES), images: IMAGES, method: 'minmax' });
  const values = reference(small, images, IMAGES);
  for (const [name, { low, high }] of ranges) {
    const expected = values.get(name) as Float64Array;
    expect([low, high].map((v) => v.toFixed(4))).toEqual([Math.min(...expected), Math.max(...expected)].map((v) => v.toFixed(4)));
  }
});

/** A data set that lies in memory; all labels 0. */
function memorySet({ config }: Model, images: Uint8Array, count: number): ImageSet {
  const size = images.length / count;
  return {
    ...config.input,
    name: 'memory',
    split: 'train',
    classes: config.classes,
    classLabels: undefined,
    length: count,
    async *batches(batch, from = 0, to = count) {
      for (let offset = from; offset < to; offset += batch) {
        const end = Math.min(offset + batch, to);
        const imagesNCHW = images.subarray(offset * size, end * size);
        yield { offset, count: end - offset, imagesNCHW, labels: new Int32Array(end - offset) };
      }
    },
    close: async () => {},
  };
}

describe('methods, on values with one far away on each side', () => {
  const next = random(11);
  const COUNT = 200_000;
  const signed = Float32Array.from({ length: COUNT }, (_, i) => ({ 100: 10, 200: -9 })[i] ?? 2 * (next() + next() + next()) - 2.8);
  const tensors = [
    { title: 'signed', floor: undefined, values: signed },
    { title: 'ReLU', floor: 0, values: signed.map((x) => Math.max(0, x)) },
    { title: 'shifted ReLU', floor: -1, values: signed.map((x) => Math.max(-1, x)) },
  ] as const;
  const histogramOf = (values: Float32Array) => {
    const seen = new Histogram();
    seen.add(values);
    return seen;
  };
  /** Mean squared error of 8 bits, by the definition of QuantizeLinear. */
  const errorOf = (values: Float32Array, floor: 0 | -1 | undefined, low: number, high: number) => {
    const from = Math.min(floor ?? low, 0);
    const zero = floor === -1 ? Math.floor(255 / (high + 1)) : 0;
    const step = floor === -1 ? 1 / zero : (high - from) / 255;
    const zeroPoint = floor === -1 ? zero : Math.round(-from / step);
    const back = (x: number) => (Math.min(255, Math.max(0, Math.round(x / step) + zeroPoint)) - zeroPoint) * step;
    return values.reduce((sum, x) => sum + (back(x) - x) ** 2, 0) / values.length;
  };
  const bin = (2 * 16) / 8192; // the histogram reaches to 16

  test.each(tensors)('percentile is that of the sorted values: $title', ({ values, floor }) => {
    const sorted = Float32Array.from(values).sort();
    const { low, high } = methods.percentile(histogramOf(values), { name: 'x', floor });
    // 20 of 200,000 are beyond
    expect(Math.abs(high - (sorted[COUNT - 1 - 20] as number))).toBeLessThanOrEqual(bin);
    expect(Math.abs(low - (sorted[19] as number))).toBeLessThanOrEqual(bin);
  });

  test.each(tensors)('mse finds the least error of all ranges that clip both sides alike: $title', ({ values, floor }) => {
    const seen = histogramOf(values);
    const { low, high } = methods.mse(seen, { name: 'x', floor });
    const [min, max] = [Math.max(floor ?? -9, -9), 10];
    const errors = Array.from({ length: 80 }, (_, i) => errorOf(values, floor, (min * (i + 1)) / 80, (max * (i + 1)) / 80));
    const found = errorOf(values, floor, low, high);
    expect(found).toBeLessThan(1.02 * Math.min(...errors));
    expect(found).toBeLessThan(0.9 * (errors.at(-1) as number)); // of minmax
    const { low: clippedLow, high: clippedHigh } = methods.percentile(seen, { name: 'x', floor });
    expect(found).toBeLessThan(0.9 * errorOf(values, floor, clippedLow, clippedHigh));
  });

  test('percentile of a ReLU that hardly any value passes is what is there', () => {
    const sparse = new Float32Array(1e6);
    for (let i = 0; i < 50; i++) sparse[i * 1000] = 3 + i / 100;
    const range = methods.percentile(histogramOf(sparse), { name: 'x', floor: 0 });
    expect(range).toEqual({ low: 0, high: Math.fround(3.49) });
  });
});

test('errors of layers on images of the size of ImageNet', async () => {
  const wide = randomModel({ stem: 'imagenet', depth: 10, width: 1 / 64, input: { channels: 3, height: 224, width: 224 } });
  const images = randomImages(wide.config, 2);
  const tensors = planInt8(wide).tensors.map(({ name }) => name);
  const ranges = new Map(tensors.map((name) => [name, { low: -8, high: 8 }]));
  const errors = await layerErrors(wide, ranges, memorySet(wide, images, 2));
  expect(errors.map(({ layer }) => layer)).toEqual(tensors);
  for (const { own } of errors) expect(own).toBeGreaterThan(0);
});

test.each(methodNames)('%s: the int8 file decides real images as the float network does', async (method) => {
  const ranges = await calibrate(model, { data: train, images: 64, method });
  expect([...ranges.keys()]).toEqual(planInt8(model).tensors.map(({ name }) => name));
  const got = await verifyInt8(toInt8Onnx(model, { ranges, input: 'nhwc-uint8' }), { model, ranges, data, images: 400 });
  expect(got).toMatchObject({ images: 400 });
  expect(got.agreement).toBeGreaterThan(0.97);
  expect(got.relError).toBeGreaterThan(1e-4);
  expect(got.relError).toBeLessThan(0.1);
  expect(Math.abs(got.int8.top1 - got.float.top1)).toBeLessThanOrEqual(1 - got.agreement + 1e-9);
  expect(got.layers.map(({ layer }) => layer)).toEqual([...ranges.keys()]);
  for (const { own, logits, total } of got.layers) {
    expect(own).toBeGreaterThan(0);
    expect(own).toBeLessThan(0.1);
    expect(logits).toBeGreaterThan(0);
    expect(logits).toBeLessThan(0.1);
    expect(total).toBeLessThan(0.3);
  }
});

describe('the layer to blame', () => {
  const small = 'group2.block0.relu1';
  const minmax = () => calibrate(model, { data: train, images: 16, method: 'minmax' });

  test('is one whose range is far too small', async () => {
    const ranges = new Map(await minmax()).set(small, { low: 0, high: 0.01 });
    const { layer, own, logits } = worstLayer(await layerErrors(model, ranges, data));
    expect(layer).toBe(small);
    expect(own).toBeGreaterThan(0.9);
    expect(logits).toBeGreaterThan(0.1);
  });

  test('is the one that changes the logits, not one whose own values are hurt more but hardly count', async () => {
    const branch = 'group1.block1.conv1';
    const scale = model.tensors.get(`${branch}.scale`);
    if (scale?.dtype !== 'float32') throw new Error('no scale');
    const faint = { ...model, tensors: new Map(model.tensors).set(`${branch}.scale`, { ...scale, data: scale.data.map((s) => s * 1e-4) }) };
    const ranges = new Map(await calibrate(faint, { data: train, images: 16, method: 'minmax' }));
    ranges.set(branch, { low: -1e-7, high: 1e-7 }).set(small, { low: 0, high: 0.3 });
    await expect(layerErrors(faint, ranges, data, AbortSignal.abort('stopped'))).rejects.toBe('stopped');
    const errors = new Map((await layerErrors(faint, ranges, data)).map((error) => [error.layer, error]));
    expect(errors.get(branch)?.own).toBeGreaterThan(errors.get(small)?.own as number);
    expect(errors.get(branch)?.logits).toBeLessThan(1e-3);
    expect(worstLayer([...errors.values()]).layer).toBe(small);
  });
});

test('a file with other bits is refused', async () => {
  const ranges = await calibrate(model, { data: train, images: 16, method: 'minmax' });
  const file = toInt8Onnx(model, { ranges });
  const tensors = new Map(model.tensors);
  const kernel = tensors.get('group0.block0.conv0.kernel');
  if (kernel?.dtype !== 'bits') throw new Error('no bits');
  tensors.set('group0.block0.conv0.kernel', { ...kernel, data: kernel.data.map((byte, i) => (i ? byte : byte ^ 1)) });
  await expect(verifyInt8(file, { model: { ...model, tensors }, ranges, data, images: 16 })).rejects.toThrow(ParityError);
});

describe('refusals', () => {
  test('too few images asked for', async () => {
    await expect(calibrate(model, { data: train, images: 3, method: 'mse' })).rejects.toThrow(
      new UsageError('calibration: expected at least 16 images, got 3'),
    );
  });
  test('more images than there are', async () => {
    await expect(calibrate(model, { data: train, images: 100_000, method: 'mse' })).rejects.toThrow(
      /expected 100000 images in .*, got 2000/,
    );
  });
  test('an interrupt', async () => {
    await expect(calibrate(model, { data: train, images: 32, method: 'mse', signal: AbortSignal.abort('stopped') })).rejects.toBe(
      'stopped',
    );
  });
});
