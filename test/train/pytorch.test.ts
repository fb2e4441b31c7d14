/** The same training in PyTorch (reference.py, written for this comparison): losses and weights after 20 steps. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { randomStream } from '../../src/data/random.ts';
import { defaultConfig, type NetworkConfig } from '../../src/network/config.ts';
import { softTargets, type Teaching } from '../../src/train/batches/teacher.ts';
import { toNHWC } from '../../src/train/network/inference.ts';
import { shapeInFile, toOIHW } from '../../src/train/network/kernel-layout.ts';
import { Learner } from '../../src/train/network/step.ts';
import { initialWeights, learned } from '../../src/train/network/variables.ts';
import type { TensorFlow } from '../../src/train/tf/tensorflow.ts';
import { folderWith } from '../data/crafted.ts';
import { hasTensorFlow, testWithTensorFlow } from './tensorflow.ts';

const STEPS = 20;
const BATCH = 20;
const RATE = 0.003;
const TOLERANCE = 1e-4;
/** In standard deviations of the initial weights. */
const FLOOR = 0.1;

/** The interpreter that has PyTorch: the one on the path, or Debian's. */
const python = ['python3', '/usr/bin/python3'].find((interpreter) => {
  try {
    execFileSync(interpreter, ['-c', 'import numpy, torch'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
});

/** Images of this side, if a variant does not say otherwise. */
const input = { channels: 3, height: 8, width: 8 };
const variants: Readonly<Record<string, Partial<NetworkConfig>>> = {
  '1 bit': {},
  'full precision': { bits: 32, endBits: 32 },
  '1 bit, plain, ReLU at the input': { residual: false, inputRelu: true },
  '1 bit, BWN scale of the layer': { scale: 'mean-layer' },
  '1 bit, BWN scale of each channel': { scale: 'mean-channel' },
  '1 bit, scale and offset of batch norm learned': { affine: 'all' },
  // 64 channels of 16 x 16 pixels, where filter-gradient.ts takes over; in 32 bits, as of so many signs some would differ
  'full precision, wide': { bits: 32, endBits: 32, width: 4, input: { channels: 3, height: 16, width: 16 } },
  'shifted ReLU without batch norm': { activation: 'shifted-relu', logitsDivisor: 10 },
};

describe('20 steps equal PyTorch:', () => {
  for (const [name, change] of Object.entries(variants)) {
    if (hasTensorFlow && python === undefined) test.skip(`${name} [needs PyTorch for python3]`, () => {});
    else testWithTensorFlow(name, (tf) => compare(tf, { ...defaultConfig, depth: 8, width: 1, input, ...change }));
  }
  for (const [name, bits] of [
    ['1 bit, with a teacher', 1],
    ['full precision, with a teacher', 32],
  ] as const) {
    if (hasTensorFlow && python === undefined) test.skip(`${name} [needs PyTorch for python3]`, () => {});
    else
      testWithTensorFlow(name, (tf) =>
        compare(tf, { ...defaultConfig, depth: 8, width: 1, input, bits, endBits: bits }, { weight: 0.7, temperature: 3 }),
      );
  }
});

async function compare(tf: TensorFlow, config: NetworkConfig, teacher?: Pick<Teaching, 'weight' | 'temperature'>): Promise<void> {
  const { channels, height, width } = config.input;
  const size = channels * height * width;
  const variables = learned(config);
  const random = randomStream(5);
  // A weight that crosses zero within rounding of it takes another sign here than there, and the networks part for good.
  // Starting away from zero, so few weights cross in these steps that it does not happen, and enough that the loss falls.
  const initial = initialWeights(variables, randomStream(1)).map((values, i) => {
    const start = variables[i]?.start;
    const floor = config.bits === 1 && start && 'deviation' in start ? FLOOR * start.deviation : 0;
    return values.map((w) => w + Math.sign(w) * floor);
  });
  // four kinds of images, by brightness
  const images = Uint8Array.from({ length: STEPS * BATCH * size }, (_, i) => random.integer(128) + (Math.floor(i / size) % 4) * 32);
  const labels = Int32Array.from({ length: STEPS * BATCH }, (_, i) => i % 4);
  // what a teacher might answer: sure of the kind of image, and of some others by chance
  const answers = Float32Array.from({ length: STEPS * BATCH * config.classes }, (_, i) => {
    const [image, label] = [Math.floor(i / config.classes), i % config.classes];
    return (label === labels[image] ? 6 : 0) + random.integer(1000) / 250;
  });
  const inFileOrder = (weights: readonly Float32Array[]) => flat(weights.map((values, i) => toOIHW(values, variables[i]?.shape ?? [])));
  const folder = await folderWith({
    'images.f32': bytes(Float32Array.from(images)),
    'labels.i32': bytes(labels),
    'weights.f32': bytes(inFileOrder(initial)),
    'teacher.f32': bytes(answers),
  });

  const learner = new Learner(
    tf,
    config,
    { momentum: 0.9, weightDecay: 5e-4, ...(teacher && { teacher }) },
    initial,
    initial.map(({ length }) => new Float32Array(length)),
  );
  const losses: number[] = [];
  const teacherLosses: number[] = [];
  for (let step = 0; step < STEPS; step++) {
    const pixels = images.subarray(step * BATCH * size, (step + 1) * BATCH * size);
    const imagesNHWC = toNHWC(pixels, BATCH, channels);
    const part = answers.subarray(step * BATCH * config.classes, (step + 1) * BATCH * config.classes);
    const targets = teacher && softTargets(part, config.classes, teacher.temperature);
    const shape = [BATCH, height, width, channels];
    const { loss, teacherLoss } = learner.step(imagesNHWC, shape, labels.slice(step * BATCH, (step + 1) * BATCH), RATE, targets);
    losses.push(loss);
    if (teacherLoss !== undefined) teacherLosses.push(teacherLoss);
  }
  const weights = inFileOrder(learner.read().weights);
  learner.dispose();

  const file = (of: string) => join(folder, of);
  const job = {
    images: file('images.f32'),
    images_shape: [STEPS, BATCH, channels, height, width],
    labels: file('labels.i32'),
    weights: file('weights.f32'),
    final_weights: file('final.f32'),
    losses: file('losses.json'),
    weight_shapes: variables.map(({ shape }) => shapeInFile(shape)),
    blocks: (config.depth - 2) / 6,
    bits: config.bits,
    scale: config.scale,
    learned_norm: config.affine === 'all',
    residual: config.residual,
    input_relu: config.inputRelu,
    shifted_relu: config.activation === 'shifted-relu',
    logits_divisor: config.logitsDivisor,
    rate: RATE,
    ...(teacher && { teacher: file('teacher.f32'), teacher_weight: teacher.weight, temperature: teacher.temperature }),
  };
  writeFileSync(file('job.json'), JSON.stringify(job));
  execFileSync(python as string, [fileURLToPath(new URL('reference.py', import.meta.url)), file('job.json')]);
  const expected: Record<'labels' | 'teacher', readonly number[]> = JSON.parse(readFileSync(file('losses.json'), 'utf8'));
  const expectedWeights = new Float32Array(Uint8Array.from(readFileSync(file('final.f32'))).buffer);

  expect(relative(weights, inFileOrder(initial))).toBeGreaterThan(10 * TOLERANCE); // it moved by more than what is compared
  expect(teacherLosses).toHaveLength(teacher ? STEPS : 0);
  for (const [of, got] of Object.entries({ labels: losses, teacher: teacherLosses } as const)) {
    for (const [step, loss] of got.entries())
      expect(relative([loss], [expected[of as keyof typeof expected][step] as number]), `loss of step ${step}, ${of}`).toBeLessThan(
        TOLERANCE,
      );
  }
  expect(relative(weights, expectedWeights)).toBeLessThan(TOLERANCE);
}

/** |a - b| / |b| in the Euclidean norm. */
function relative(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const norm = (of: (i: number) => number) => Math.sqrt(Array.from(b, (_, i) => of(i) ** 2).reduce((sum, square) => sum + square, 0));
  return norm((i) => (a[i] as number) - (b[i] as number)) / norm((i) => b[i] as number);
}

function flat(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}

function bytes({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
