/** Training with a teacher: the softened answers, what is kept and logged, resumption, and teachers that do not fit. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { toOnnx } from '../../converters/onnx/write.ts';
import { openTeacher } from '../../eval/teacher.ts';
import { decodeModel, encodeModel } from '../../proto/onnx.ts';
import type { NetworkConfig } from '../../src/network/config.ts';
import { softTargets } from '../../src/train/batches/teacher.ts';
import { readLog } from '../../src/train/run/log.ts';
import { RunFolder } from '../../src/train/run/run-folder.ts';
import { type TrainOptions, train } from '../../src/train/train.ts';
import { folderWith } from '../data/crafted.ts';
import { randomModel } from '../network/random-model.ts';
import { checkpointOf, smallData, smallNetwork, smallRun, trainProcess } from './run.ts';
import { testWithTensorFlow } from './tensorflow.ts';

// one order of sums, read when TensorFlow loads
vi.hoisted(() => Object.assign(process.env, { TF_NUM_INTRAOP_THREADS: '1', TF_NUM_INTEROP_THREADS: '1' }));

test('softened answers, by hand', () => {
  // exp(ln 9 / 2) = 3: probabilities 3/4 and 1/4, then 1/2 and 1/2; entropy of the first is ln 4 - 3/4 ln 3
  const { probabilities, entropy } = softTargets(Float32Array.of(Math.log(9), 0, 5, 5), 2, 2);
  expect([...probabilities].map((p) => Math.round(p * 1e6) / 1e6)).toEqual([0.75, 0.25, 0.5, 0.5]);
  expect(entropy).toBeCloseTo((Math.log(4) - 0.75 * Math.log(3) + Math.log(2)) / 2, 6);
});

/** A classifier of the images of `smallData`, with these changes. */
const teacherFile = (changes: Partial<NetworkConfig> = {}, seed = 1) =>
  toOnnx(randomModel({ depth: 8, width: 0.5, classes: 4, input: { channels: 1, height: 8, width: 8 }, ...changes }, seed));

testWithTensorFlow('a run with a teacher is resumed bit for bit, learns otherwise than without, and logs both losses', async (tf) => {
  const run = await smallRun(100, 2);
  await using teacher = await openTeacher(teacherFile());
  const recipe = { ...run.recipe, teacher: { sha256: teacher.sha256, weight: 0.5, temperature: 2 } };
  const trainIn = (folder: RunFolder, more: Partial<TrainOptions> = {}) => {
    const checkpoint = folder.hasCheckpoint ? folder.readCheckpoint() : undefined;
    return train(tf, { ...run, recipe, teacher, folder, checkpoint, signal: new AbortController().signal, ...more });
  };
  const [whole, pieces] = [new RunFolder(await folderWith()), new RunFolder(await folderWith())];
  const model = await trainIn(whole);
  for (const stop of [1, 3, 5, 8]) {
    const controller = new AbortController();
    const onStep: TrainOptions['onStep'] = ({ step }) => void (step === stop && controller.abort('stopped'));
    await expect(trainIn(pieces, { signal: controller.signal, onStep })).rejects.toBe('stopped');
  }
  expect(await trainIn(pieces)).toEqual(model);
  expect(readFileSync(pieces.checkpointPath).equals(readFileSync(whole.checkpointPath))).toBe(true);
  const losses = (folder: RunFolder) =>
    folder.readLog().flatMap((entry) => (entry.kind === 'epoch' ? [[entry.loss, entry.teacherLoss]] : []));
  expect(losses(pieces)).toEqual(losses(whole));
  expect(
    losses(whole)
      .flat()
      .every((loss) => loss !== undefined && loss > 0),
  ).toBe(true);

  const alone = new RunFolder(await folderWith());
  await trainIn(alone, { recipe: run.recipe, teacher: undefined });
  expect(readFileSync(alone.checkpointPath).equals(readFileSync(whole.checkpointPath))).toBe(false);
});

