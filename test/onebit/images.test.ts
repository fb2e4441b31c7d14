/** Real test images: the same decisions as onnxruntime's on the same file, image by image. */
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { toInt8Onnx } from '../../converters/onnx/forms/int8/to-int8.ts';
import { toOnnx } from '../../converters/onnx/write.ts';
import { readModel } from '../../converters/read.ts';
import { calibrate } from '../../eval/verify/calibrate.ts';
import type { ImageSet } from '../../src/data/dataset.ts';
import { openImageSet } from '../../src/data/open.ts';
import { decidedClass } from '../../src/network/logits.ts';
import type { Model } from '../../src/network/model.ts';
import { loadOneBit } from '../../src/onebit.ts';
import { relativeError } from '../network/reference.ts';
import { models, shared, testWith } from '../shared.ts';
import { runOnnx } from './onnxruntime.ts';

const INPUT = 'nchw-float';
const BATCH = 250;

async function sameDecisions(model: Model, file: Uint8Array, data: ImageSet, count: number, limit: number): Promise<void> {
  const { classes, input } = model.config;
  const [one, two] = await Promise.all([1, 2].map((threads) => loadOneBit(file, { threads })));
  for await (const { imagesNCHW, count: n } of data.batches(BATCH, 0, count)) {
    const dims = [n, input.channels, input.height, input.width];
    const expected = (await runOnnx(file, Float32Array.from(imagesNCHW), dims)).get('logits') as Float32Array;
    const logits = (await one?.run(imagesNCHW)) as Float32Array;
    expect(await two?.run(imagesNCHW)).toEqual(logits);
    expect(relativeError(logits, expected)).toBeLessThan(limit);
    for (let i = 0; i < n; i++) expect(decidedClass(logits, i * classes, classes)).toBe(decidedClass(expected, i * classes, classes));
  }
  one?.release();
  two?.release();
}

interface Row {
  readonly network: string;
  readonly data: string;
  readonly count: number;
}

/** Runs `packed` and `int8`, the second calibrated on the first images of the test split: what rounding it has does not matter here. */
async function bothForms({ network, data: path, count }: Row): Promise<void> {
  const model = readModel(await readFile(network));
  const { classes, input } = model.config;
  const data = await openImageSet(path, { split: 'test', shape: input, classes });
  try {
    await sameDecisions(model, toOnnx(model, { form: 'packed', input: INPUT }), data, count, 1e-5);
    const ranges = await calibrate(model, { data, images: 16, method: 'minmax' });
    // Every 8-bit value is the same where channels are multiples of 16. Where they are not, onnxruntime adds the floats in
    // front of them in another order: a few bytes of a million are on the other side of a tie, and spread.
    await sameDecisions(
      model,
      toInt8Onnx(model, { ranges, input: INPUT }),
      data,
      count,
      Number.isInteger(model.config.width) ? 1e-5 : 0.005,
    );
  } finally {
    await data.close();
  }
}

test.each([
  { network: 'models/fashion-mnist-wrn-20-1/model.safetensors', data: 'examples/fashion-mnist', count: 250 },
  { network: 'models/fashion-mnist-wrn-20-1.5/model.safetensors', data: 'examples/fashion-mnist', count: 200 },
])('$network', (row) => bothForms(row));

testWith('data/cifar-10-binary.tar.xz', 'models/cifar-10-wrn-20-1', (data) =>
  bothForms({ network: 'models/cifar-10-wrn-20-1/model.safetensors', data, count: 250 }),
);
testWith('data/mnist', 'models/mnist-wrn-20-4', (data) =>
  bothForms({ network: 'models/mnist-wrn-20-4/model.safetensors', data, count: 50 }),
);

const archive = shared('data/cifar-10-binary.tar.xz');
for (const [dialect, path] of Object.entries(models)) {
  testWith(
    path,
    `the author's ${dialect} network`,
    (network) => (archive === undefined ? undefined : bothForms({ network, data: archive, count: 10 })),
    600_000,
  );
}
