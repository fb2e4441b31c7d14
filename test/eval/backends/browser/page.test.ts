/** The code that also runs in pages: pixels to inputs, logits to predictions, a classifier over onnxruntime. */
import * as ort from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import { toOnnx } from '../../../../converters/onnx/write.ts';
import { type ModelInput, runBatch } from '../../../../eval/runtime/runtime.ts';
import { UsageError } from '../../../../src/errors.ts';
import { fromPixels } from '../../../../src/onebit/picture.ts';
import { loadClassifier, softmax, toInput, topK } from '../../../../src/web.ts';
import { randomModel } from '../../../network/random-model.ts';
import { reference } from '../../../network/reference.ts';

const images = Uint8Array.from({ length: 24 }, (_, i) => i); // two images of 3 x 2 x 2
const input = { name: 'images', channels: 3, height: 2, width: 2 } as const;

describe('toInput', () => {
  const cases: { title: string; spec: ModelInput; count: number; expected: number[] }[] = [
    { title: 'float32 NCHW keeps the order', spec: { ...input, type: 'float32', layout: 'nchw' }, count: 2, expected: [...images] },
    {
      title: 'uint8 NHWC puts the channels last',
      spec: { ...input, type: 'uint8', layout: 'nhwc' },
      count: 1,
      expected: [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11],
    },
    {
      title: 'a fixed batch is padded with zeros',
      spec: { ...input, type: 'float32', layout: 'nchw', fixedBatch: 2 },
      count: 1,
      expected: [...images.subarray(0, 12), ...new Array(12).fill(0)],
    },
  ];
  test.each(cases)('$title', ({ spec, count, expected }) => {
    const values = toInput(images, count, spec);
    expect([...values]).toEqual(expected);
    expect(values).toBeInstanceOf(spec.type === 'float32' ? Float32Array : Uint8Array);
  });
});

test('more images than a file takes at once are refused before it runs', async () => {
  const spec: ModelInput = { ...input, type: 'float32', layout: 'nchw', fixedBatch: 1 };
  await expect(runBatch(ort, {} as never, spec, images, 2)).rejects.toThrow(
    new UsageError('expected at most 1 images at once, the batch size fixed in the file, got 2'),
  );
});

test('a batch frees every output, those too that are no floats', async () => {
  const outputs = { logits: new ort.Tensor('float32', [1, 2], [1, 2]), label: new ort.Tensor('int64', [1n], [1]) };
  const disposed: string[] = [];
  for (const [name, output] of Object.entries(outputs)) output.dispose = () => disposed.push(name);
  const session = { run: async () => outputs } as unknown as ort.InferenceSession;
  const got = await runBatch(ort, session, { ...input, type: 'float32', layout: 'nchw' }, images, 1);
  expect(Object.keys(got.outputs)).toEqual(['logits']);
  expect(disposed).toEqual(['logits', 'label']);
});

test('softmax of large logits does not overflow', () => {
  const [a, b] = softmax([1000, 1000 - Math.log(3)]);
  expect(a).toBeCloseTo(0.75, 12);
  expect(b).toBeCloseTo(0.25, 12);
});

test('top classes come with labels, most likely first, ties by index', () => {
  expect(topK([0, 2, 2], 2, ['cat', 'dog', 'ship']).map(({ label }) => label)).toEqual(['dog', 'ship']);
  expect(topK([0, 1], 5).map(({ label }) => label)).toEqual(['class 1', 'class 0']);
});

test('a classifier gives the reference’s probabilities for canvas pixels', async () => {
  const model = randomModel();
  const labelled = { ...model, about: { ...model.about, classLabels: Array.from({ length: 10 }, (_, i) => `label ${i}`) } };
  const classifier = await loadClassifier(ort, toOnnx(labelled, { form: 'packed', input: 'nhwc-uint8' }));
  const rgba = Uint8ClampedArray.from({ length: 8 * 8 * 4 }, (_, i) => (i % 4 === 3 ? 255 : (i * 37) % 256));
  const planes = [0, 1, 2].flatMap((c) => Array.from({ length: 64 }, (_, pixel) => rgba[4 * pixel + c] as number));
  const expected = topK(reference(model, planes, 1).get('logits') as Float64Array, 3, labelled.about.classLabels);
  const got = await classifier.classify({ width: 8, height: 8, data: rgba }, 3);
  expect(got.map(({ label }) => label)).toEqual(expected.map(({ label }) => label));
  for (const [i, { probability }] of got.entries()) expect(probability).toBeCloseTo(expected[i]?.probability as number, 5);
  // a picture of another size is brought to the network's as `predict` does
  const large = { width: 16, height: 12, data: Uint8Array.from({ length: 4 * 16 * 12 }, (_, i) => (i % 4 === 3 ? 255 : (i * 11) % 256)) };
  const scaled = topK(reference(model, [...fromPixels(large, [3, 8, 8])], 1).get('logits') as Float64Array, 1, labelled.about.classLabels);
  expect((await classifier.classify(large, 1))[0]?.label).toBe(scaled[0]?.label);
  await expect(classifier.classify({ width: 9, height: 8, data: rgba })).rejects.toThrow('expected 288 bytes of 9 x 8 pixels, got 256');
  await classifier.close();
});
