/** The fp16 form in onnx's checker and in its reference evaluator, which computes in numpy's float16. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toFp16Onnx, toFp16Proto } from '../../converters/onnx/forms/fp16/to-fp16.ts';
import { roundFloat16 } from '../../eval/verify/round-float16.ts';
import { withLoaded } from '../../eval/verify/rounded-form.ts';
import { randomImages, randomModel } from '../network/random-model.ts';
import { reference, relativeError } from '../network/reference.ts';
import { hasPython, runPython, SET_UP_TIMEOUT } from './environment.ts';

const model = randomModel({ affine: 'all', width: 1 });
const images = randomImages(model.config, 1);
const { channels, height, width } = model.config.input;

type Answer = Readonly<Record<string, { readonly logits?: readonly number[]; readonly error?: string }>>;

describe.skipIf(!hasPython)('fp16 elsewhere [needs Python 3.11 with venv]', () => {
  let folder: string;
  let answers: readonly Answer[];
  let checks: readonly { readonly error?: string }[];
  const expected = reference(model, images, 1).get('logits') as Float64Array;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'wrn-onnx-fp16-'));
    const paths = [false, true].map((float16Io) => ({ float16Io, file: join(folder, `${float16Io}.onnx`) }));
    for (const { file, float16Io } of paths) await writeFile(file, toFp16Onnx(model, { input: 'nchw-float', float16Io }));
    [answers, checks] = await Promise.all([
      runPython<Answer[]>(
        'runtimes.py',
        paths.map(({ file, float16Io }) => ({
          file,
          images: [...images],
          shape: [1, channels, height, width],
          type: float16Io ? 'float16' : 'float32',
          runtimes: ['onnxruntime', 'reference_evaluator'],
        })),
      ),
      runPython<{ error?: string }[]>(
        'check.py',
        paths.map(({ file }) => file),
      ),
    ]);
  }, SET_UP_TIMEOUT);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test.each([
    ['float32 images and logits', 0],
    ['float16 images and logits', 1],
  ])('%s: passes the full check and runs', async (_, i) => {
    expect(checks[i]?.error).toBeUndefined();
    for (const runtime of ['onnxruntime', 'reference_evaluator']) {
      expect(answers[i]?.[runtime]?.error).toBeUndefined();
      expect(relativeError(answers[i]?.[runtime]?.logits ?? [], expected)).toBeLessThan(0.02);
    }
  });

  test('what verification rounds is what numpy computes, but for sums in float16', async () => {
    const rounded = roundFloat16(toFp16Proto(model, { input: 'nchw-float' })).model;
    const { logits } = await withLoaded(rounded, (loaded) => loaded.run(images, 1));
    const numpy = answers[0]?.['reference_evaluator']?.logits ?? [];
    expect(relativeError(logits, numpy)).toBeLessThan(5e-3);
  });
});
