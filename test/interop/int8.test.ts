/** The int8 form in checkers and runtimes of other makers: standard operators, the same decisions. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toInt8Onnx } from '../../converters/onnx/forms/int8/to-int8.ts';
import { toOnnx } from '../../converters/onnx/write.ts';
import { calibrate } from '../../eval/verify/calibrate.ts';
import { openImageSet } from '../../src/data/open.ts';
import { readModelFile } from '../../src/network/model-file.ts';
import { layers } from '../../src/network/topology.ts';
import { relativeError } from '../network/reference.ts';
import { hasPython, runPython, SET_UP_TIMEOUT } from './environment.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const IMAGES = 8;
/** A value at the border of two levels may be rounded to either, and what follows differs by a level. */
const TOLERANCE = 0.02;
/** Not onnx's reference evaluator: it knows DequantizeLinear from operator set 19 on only. */
const RUNTIMES = ['onnxruntime', 'openvino', 'opencv', 'tract'];

type Answer = Readonly<Record<string, { readonly logits?: readonly number[]; readonly error?: string }>>;
interface Check {
  readonly shapes?: Readonly<Record<string, readonly (number | string)[]>>;
  readonly error?: string;
}

describe.skipIf(!hasPython)('int8 elsewhere [needs Python 3.11 with venv]', () => {
  let folder: string;
  let check: Check;
  let int8: Answer;
  let float: readonly number[];
  let names: readonly string[];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'wrn-onnx-int8-'));
    const model = readModelFile(await readFile(`${root}models/fashion-mnist-wrn-20-1/model.safetensors`));
    names = layers(model.config).map(({ name }) => name);
    const train = await openImageSet(`${root}examples/fashion-mnist`, { split: 'train' });
    const test = await openImageSet(`${root}examples/fashion-mnist`, { split: 'test' });
    const ranges = await calibrate(model, { data: train, images: 64, method: 'percentile' });
    const paths = { int8: join(folder, 'int8.onnx'), float: join(folder, 'float.onnx') };
    await writeFile(paths.int8, toInt8Onnx(model, { ranges }));
    await writeFile(paths.float, toOnnx(model, { form: 'packed', input: 'nchw-float' }));
    const images: number[] = [];
    for await (const { imagesNCHW } of test.batches(IMAGES, 0, IMAGES)) images.push(...imagesNCHW);
    await train.close();
    await test.close();
    const { channels, height, width } = model.config.input;
    const job = { images, shape: [IMAGES, channels, height, width], type: 'float32' };
    const [checked, [first, second]] = await Promise.all([
      runPython<Check[]>('check.py', [paths.int8]),
      runPython<[Answer, Answer]>('runtimes.py', [
        { ...job, file: paths.int8, runtimes: RUNTIMES },
        { ...job, file: paths.float, runtimes: ['onnxruntime'] },
      ]),
    ]);
    check = checked[0] as Check;
    int8 = first;
    float = second['onnxruntime']?.logits ?? [];
  }, SET_UP_TIMEOUT);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test('passes the full check; tensors keep the names of the layers', () => {
    expect(check.error).toBeUndefined();
    const kept = names.filter((name) => check.shapes?.[name]);
    for (const name of ['stem.conv', 'group0.block0.conv1', 'group2.block2.add', 'head.pool']) expect(kept).toContain(name);
  });

  test.each(RUNTIMES)('%s decides as float32 does', (runtime) => {
    expect(int8[runtime]?.error).toBeUndefined();
    const got = int8[runtime]?.logits ?? [];
    const classOf = (logits: readonly number[], i: number) => {
      const row = logits.slice(i * 10, (i + 1) * 10);
      return row.indexOf(Math.max(...row));
    };
    for (let i = 0; i < IMAGES; i++) expect(classOf(got, i)).toBe(classOf(float, i));
    expect(relativeError(got, float)).toBeLessThan(0.2);
  });

  test.each(RUNTIMES.slice(1))('%s gives the logits of onnxruntime', (runtime) => {
    expect(relativeError(int8[runtime]?.logits ?? [], int8['onnxruntime']?.logits ?? [])).toBeLessThan(TOLERANCE);
  });
});
