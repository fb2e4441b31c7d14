import { describe, expect, test } from 'vitest';
import { randomStream } from '../../../src/data/random.ts';
import { InputError } from '../../../src/errors.ts';
import { readSafetensors, writeSafetensors } from '../../../src/formats/safetensors.ts';
import { defaultConfig } from '../../../src/network/config.ts';
import { toHWIO, toOIHW } from '../../../src/train/network/kernel-layout.ts';
import { initialWeights, learned, momentNames } from '../../../src/train/network/variables.ts';
import { paperRecipe } from '../../../src/train/recipe.ts';
import { type Checkpoint, readCheckpoint, writeCheckpoint } from '../../../src/train/run/checkpoint.ts';

const config = { ...defaultConfig, depth: 8, width: 0.5, affine: 'all' as const };
const variables = learned(config);
const checkpoint: Checkpoint = {
  config,
  recipe: { ...paperRecipe, schedule: { kind: 'steps', rates: [0.1, 0.01], epochs: 4 } },
  progress: { step: 123, epochLoss: 4.5, epochErrors: 67 },
  weights: initialWeights(variables, randomStream(1)),
  momenta: initialWeights(variables, randomStream(2)),
  moments: new Map(momentNames(config).map((name, i) => [name, Float32Array.of(i, i + 1)])),
  plan: { epochs: 4, source: 'cifar-10', images: { name: 'cifar-10', length: 50_000, sha256: '0f' } },
  about: { dialect: 'wrn-onnx', dataset: 'cifar-10', classLabels: [...'abcdefghij'], testAccuracy: 0.9 },
};
const bytes = writeCheckpoint(checkpoint);

test.each([
  ['with moments', checkpoint],
  ['without moments', { ...checkpoint, moments: undefined }],
  ['without a plan, as they were before', { ...checkpoint, plan: undefined, about: undefined }],
])('comes back as it was, %s', (_, original) => {
  const written = writeCheckpoint(original);
  expect(readCheckpoint(written)).toEqual(original);
  expect(Buffer.from(writeCheckpoint(readCheckpoint(written))).equals(written)).toBe(true);
});

test('kernels lie OIHW in the file', () => {
  const index = variables.findIndex(({ name }) => name === 'stem.conv.kernel');
  const stored = readSafetensors(bytes).tensors.get('weight.stem.conv.kernel');
  expect(stored?.shape).toEqual([8, 3, 3, 3]);
  const values = new Float32Array(Uint8Array.from(stored?.bytes ?? []).buffer);
  // HWIO [3, 3, 3, 8] at (1, 2, 0, 5) is OIHW [8, 3, 3, 3] at (5, 0, 1, 2)
  expect(values[((5 * 3 + 0) * 3 + 1) * 3 + 2]).toBe(checkpoint.weights[index]?.[((1 * 3 + 2) * 3 + 0) * 8 + 5]);
});

test('OIHW and HWIO are inverse', () => {
  const shape = [2, 3, 4, 5];
  const kernel = Float32Array.from({ length: 120 }, (_, i) => i);
  expect(toHWIO(toOIHW(kernel, shape), shape)).toEqual(kernel);
});

describe('is refused when', () => {
  const { metadata: written, tensors } = readSafetensors(bytes);
  const metadata = new Map([...written].filter(([key]) => key !== 'wrn.sha256')); // these look behind it
  const without = <V>(map: ReadonlyMap<string, V>, key: string) => new Map([...map].filter(([name]) => name !== key));
  test.each([
    ['it is another file', { metadata: new Map(), tensors }, 'wrn.checkpoint_version'],
    ['a weight is missing', { metadata, tensors: without(tensors, 'weight.stem.conv.kernel') }, 'weight.stem.conv.kernel'],
    ['a momentum is missing', { metadata, tensors: without(tensors, 'momentum.head.conv.kernel') }, 'momentum.head.conv.kernel'],
    ['one moment is missing', { metadata, tensors: without(tensors, 'moment.input.norm.mean') }, 'moment.input.norm.mean'],
    [
      'a tensor is left over',
      { metadata, tensors: new Map([...tensors, ['extra', { dtype: 'F32', shape: [1], bytes: new Uint8Array(4) }] as const]) },
      'extra',
    ],
    ['the recipe is not JSON', { metadata: new Map([...metadata, ['wrn.recipe', '{'] as const]), tensors }, 'wrn.recipe'],
    ['the plan has no end', { metadata: new Map([...metadata, ['wrn.plan', '{"images":{}}'] as const]), tensors }, 'wrn.plan epochs'],
    [
      'the position is negative',
      { metadata: new Map([...metadata, ['wrn.progress', '{"step":-1}'] as const]), tensors },
      'wrn.progress step: expected',
    ],
  ])('%s', (_, file, where) => {
    const read = () => readCheckpoint(writeSafetensors(file));
    expect(read).toThrow(InputError);
    expect(read).toThrow(where);
  });

  test('any byte is another', () => {
    for (let at = 0; at < bytes.length; at += at < 6000 ? 7 : 997) {
      const damaged = Uint8Array.from(bytes);
      damaged[at] = (damaged[at] as number) ^ 4;
      expect(() => readCheckpoint(damaged), `byte ${at}`).toThrow(InputError);
    }
  });

  test('it ends early, wherever', () => {
    for (let length = 0; length < bytes.length; length += 1009) expect(() => readCheckpoint(bytes.subarray(0, length))).toThrow(InputError);
  });
});
