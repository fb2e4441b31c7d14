import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import { toOnnx } from '../../../converters/onnx/write.ts';
import { readModel } from '../../../converters/read.ts';
import { InputError } from '../../../src/errors.ts';
import type { NetworkConfig } from '../../../src/network/config.ts';
import type { Model } from '../../../src/network/model.ts';
import { folderWith } from '../../data/crafted.ts';
import { Tensor, torchLegacy, torchZip, type Value } from '../../formats/torch-file.ts';
import { randomModel, variants } from '../../network/random-model.ts';
import { testWithPython } from '../../python.ts';
import { torchState } from '../foreign-files.ts';

const input = { channels: 3, height: 32, width: 32 };
const layouts = { zip: torchZip, legacy: torchLegacy };

describe.each(Object.entries(layouts))('%s', (_, write) => {
  test.each<[string, Partial<NetworkConfig>]>([
    ['the dialect', {}],
    ['deeper, more classes', { depth: 14, classes: 100 }],
    ['channels that fill no byte', { width: 3 / 16, classes: 3 }],
  ])('%s', (_, changes) => {
    const model = randomModel({ ...variants['pytorch'], input, ...changes });
    for (const packed of [true, false]) {
      for (const prefix of ['module.', '']) {
        const state = torchState(model, { packed, prefix });
        const training = new Map<Value, Value>([
          ['epoch', 3],
          ['state_dict', state],
          ['optimizer', new Map<Value, Value>([['momentum_buffer', new Tensor([2], Float32Array.of(1, 2))]])],
        ]);
        const { config, tensors, about } = readModel(write(packed ? state : training));
        expect(config).toEqual(model.config);
        expect(tensors).toEqual(model.tensors);
        expect(about).toEqual({ dialect: 'pytorch', sourceSha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
      }
    }
  });

  test('full precision, which the file does not tell, when asked for', () => {
    const model = randomModel({ ...variants['pytorch'], input, bits: 32 });
    const { config, tensors, about } = readModel(write(torchState(model, { packed: false })), { dialect: 'pytorch-float' });
    expect({ config, tensors, dialect: about.dialect }).toEqual({ config: model.config, tensors: model.tensors, dialect: 'pytorch-float' });
  });
});

async function logits(model: Model, images: Uint8Array, form: 'packed' | 'dense'): Promise<number[]> {
  const session = await InferenceSession.create(toOnnx(model, { form, input: 'nchw-float' }));
  try {
    const { logits } = await session.run({
      images: new OrtTensor('float32', Float32Array.from(images), [images.length / 3072, 3, 32, 32]),
    });
    return Array.from(logits?.data as Float32Array);
  } finally {
    await session.release();
  }
}

function largestDifference(a: readonly number[], b: readonly number[]): number {
  expect(a).toHaveLength(b.length);
  return a.reduce((largest, value, i) => Math.max(largest, Math.abs(value - (b[i] as number))), 0);
}

describe('checkpoints that PyTorch wrote give the logits that PyTorch computed', () => {
  const script = fileURLToPath(new URL('pytorch_network.py', import.meta.url));
  for (const [depth, width, classes] of [
    [20, 1, 100],
    [8, 2, 10],
  ] as const) {
    testWithPython(['torch', 'numpy'], `WRN-${depth}-${width}`, async (python) => {
      const folder = await folderWith();
      execFileSync(python, [script, folder, String(depth), String(width), String(classes)], { stdio: 'pipe' });
      const images = await readFile(join(folder, 'images.u8'));
      const expected = async (name: string) => [...new Float32Array((await readFile(join(folder, `${name}.f32`))).slice().buffer)];
      const binary = await expected('binary');
      for (const kind of ['packed', 'latent', 'bare']) {
        for (const layout of ['zip', 'legacy']) {
          const file = await readFile(join(folder, `${kind}-${layout}.pth`));
          expect(largestDifference(await logits(readModel(file), images, 'packed'), binary)).toBeLessThan(1e-4);
          if (kind === 'packed') continue;
          const model = readModel(file, { dialect: 'pytorch-float' });
          expect(largestDifference(await logits(model, images, 'dense'), await expected('float'))).toBeLessThan(1e-4);
        }
      }
    });
  }
});

describe('refused:', () => {
  const state = torchState(randomModel({ ...variants['pytorch'], input }), { packed: true });
  const changed = (name: string, value: Value | undefined) => {
    const copy = new Map(state);
    if (value === undefined) copy.delete(name);
    else copy.set(name, value);
    return copy;
  };
  const floats = (...shape: number[]) => new Tensor(shape, new Float32Array(shape.reduce((a, b) => a * b, 1)));

  test.each<[string, Value, string]>([
    ['another checkpoint', new Map<Value, Value>([['model', new Map()]]), 'source file: expected a PyTorch checkpoint of a dialect'],
    ['a list', [1, 2], 'source file: expected a PyTorch checkpoint of a dialect'],
    [
      'no first convolution',
      changed('module.conv0', undefined),
      'pytorch conv0 and conv_last: expected the first and the last convolution, got none',
    ],
    [
      'a kernel that is missing',
      changed('module.group1.block0.conv1', undefined),
      'pytorch group1.block0.conv1: expected shape [8, 8, 3, 3], got nothing',
    ],
    ['a moment that is missing', changed('module.bn.running_var', undefined), 'pytorch bn.running_var: expected shape [16], got nothing'],
    [
      'a moment of another shape',
      changed('module.bn.running_var', floats(4, 4)),
      'pytorch bn.running_var: expected shape [16], got [4, 4]',
    ],
    [
      'one too many',
      changed('module.bn.weight', floats(16)),
      'pytorch bn.weight: expected no such parameter in this network, got 1 left over',
    ],
    [
      'the same with and without prefix',
      changed('bn.running_var', floats(16)),
      'pytorch parameter bn.running_var: expected it once, got it twice',
    ],
    [
      'a number as parameter',
      changed('module.bn.running_var', 3),
      'pytorch parameter module.bn.running_var: expected a tensor, got a number',
    ],
    ['a number as name', new Map([...state, [3, floats(1)]]), 'pytorch state dict: expected names of parameters, got a number'],
    [
      'packed kernels of other channels',
      changed('module.group0.block0.conv0', new Tensor([4, 2, 3, 3], new Uint8Array(72))),
      'pytorch group0.block0.conv0: expected shape [4, 1, 3, 3], got [4, 2, 3, 3]',
    ],
    ['a first convolution of no channels', changed('module.conv0', floats(0, 3, 3, 3)), 'pytorch conv0 and conv_last'],
  ])('%s', (_, checkpoint, message) => {
    for (const write of Object.values(layouts)) {
      expect(() => readModel(write(checkpoint))).toThrow(InputError);
      expect(() => readModel(write(checkpoint))).toThrow(message);
    }
  });
});
