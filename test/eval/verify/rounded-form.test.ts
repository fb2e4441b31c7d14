/** What the checks of rounded forms share. */
import { InferenceSession } from 'onnxruntime-node';
import { expect, test, vi } from 'vitest';
import { toOnnx } from '../../../converters/onnx/write.ts';
import { FormComparison, withLoaded } from '../../../eval/verify/rounded-form.ts';
import { randomImages, randomModel } from '../../network/random-model.ts';

const model = randomModel();
const file = toOnnx(model, { form: 'packed', input: 'nchw-float' });

test('a file is freed, whatever happens while it is loaded', async () => {
  const create = vi.spyOn(InferenceSession, 'create');
  const released: unknown[] = [];
  const first = withLoaded(file, async (loaded) => {
    const session = await (create.mock.results[0]?.value as Promise<InferenceSession>);
    const release = session.release.bind(session);
    session.release = async () => {
      released.push(session);
      await release();
    };
    expect((await loaded.run(randomImages(model.config, 2), 2)).logits).toHaveLength(20);
    return withLoaded(new TextEncoder().encode('no model'), () => Promise.resolve());
  });
  await expect(first).rejects.toThrow();
  expect(released).toHaveLength(1);
});

test('agreement, difference and accuracy of two forms, over batches', () => {
  const comparison = new FormComparison(2);
  const float = Float32Array.of(1, 0);
  for (let image = 0; image < 100; image++) {
    // the float form says class 0, the other class 1 for one image of ten; class 0 is right for 96
    comparison.add(float, image % 10 === 0 ? Float32Array.of(0, 1) : float, Int32Array.of(image < 96 ? 0 : 1));
  }
  expect(comparison.result).toEqual({ images: 100, agreement: 0.9, relError: expect.closeTo(Math.sqrt((10 * 2) / 100), 8) });
  expect(comparison.accuracy('rounded').top1).toBe(0.86); // 10 of the 96 are lost
  const { top1, interval } = comparison.accuracy('float');
  expect(top1).toBe(0.96);
  expect(interval[0]).toBeCloseTo(0.9016292856, 8); // scipy 1.16, binomtest(96, 100).proportion_ci(0.95, 'wilson')
});
