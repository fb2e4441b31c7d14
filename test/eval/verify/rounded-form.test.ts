/** What the checks of rounded forms share. */
import { InferenceSession } from 'onnxruntime-node';
import { expect, test, vi } from 'vitest';
import { toOnnx } from '../../../converters/onnx/write.ts';
import { accuracyOf, withLoaded } from '../../../eval/verify/rounded-form.ts';
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

test('accuracy is a fraction inside its interval', () => {
  const { top1, interval } = accuracyOf(96, 100);
  expect(top1).toBe(0.96);
  expect(interval[0]).toBeCloseTo(0.9016292856, 8); // scipy 1.16, binomtest(96, 100).proportion_ci(0.95, 'wilson')
});