testWithTensorFlow('a teacher of other classes, another size or channel count is refused, with what fits', async (tf) => {
  const run = await smallRun(40, 1);
  for (const changes of [
    { classes: 7 },
    { input: { channels: 1, height: 16, width: 16 } },
    { input: { channels: 3, height: 8, width: 8 } },
  ] satisfies Partial<NetworkConfig>[]) {
    await using teacher = await openTeacher(teacherFile(changes), { name: 'odd.onnx' });
    const recipe = { ...run.recipe, teacher: { sha256: teacher.sha256, weight: 0.5, temperature: 2 } };
    const folder = new RunFolder(await folderWith());
    const trained = train(tf, { ...run, recipe, teacher, folder, signal: new AbortController().signal });
    await expect(trained).rejects.toThrow('teacher odd.onnx: expected a classifier of images of 1x8x8 in 4 classes, as');
    expect(folder.hasCheckpoint).toBe(false);
  }
});

testWithTensorFlow('an interrupt ends a wait for the teacher', async (tf) => {
  const run = await smallRun(40, 1);
  const controller = new AbortController();
  const sha256 = '0'.repeat(64);
  const logits = () => {
    setTimeout(() => controller.abort('stopped'), 50);
    return new Promise<Float32Array>(() => {}); // it never answers
  };
  const teacher = { name: 'slow.onnx', sha256, channels: 1, height: 8, width: 8, classes: 4, classLabels: undefined, logits };
  const recipe = { ...run.recipe, teacher: { sha256, weight: 0.5, temperature: 2 } };
  const folder = new RunFolder(await folderWith());
  await expect(train(tf, { ...run, recipe, teacher, folder, signal: controller.signal })).rejects.toBe('stopped');
});

testWithTensorFlow(
  'from the command line: teachers that do not fit are refused before the first step, and another one on resumption',
  async () => {
    const data = await smallData(60);
    const infinite = decodeModel(teacherFile());
    const logits = infinite.graph?.node?.at(-1);
    if (!logits) throw new Error('expected nodes');
    logits.output = ['finite'];
    infinite.graph?.node?.push({ op_type: 'Log', input: ['negative'], output: ['logits'] });
    infinite.graph?.node?.splice(-1, 0, { op_type: 'Neg', input: ['square'], output: ['negative'] });
    infinite.graph?.node?.splice(-2, 0, { op_type: 'Mul', input: ['finite', 'finite'], output: ['square'] });
    const folder = await folderWith({
      'good.onnx': teacherFile(),
      'other.onnx': teacherFile({}, 2),
      'text.onnx': 'no network',
      'infinite.onnx': encodeModel(infinite),
    });
    const run = join(folder, 'run');
    const refused = async (args: readonly string[], status: number, said: string) => {
      const { stderr, status: got } = await trainProcess(args);
      expect(stderr).toContain(said);
      expect(got, stderr).toBe(status);
    };
    const fresh = ['--data', data, '-o', run, ...smallNetwork, '--epochs', '1'];
    const taught = (name: string) => [...fresh, '--teacher', join(folder, name)];
    await refused([...fresh, '--temperature', '3'], 2, 'belong to a teacher: add --teacher');
    await refused(taught('text.onnx'), 3, 'text.onnx');
    await refused(taught('infinite.onnx'), 3, 'infinite.onnx: expected a classifier of raw pixels 0..255 with finite logits');
    expect(() => readFileSync(checkpointOf(run))).toThrow('ENOENT');

    expect((await trainProcess(taught('good.onnx'))).status).toBe(0);
    const resume = ['-o', run, '--resume', '--epochs', '2'];
    await refused([...resume, '--teacher', join(folder, 'other.onnx')], 3, 'other.onnx: expected SHA-256');
    await refused([...resume, '--temperature', '3'], 2, 'leave out temperature');
    writeFileSync(join(folder, 'moved.onnx'), teacherFile());
    rmSync(join(folder, 'good.onnx'));
    await refused(resume, 3, 'Use --teacher to say where it is');
    expect((await trainProcess([...resume, '--teacher', join(folder, 'moved.onnx')])).status).toBe(0);
    const epochs = readLog(readFileSync(join(run, 'log.jsonl'), 'utf8'), '').filter(({ kind }) => kind === 'epoch');
    expect(epochs.map((entry) => 'teacherLoss' in entry && typeof entry.teacherLoss)).toEqual(['number', 'number']);
    const report = JSON.parse(readFileSync(join(run, 'report.json'), 'utf8'));
    expect(report.recipe.teacher).toMatchObject({ weight: 0.9, temperature: 4, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
  },
  300_000,
);
