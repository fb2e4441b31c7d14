import { describe, expect, test } from 'vitest';
import { InputError } from '../../src/errors.ts';
import { checkModel } from '../../src/network/model.ts';
import { bitTensor, floatTensor, type Tensor } from '../../src/network/tensor.ts';
import { randomModel } from './random-model.ts';

const model = randomModel({ width: 1 / 16 }); // the stem's kernel has 27 bits, its last byte 5 of padding
const changed = (name: string, tensor: Tensor | undefined) => {
  const tensors = new Map(model.tensors);
  if (tensor) tensors.set(name, tensor);
  else tensors.delete(name);
  return { ...model, tensors };
};

test('a whole model passes', () => {
  expect(checkModel(model, 'test')).toBe(model);
});

describe('refused:', () => {
  test.each<[string, string, Tensor | undefined, string]>([
    ['a missing parameter', 'head.norm.mean', undefined, 'test head.norm.mean: expected float32 [4], got nothing'],
    [
      'one too many',
      'head.norm.gamma',
      floatTensor([4], new Float32Array(4)),
      'test head.norm.gamma: expected only parameters of this network, got 1 left over',
    ],
    [
      'another shape',
      'head.norm.mean',
      floatTensor([2, 2], new Float32Array(4)),
      'test head.norm.mean: expected float32 [4], got float32 [2, 2]',
    ],
    ['another type', 'stem.conv.kernel', floatTensor([1, 3, 3, 3], new Float32Array(27)), 'expected bits [1, 3, 3, 3], got float32'],
    ['too few values', 'head.norm.mean', floatTensor([4], new Float32Array(3)), 'test head.norm.mean: expected 4 values, got 3'],
    [
      'too few bytes of bits',
      'stem.conv.kernel',
      bitTensor([1, 3, 3, 3], new Uint8Array(3)),
      'test stem.conv.kernel: expected 4 values, got 3',
    ],
    [
      'bits in the padding',
      'stem.conv.kernel',
      bitTensor([1, 3, 3, 3], Uint8Array.of(0, 0, 0, 1)),
      'expected zero padding after 27 bits, got ones',
    ],
    [
      'not a number',
      'head.norm.mean',
      floatTensor([4], Float32Array.of(0, Number.NaN, 0, 0)),
      'expected finite values, got NaN at index 1',
    ],
    [
      'infinity',
      'stem.conv.scale',
      floatTensor([], Float32Array.of(Infinity)),
      'test stem.conv.scale: expected finite values, got Infinity at index 0',
    ],
    [
      'a negative variance',
      'head.norm.variance',
      floatTensor([4], Float32Array.of(1, 1, 1, -1)),
      'expected non-negative variances, got -1 at index 3',
    ],
  ])('%s', (_, name, tensor, message) => {
    expect(() => checkModel(changed(name, tensor), 'test')).toThrow(InputError);
    expect(() => checkModel(changed(name, tensor), 'test')).toThrow(message);
  });
});
