/** Exported files in runtimes and checkers of other makers, against the naive interpreter or Python's onnxruntime. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FormName, forms } from '../../converters/onnx/forms/table.ts';
import { toOnnx } from '../../converters/onnx/write.ts';
import { readModel } from '../../converters/read.ts';
import type { InputLayout } from '../../src/network/file-metadata.ts';
import type { Model } from '../../src/network/model.ts';
import { layers } from '../../src/network/topology.ts';
import { randomImages, randomModel, variants } from '../network/random-model.ts';
import { reference, relativeError } from '../network/reference.ts';
import { models, shared, testWith } from '../shared.ts';
import { hasPython, runPython, SET_UP_TIMEOUT } from './environment.ts';

interface Job {
  readonly file: string;
  readonly images: readonly number[];
  readonly shape: readonly number[];
  readonly type: 'float32' | 'uint8';
  readonly runtimes: readonly string[];
}
type Answer = Readonly<Record<string, { readonly logits?: readonly number[]; readonly error?: string }>>;
type Check = { readonly shapes?: Readonly<Record<string, readonly (number | string)[]>>; readonly error?: string };

const formNames = Object.keys(forms) as FormName[];
/** Runtimes that must load a form, besides onnxruntime in Node. */
const runtimes: Readonly<Record<FormName, readonly string[]>> = {
  packed: ['onnxruntime', 'reference_evaluator'],
  inline: ['onnxruntime', 'reference_evaluator', 'openvino', 'opencv', 'tract'],
  dense: ['onnxruntime', 'reference_evaluator', 'openvino', 'opencv', 'tract'],
  qonnx: ['onnxruntime', 'reference_evaluator', 'qonnx', 'qonnx_cleanup'],
};
/** A network without one-bit weights has no quantizers for qonnx to clean up. */
const runtimesFor = (form: FormName, { config }: Model) =>
  runtimes[form].filter((runtime) => config.bits === 1 || runtime !== 'qonnx_cleanup');
/** Float sums in another order differ by about 1e-7; a mistake differs by far more. */
const TOLERANCE = 1e-5;

let folder: string;
const cases = Object.entries(variants).map(([variant, changes]) => {
  const model = randomModel(changes);
  const images = randomImages(model.config, 1);
  return { variant, model, images, expected: reference(model, images, 1).get('logits') as Float64Array };
});
const answers = new Map<string, Answer>();
const checks = new Map<string, Check>();

async function write(name: string, model: Model, form: FormName, input: InputLayout): Promise<string> {
  const file = join(folder, `${name} ${form} ${input}.onnx`.replaceAll(' ', '-'));
  await writeFile(file, toOnnx(model, { form, input }));
  return file;
}

function job(file: string, { config }: Model, images: Uint8Array, run: readonly string[], input: InputLayout = 'nchw-float'): Job {
  const { channels, height, width } = config.input;
  if (input === 'nchw-float') return { file, images: [...images], shape: [1, channels, height, width], type: 'float32', runtimes: run };
  const pixels = Array.from(images, (_, i) => images[(i % channels) * height * width + Math.floor(i / channels)] as number);
  return { file, images: pixels, shape: [1, height, width, channels], type: 'uint8', runtimes: run };
}

function expectLogits(answer: Answer | undefined, runtime: string, expected: ArrayLike<number>): void {
  expect(answer?.[runtime]?.error).toBeUndefined();
  expect(relativeError(answer?.[runtime]?.logits ?? [], expected)).toBeLessThan(TOLERANCE);
}

describe.skipIf(!hasPython)('runtimes and checkers of other makers [needs Python 3.11 with venv]', () => {
  /** One Python process for all files: its imports take longer than its work. */
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'wrn-onnx-forms-'));
    const jobs = new Map<string, Job>();
    for (const { variant, model, images } of cases) {
      for (const form of formNames) {
        jobs.set(`${variant} ${form}`, job(await write(variant, model, form, 'nchw-float'), model, images, runtimesFor(form, model)));
      }
      const raw = await write(variant, model, 'inline', 'nhwc-uint8');
      jobs.set(`${variant} raw`, job(raw, model, images, ['onnxruntime', 'reference_evaluator', 'openvino', 'tract'], 'nhwc-uint8'));
    }
    const [ran, checked] = await Promise.all([
      runPython<Answer[]>('runtimes.py', [...jobs.values()]),
      runPython<Check[]>(
        'check.py',
        [...jobs.values()].map(({ file }) => file),
      ),
    ]);
    for (const [i, key] of [...jobs.keys()].entries()) {
      answers.set(key, ran[i] as Answer);
      checks.set(key, checked[i] as Check);
    }
  }, SET_UP_TIMEOUT);

  afterAll(() => rm(folder, { recursive: true, force: true }));

  describe.each(cases.map((c) => [c.variant, c] as const))('%s', (variant, { model, expected }) => {
    describe.each(formNames)('%s', (form) => {
      test('passes the full check; inferred shapes are those of the topology', () => {
        const { shapes, error } = checks.get(`${variant} ${form}`) as Check;
        expect(error).toBeUndefined();
        for (const { name, shape } of layers(model.config)) expect(shapes?.[name]).toEqual(['batch', ...shape]);
        expect(shapes?.['logits']).toEqual(['batch', model.config.classes]);
      });

      test.each(runtimes[form])('runs in %s', (runtime) => {
        if (runtime === 'qonnx_cleanup' && model.config.bits === 32)
          return expect(answers.get(`${variant} ${form}`)?.[runtime]).toBeUndefined();
        expectLogits(answers.get(`${variant} ${form}`), runtime, expected);
      });
    });

    test.each(['onnxruntime', 'reference_evaluator', 'openvino', 'tract'])('takes raw pixels in %s', (runtime) => {
      expectLogits(answers.get(`${variant} raw`), runtime, expected);
    });
  });

  describe("the author's CIFAR-10 network", () => {
    let real: { packed: Answer; inline: Answer };

    beforeAll(async () => {
      const path = shared(models.keras);
      if (path === undefined) return;
      const model = readModel(await readFile(path));
      const images = randomImages(model.config, 1);
      const [packed, inline] = await Promise.all((['packed', 'inline'] as const).map((form) => write('keras', model, form, 'nchw-float')));
      const [one, other] = await runPython<[Answer, Answer]>('runtimes.py', [
        job(packed as string, model, images, ['onnxruntime', 'reference_evaluator']),
        job(inline as string, model, images, ['openvino', 'opencv', 'tract']),
      ]);
      real = { packed: one, inline: other };
    }, SET_UP_TIMEOUT);

    testWith(models.keras, 'packed: the same in ReferenceEvaluator as in onnxruntime', () => {
      expectLogits(real.packed, 'reference_evaluator', real.packed['onnxruntime']?.logits ?? []);
    });

    for (const runtime of ['openvino', 'opencv', 'tract']) {
      testWith(models.keras, `inline: the same in ${runtime}`, () => {
        expectLogits(real.inline, runtime, real.packed['onnxruntime']?.logits ?? []);
      });
    }
  });
});
