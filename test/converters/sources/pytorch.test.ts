import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import { toOnnx } from '../../../converters/onnx/write.ts';
import { readModel } from '../../../converters/read.ts';
import { InputError } from '../../../src/errors.ts';
import { writeNpy } from '../../../src/formats/npy.ts';
import { writeSafetensors } from '../../../src/formats/safetensors.ts';
import type { NetworkConfig } from '../../../src/network/config.ts';
import type { Model } from '../../../src/network/model.ts';
import { signAt } from '../../../src/network/sign.ts';
import { folderWith } from '../../data/crafted.ts';
import { Instance, Tensor, torchLegacy, torchZip, type Value } from '../../formats/torch-file.ts';
import { zipFile } from '../../formats/zip-file.ts';
import { packageFolder, SET_UP_TIMEOUT } from '../../interop/environment.ts';
import { randomModel, variants } from '../../network/random-model.ts';
import { testWithPython } from '../../python.ts';
import { torchState } from '../foreign-files.ts';

const input = { channels: 3, height: 32, width: 32 };
const layouts = { zip: torchZip, legacy: torchLegacy };

/** An array of any type, by NumPy's code. */
function npy(descr: string, shape: readonly number[], data: Uint8Array): Buffer {
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.map((size) => `${size},`).join('')}), }\n`;
  return Buffer.concat([
    Buffer.from('\x93NUMPY\x01\x00', 'latin1'),
    Buffer.from([header.length & 255, header.length >> 8]),
    Buffer.from(header),
    data,
  ]);
}

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

  test('full precision, which the file does not show, when asked for', () => {
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

describe("networks of pytorchcv give pytorchcv's own logits", () => {
  const script = fileURLToPath(new URL('pytorchcv_network.py', import.meta.url));
  for (const [depth, width, classes] of [
    [20, 1, 100],
    [8, 2, 10],
  ] as const) {
    testWithPython(
      ['torch', 'numpy'],
      `WRN-${depth}-${width}`,
      async (python) => {
        const folder = await folderWith();
        const env = { ...process.env, PYTHONPATH: await packageFolder('pytorchcv==0.0.74') };
        execFileSync(python, [script, folder, String(depth), String(width), String(classes)], { stdio: 'pipe', env });
        const images = await readFile(join(folder, 'images.u8'));
        for (const [name, dialect, form] of [
          ['binary', undefined, 'packed'],
          ['float', 'pytorchcv-float', 'dense'],
        ] as const) {
          const model = readModel(await readFile(join(folder, `${name}.pth`)), { dialect });
          const expected = [...new Float64Array(new Uint8Array(await readFile(join(folder, `${name}.f64`))).buffer)];
          // Logits reach 100, where the last place of float32 is 8e-6, so the error is relative to the largest; WRN-20-10 has 2.7e-7.
          const largest = Math.max(...expected.map(Math.abs));
          expect(largestDifference(await logits(model, images, form), expected) / largest).toBeLessThan(1e-6);
          expect(model.about.dialect).toBe(dialect ?? 'pytorchcv');
        }
      },
      SET_UP_TIMEOUT,
    );
  }
});

const one = randomModel({ ...variants['pytorch'], input });
const latentNote = 'the file does not contain the bits per weight: assumed 1. Use --dialect pytorch-float for 32 bits';
const sizeNote = 'the file does not contain the image size: assumed 32x32. Use --image-size HEIGHTxWIDTH to change it';

describe('wherever the state dict stands', () => {
  const state = (prefix: string) => torchState(one, { packed: true, prefix });
  const dict = (...entries: [Value, Value][]) => new Map<Value, Value>(entries);
  const options = new Instance('argparse.Namespace', dict(['depth', 14]));
  test.each<[string, Value]>([
    ['compiled and in parallel', state('module._orig_mod.')],
    ['compiled', state('_orig_mod.')],
    ['of a training framework', state('model.net.module.')],
    ['under an unknown prefix', state('backbone.')],
    ['net', dict(['net', state('')], ['acc', 93.2])],
    ['model, with options beside', dict(['model', state('module.')], ['args', options], ['epoch', 3])],
    ['model_state_dict', dict(['args', options], ['model_state_dict', state('')])],
    ['in a tuple', [3, state(''), [1, 2]]],
    ['two deep', dict(['ema', dict(['decay', 0.9], ['module', state('')])])],
    ['among plain values', dict(...state(''), ['epoch', 3], ['args', options], [7, 8])],
  ])('%s', (_, checkpoint) => {
    for (const write of Object.values(layouts)) {
      const { tensors, notes } = readModel(write(checkpoint));
      expect(tensors).toEqual(one.tensors);
      expect(notes).toEqual([sizeNote]);
    }
  });

  test('of two networks the first is read, and the others are named', () => {
    const other = randomModel({ ...variants['pytorch'], input }, 2);
    const { tensors, notes } = readModel(
      torchZip(dict(['model', state('')], ['ema', torchState(other, { packed: true, prefix: 'module.' })])),
    );
    expect(tensors).toEqual(one.tensors);
    expect(notes?.[0]).toBe('the file holds 2 networks: read model, skipped ema module.');
    const both = dict(...state('model.'), ...torchState(other, { packed: true, prefix: 'ema.' }));
    expect(readModel(torchZip(both)).tensors).toEqual(one.tensors);
  });

  test('values beside the network under another name are skipped and named', () => {
    const beside = dict(
      ...state('module.'),
      ['n_averaged', new Tensor([], BigInt64Array.of(3n))],
      ['loss.weight', new Tensor([2], Float32Array.of(1, 2))],
    );
    expect(readModel(torchZip(beside)).notes).toEqual([sizeNote, 'skipped: n_averaged, loss.weight']);
  });

  test('the same in safetensors and in an archive of NumPy', () => {
    const latent = torchState(one, { packed: false, prefix: 'module.' }) as Map<string, Tensor>;
    const stored = new Map(
      [...latent].map(([name, { shape, data }]) => [
        name,
        { dtype: data instanceof Float32Array ? 'F32' : 'I64', shape, bytes: new Uint8Array(data.buffer) },
      ]),
    );
    const arrays = [...latent].map(([name, { shape, data }]) => ({
      name: `${name}.npy`,
      data:
        data instanceof Float32Array
          ? Buffer.concat([...writeNpy(shape, [new Uint8Array(data.buffer)])])
          : npy('<i8', shape, new Uint8Array(data.buffer)),
    }));
    for (const bytes of [writeSafetensors({ metadata: new Map(), tensors: stored }), zipFile(arrays)]) {
      const { tensors, notes, about } = readModel(bytes);
      expect([tensors, about.dialect]).toEqual([one.tensors, 'pytorch']);
      expect(notes).toEqual([sizeNote, latentNote]);
    }
  });

  test('--image-size is the size of images that the file does not contain', () => {
    const { config, notes } = readModel(torchZip(state('')), { imageSize: { height: 64, width: 48 } });
    expect(config.input).toEqual({ channels: 3, height: 64, width: 48 });
    expect(notes).toEqual([]);
  });
});

describe('latent weights', () => {
  const changed = (values: readonly (readonly [number, number])[]) => {
    const state = torchState(one, { packed: false });
    const kernel = state.get('module.group1.block0.conv1') as Tensor;
    const data = Float32Array.from(kernel.data as Float32Array);
    for (const [at, value] of values) data[at] = value;
    return torchZip(state.set('module.group1.block0.conv1', new Tensor(kernel.shape, data)));
  };

  test('that are zero are +1, counted and said', () => {
    const { zeros, notes, tensors } = readModel(
      changed([
        [3, 0],
        [8, -0],
      ]),
    );
    expect(zeros).toEqual(new Map([['group1.block0.conv1.kernel', [3, 8]]]));
    expect(notes?.at(-1)).toBe(
      '2 of 4,608 latent weights are exactly 0 (group1.block0.conv1.kernel 2): the bits hold +1, where PyTorch computes sign(0) = 0',
    );
    const bits = tensors.get('group1.block0.conv1.kernel')?.data as Uint8Array;
    expect([signAt(bits, 3), signAt(bits, 8)]).toEqual([1, 1]);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY])('%s is refused', (value) => {
    expect(() => readModel(changed([[5, value]]))).toThrow(
      `pytorch group1.block0.conv1.kernel: expected finite weights, got ${value} at index 5`,
    );
  });
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
    [
      'another checkpoint',
      new Map<Value, Value>([['model', new Map([['fc.weight', floats(1)]])]]),
      'of a dialect (pytorch, pytorch-float, pytorchcv, pytorchcv-float), got parameters with other names: fc.weight',
    ],
    [
      'a whole module among other things',
      new Map<Value, Value>([['net', new Instance('models.WideResNet', new Map())]]),
      'got an object of models.WideResNet as net. Save only its parameters: torch.save(model.state_dict(), path)',
    ],
    [
      'a whole module',
      new Instance('models.WideResNet', new Map()),
      'pytorch file: expected a state dict, got an object of models.WideResNet. Save the parameters alone: torch.save(model.state_dict(), path)',
    ],
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
      'pytorch bn.weight: expected only parameters of this network, got 1 left over',
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

test('bfloat16, the upper halves of float32, in a checkpoint and as safetensors', () => {
  const upper = (data: Float32Array) => new Uint16Array(data.buffer, data.byteOffset, 2 * data.length).filter((_, i) => i % 2 === 1);
  const widened = (data: Uint16Array) => new Float32Array(Uint32Array.from(data, (bits) => bits * 2 ** 16).buffer);
  const state = [...torchState(one, { packed: false, prefix: '' })] as [string, Tensor][];
  const halves = state.map(([name, { shape, data }]): [string, Tensor] => [
    name,
    data instanceof Float32Array ? new Tensor(shape, upper(data), { type: 'BFloat16Storage' }) : new Tensor(shape, data as BigInt64Array),
  ]);
  const bytesOf = ({ buffer, byteOffset, byteLength }: Tensor['data']) => new Uint8Array(buffer, byteOffset, byteLength);
  const tensors = halves.map(([name, { shape, data }]) => [
    name,
    { dtype: data instanceof Uint16Array ? 'BF16' : 'I64', shape, bytes: bytesOf(data) },
  ]) as [string, { dtype: string; shape: readonly number[]; bytes: Uint8Array }][];
  for (const file of [torchZip(new Map<Value, Value>(halves)), writeSafetensors({ metadata: new Map(), tensors: new Map(tensors) })]) {
    const read = readModel(file).tensors;
    expect(read.get('group0.block0.conv0.kernel')).toEqual(one.tensors.get('group0.block0.conv0.kernel'));
    for (const [name, { dtype, data }] of one.tensors)
      if (dtype === 'float32' && !name.endsWith('.scale')) expect(read.get(name)?.data, name).toEqual(widened(upper(data as Float32Array)));
  }
});
