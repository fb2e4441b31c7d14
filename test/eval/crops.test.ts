/** Several crops of an image: the classifier's mean probability decides. */

import sharp from 'sharp';
import { expect, test } from 'vitest';
import { toOnnx } from '../../converters/onnx/write.ts';
import { averageCrops } from '../../eval/crops.ts';
import { type EvaluateOptions, evaluate } from '../../eval/evaluate.ts';
import type { ImageSet } from '../../src/data/dataset.ts';
import { openImageSet } from '../../src/data/open.ts';
import { folderWith, noise } from '../data/crafted.ts';
import { randomModel } from '../network/random-model.ts';
import { reference } from '../network/reference.ts';

const IMAGES = 5;
const model = randomModel();
const classes = model.config.classes;

/** One image per class, cut six times: two random crops of each of three scales. */
async function cropped(): Promise<ImageSet> {
  const files: Record<string, Buffer> = {};
  for (let c = 0; c < classes; c++) {
    const raw = { width: 12, height: 10, channels: 3 } as const;
    files[`${c}/1.png`] = await sharp(noise(12 * 10 * 3, c), { raw })
      .png()
      .toBuffer();
  }
  return openImageSet(await folderWith(files), { split: 'test', shape: model.config.input, shorterSides: [8, 10, 13], crops: 2 });
}

test.each<[string, number[], number[]]>([
  ['equal crops change nothing', [Math.log(3), 0, Math.log(3), 0], [Math.log(3 / 4), Math.log(1 / 4)]],
  ['probabilities are averaged, not logits', [0, 0, Math.log(9), 0], [Math.log((1 / 2 + 9 / 10) / 2), Math.log((1 / 2 + 1 / 10) / 2)]],
  ['logits beyond what exp can hold', [2000, 2000, -2000, -2000], [Math.log(1 / 2), Math.log(1 / 2)]],
])('%s', (_, logits, expected) => {
  const averaged = averageCrops(Float32Array.from(logits), 2, 2);
  expect(averaged.length).toBe(2);
  for (const [c, value] of expected.entries()) expect(averaged[c]).toBeCloseTo(value, 6);
});

test('a probability of zero stays finite, NaN stays NaN', () => {
  expect(averageCrops(Float32Array.of(0, -5000), 1, 2).every(Number.isFinite)).toBe(true);
  expect([...averageCrops(Float32Array.of(Number.NaN, 1, 0, 1), 2, 2)]).toEqual([Number.NaN, Number.NaN]);
});

/** Batches of 4 cut the six crops of an image in two, 12 hold two images, 64 all ten. */
test.each([4, 12, 64])('logits in batches of %i are those of the naive interpreter, averaged over the crops', async (batch) => {
  const data = await cropped();
  const got = new Float32Array(IMAGES * classes);
  const file = toOnnx(model);
  const options: EvaluateOptions = {
    modelName: 'a.onnx',
    data,
    backends: ['cpu', 'wasm'],
    limit: IMAGES,
    backendOptions: { batch },
    onLogits: (backend, offset, logits) => backend === 'wasm' && got.set(logits, offset * classes),
  };
  const report = await evaluate(file, options);
  expect(report).toMatchObject({ images: IMAGES, batch: Math.max(1, Math.floor(batch / 6)), verdict: 'pass' });

  let right = 0;
  for await (const { offset, imagesNCHW, labels } of data.batches(1, 0, IMAGES)) {
    const logits = reference(model, imagesNCHW, 6).get('logits') as Float64Array;
    const mean = Array.from({ length: classes }, (_, c) => {
      const probability = (view: number) => {
        const own = [...logits.subarray(view * classes, (view + 1) * classes)].map(Math.exp);
        return (own[c] as number) / own.reduce((a, b) => a + b);
      };
      return [0, 1, 2, 3, 4, 5].reduce((sum, view) => sum + probability(view), 0) / 6;
    });
    for (const [c, p] of mean.entries()) expect(Math.exp(got[offset * classes + c] as number)).toBeCloseTo(p, 5);
    if (mean.indexOf(Math.max(...mean)) === labels[0]) right++;
  }
  expect(report.results[0]?.top1).toBe(right / IMAGES);

  const halves = await Promise.all([1, 2].map((index) => evaluate(file, { ...options, shard: { index, count: 2 } })));
  expect(halves.reduce((sum, { images }) => sum + images, 0)).toBe(IMAGES);
  await data.close();
});
