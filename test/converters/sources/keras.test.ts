import { describe, expect, test } from 'vitest';
import { openModel, readModel } from '../../../converters/read.ts';
import { InputError } from '../../../src/errors.ts';
import type { NetworkConfig } from '../../../src/network/config.ts';
import { keras3Weights, legacyWeights, mat73File } from '../../formats/hdf5-file.ts';
import { matFile, numeric, type Value } from '../../formats/mat5-file.ts';
import { randomModel, variants } from '../../network/random-model.ts';
import { kerasLayers, kerasVariables, mat73Members, matlabVariables } from '../foreign-files.ts';

const input = { channels: 3, height: 32, width: 32 };

test.each<[string, Partial<NetworkConfig>]>([
  ['the dialect', { affine: 'first' }],
  ['no learned batch norm', { affine: 'none' }],
  ['learned batch norm', { affine: 'all' }],
  ['deeper, wider, more classes', { affine: 'first', depth: 14, width: 1 / 2, classes: 100 }],
  ['MNIST', { affine: 'first', input: { channels: 1, height: 28, width: 28 } }],
  ['bits that fill no byte', { affine: 'first', width: 1 / 16, classes: 3 }],
])('%s', (_, changes) => {
  const model = randomModel({ input, ...changes });
  const { config, tensors, about } = readModel(matFile(kerasVariables(model), { compressed: true }));
  expect(config).toEqual(model.config);
  expect(tensors).toEqual(model.tensors);
  expect(about).toEqual({ dialect: 'keras', sourceSha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
});

test('layers of a network that was trained, or of other versions of Keras, may have other names', () => {
  const model = randomModel({ input, affine: 'first' });
  const renamed = Object.entries(kerasVariables(model)).map(([name, value]) => [
    name.replace('conv2d', 'binary_conv2d').replace('_v1_', '_'),
    value,
  ]);
  expect(readModel(matFile(Object.fromEntries(renamed))).tensors).toEqual(model.tensors);
});

test('kernels and norms go by the numbers in their names, whatever their order in the file', () => {
  const model = randomModel({ input, affine: 'first', depth: 14 });
  const { tensors } = model;
  const variables = Object.entries(kerasVariables(model));
  const alphabetic = [...variables].sort(([a], [b]) => (a < b ? -1 : 1)); // conv2d_10 before conv2d_2, as Octave saves
  for (const order of [alphabetic, [...variables].reverse()])
    expect(readModel(matFile(Object.fromEntries(order))).tensors).toEqual(tensors);
});

test('small variables beside the network are skipped and named; one that contains the image size is used', () => {
  const model = randomModel({ input: { channels: 3, height: 64, width: 64 }, affine: 'first' });
  const beside = { accuracy: numeric([1, 1], Float64Array.of(96.2)), notes: { kind: 'char', text: 'x' } as const };
  const size = { image_size: numeric([1, 2], Float64Array.of(64, 64)) };
  const { config, notes } = readModel(matFile({ ...beside, ...size, ...kerasVariables(model) }));
  expect(config).toEqual(model.config);
  expect(notes).toEqual(['skipped: accuracy, notes']);
});

test('the image size is assumed and said, or what the caller says', () => {
  const model = randomModel({ input: { channels: 3, height: 64, width: 64 }, affine: 'first', classes: 200 });
  const file = matFile(kerasVariables(model));
  expect(readModel(file)).toMatchObject({
    config: { input },
    notes: ['the file does not contain the image size: assumed 32x32. Use --image-size HEIGHTxWIDTH to change it'],
  });
  expect(readModel(file, { imageSize: { height: 64, width: 64 } })).toMatchObject({ config: model.config, notes: [] });
});

test.each([
  ['odd sizes', 33, 37, [1, 1, 1, 1]],
  ['an odd and an even size', 33, 32, [1, 0, 1, 1]],
] as const)('padding of TensorFlow for %s', (_, height, width, pads) => {
  const model = randomModel({ input, affine: 'first' });
  const { config } = readModel(matFile(kerasVariables(model)), { imageSize: { height, width } });
  expect(config.downsample).toEqual({ convPads: pads, poolPads: pads, poolCountsPads: false });
});

test('sizes that halve unevenly are refused', () => {
  const file = matFile(kerasVariables(randomModel({ input, affine: 'first' })));
  expect(() => readModel(file, { imageSize: { height: 30, width: 30 } })).toThrow(
    'keras .mat image size: expected sizes that halve twice evenly, got 30x30. Try 32',
  );
});

test('shifted ReLU: one batch norm alone; the divisor is what the caller says, or the published one', () => {
  const model = randomModel({ input, affine: 'first', activation: 'shifted-relu', logitsDivisor: 7 });
  const file = matFile(kerasVariables(model));
  const read = readModel(file, { logitsDivisor: 7, imageSize: input });
  expect([read.config, read.tensors, read.notes]).toEqual([model.config, model.tensors, []]);
  expect(readModel(file, { imageSize: input })).toMatchObject({
    config: { logitsDivisor: 40 },
    notes: [
      "the file does not contain the divisor of the logits: assumed 40, as in the author's script for 10 classes. Use --logits-divisor N to change it",
    ],
  });
});

describe('refused:', () => {
  const variables = kerasVariables(randomModel({ input, affine: 'first' }));
  const without = (...names: string[]) =>
    Object.fromEntries(Object.entries(variables).filter(([name]) => !names.some((n) => name.startsWith(n))));
  const bits = (dims: number[], value = 1) => numeric(dims, new Uint8Array(dims.reduce((a, b) => a * b, 1)).fill(value));

  test.each<[string, Record<string, Value>, string]>([
    [
      'weights only',
      without('batch'),
      'keras .mat file: expected weights and batch-norm moments, got weights only. Use the *_allparams.mat file of the same network',
    ],
    ['a convolution too few', without('conv2d_7'), 'keras .mat file: expected 6n + 2 convolutions, got 7'],
    ['a batch norm too few', without('batch_normalization_v1_92'), 'keras .mat head.norm1: expected 9 variables of this kind, got 8'],
    [
      'a batch norm too many',
      { ...variables, batch_normalization: bits([2, 4]) },
      'keras .mat variable batch_normalization: expected 9 variables of this kind, got 10',
    ],
    [
      'something else',
      { ...variables, dense: bits([2, 2]) },
      'keras .mat variable dense: expected kernels and batch norms only, got numeric',
    ],
    [
      'another variable as large as weights',
      { ...variables, history: bits([101, 100]) },
      'keras .mat variable history: expected no such variable in this dialect, got one as large as weights',
    ],
    [
      'text as kernel',
      { ...variables, conv2d_3: { kind: 'char', text: 'x' } },
      'keras .mat variable conv2d_3: expected kernels and batch norms only, got char',
    ],
    [
      'a kernel of another shape',
      { ...variables, conv2d_3: bits([1, 3, 3, 4, 4]) },
      'keras .mat variable conv2d_3: expected a kernel [3, 3, 4, 8] for group1.block0.conv0, got [3, 3, 4, 4]',
    ],
    [
      'a first kernel of another shape',
      { ...variables, conv2d: bits([3, 3, 3, 4]) },
      'variable conv2d: expected shape [1, height, width, inputs, outputs], got [3, 3, 3, 4]',
    ],
    [
      'a kernel that is not 0 and 1',
      { ...variables, conv2d_7: bits([1, 1, 1, 16, 10], 2) },
      'keras .mat variable conv2d_7: expected bits 0 and 1, got 2',
    ],
    ['no channels', { ...variables, conv2d: bits([1, 3, 3, 3, 0]) }, 'configuration width: expected a number from 0.015625 to 256, got 0'],
    [
      'moments of another shape',
      { ...variables, batch_normalization_v1_85: bits([2, 5]) },
      'variable batch_normalization_v1_85: expected shape [2, 4] for group0.block0.norm0, got [2, 5]',
    ],
    [
      'moments that are not numbers',
      { ...variables, batch_normalization_v1_85: numeric([2, 4], new Float32Array(8).fill(Number.NaN)) },
      'group0.block0.norm0.mean: expected finite values',
    ],
  ])('%s', (_, changed, message) => {
    expect(() => readModel(matFile(changed))).toThrow(InputError);
    expect(() => readModel(matFile(changed))).toThrow(message);
  });
});

describe('HDF5', () => {
  const model = randomModel({ input, affine: 'first' });
  const sizeNote = expect.stringContaining('does not contain the image size');
  test.each([
    ['Keras 2', legacyWeights],
    ['Keras 3', keras3Weights],
  ])('%s: binary convolutions are known by their names, others are 32 bits unless the caller says otherwise', async (_, write) => {
    const named = await write(kerasLayers(model, 'binary_conv2d'));
    expect(await openModel(named)).toMatchObject({ tensors: model.tensors, config: { bits: 1, endBits: 1 }, about: { dialect: 'keras' } });
    const plain = await write(kerasLayers(model));
    expect((await openModel(plain)).config.bits).toBe(32);
    expect(await openModel(plain, { dialect: 'keras-binary' })).toMatchObject({ tensors: model.tensors, config: { bits: 1 } });
    const unnamed = await write(kerasLayers(model, 'layer'));
    expect((await openModel(unnamed)).notes).toEqual([
      'the layer names do not show the bits per weight: assumed 32. Use --dialect keras-binary for 1 bit',
      sizeNote,
    ]);
  });

  test('a network as MATLAB 7.3 stores it is the one that a MAT 5 file holds', async () => {
    const variables = matlabVariables(randomModel({ ...variants['matlab'], input }));
    const read = await openModel(await mat73File(mat73Members(variables)));
    const { config, tensors } = readModel(matFile(variables));
    expect([read.config, read.tensors]).toEqual([config, tensors]);
  });
});
