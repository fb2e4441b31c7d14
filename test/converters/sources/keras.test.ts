import { describe, expect, test } from 'vitest';
import { readModel } from '../../../converters/read.ts';
import { InputError } from '../../../src/errors.ts';
import type { NetworkConfig } from '../../../src/network/config.ts';
import { matFile, numeric, type Value } from '../../formats/mat5-file.ts';
import { randomModel } from '../../network/random-model.ts';
import { kerasVariables } from '../foreign-files.ts';

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

describe('refused:', () => {
  const variables = kerasVariables(randomModel({ input, affine: 'first' }));
  const without = (...names: string[]) =>
    Object.fromEntries(Object.entries(variables).filter(([name]) => !names.some((n) => name.startsWith(n))));
  const bits = (dims: number[], value = 1) => numeric(dims, new Uint8Array(dims.reduce((a, b) => a * b, 1)).fill(value));

  test.each<[string, Record<string, Value>, string]>([
    [
      'weights only',
      without('batch'),
      'keras .mat file: expected batch-norm moments beside the weights, got weights only. Such a file cannot be converted: use the *_allparams.mat file of the same network',
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
      'text as kernel',
      { ...variables, conv2d_3: { kind: 'char', text: 'x' } },
      'keras .mat variable conv2d_3: expected kernels and batch norms only, got char',
    ],
    [
      'a kernel of another shape',
      { ...variables, conv2d_3: bits([1, 3, 3, 4, 4]) },
      'keras .mat variable conv2d_3: expected shape [1, 3, 3, 4, 8] for group1.block0.conv0, got [1, 3, 3, 4, 4]',
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
