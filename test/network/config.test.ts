import { describe, expect, test } from 'vitest';
import { InputError } from '../../src/errors.ts';
import { blocksPerGroup, defaultConfig, networkName, readConfig } from '../../src/network/config.ts';
import { randomModel, variants } from './random-model.ts';

test.each(Object.keys(variants))('%s survives JSON', (variant) => {
  const { config } = randomModel(variants[variant]);
  expect(readConfig(JSON.parse(JSON.stringify(config)))).toEqual(config);
});

test('names and blocks', () => {
  expect([networkName(defaultConfig), blocksPerGroup(defaultConfig)]).toEqual(['WRN-20-10', 3]);
  expect(networkName({ ...defaultConfig, residual: false, width: 2.5 })).toBe('Plain-20-2.5');
  expect(blocksPerGroup({ ...defaultConfig, depth: 26 })).toBe(4);
  expect(blocksPerGroup({ ...defaultConfig, stem: 'imagenet', depth: 18 })).toBe(2);
});

describe('refused:', () => {
  const nested = JSON.parse(`${'['.repeat(20_000)}${']'.repeat(20_000)}`) as unknown;
  const { input, downsample } = defaultConfig;
  test.each<[string, unknown, string]>([
    ['nothing', null, 'configuration root: expected an object, got null'],
    ['a list', [], 'configuration root: expected an object, got []'],
    ['an unknown field', { ...defaultConfig, colour: 1 }, 'configuration root.colour: expected no such field, got "colour"'],
    ['a prototype', JSON.parse('{"__proto__":{"depth":20}}'), 'configuration root.__proto__: expected no such field'],
    ['a missing field', { ...defaultConfig, stem: undefined }, 'configuration stem: expected "cifar" or "imagenet", got nothing'],
    ['depth 21', { ...defaultConfig, depth: 21 }, 'configuration depth: expected 6n + 2, got 21'],
    ['depth 20 of ImageNet', { ...defaultConfig, stem: 'imagenet' }, 'configuration depth: expected 8n + 2, got 20'],
    ['depth of terabytes', { ...defaultConfig, depth: 6e9 + 2 }, 'configuration depth: expected an integer from 8 to 1202'],
    ['a fraction of a channel', { ...defaultConfig, width: 0.3 }, 'configuration width: expected a whole number of channels'],
    ['no channels', { ...defaultConfig, width: 0 }, 'configuration width: expected a number from 0.015625 to 256, got 0'],
    ['a million channels', { ...defaultConfig, stem: 'imagenet', depth: 18, width: 256 }, 'a whole number of channels, at most 65536'],
    ['one class', { ...defaultConfig, classes: 1 }, 'configuration classes: expected an integer from 2'],
    ['text as number', { ...defaultConfig, classes: '10' }, 'configuration classes: expected an integer from 2 to 1000000, got "10"'],
    ['a number as truth', { ...defaultConfig, residual: 1 }, 'configuration residual: expected true or false, got 1'],
    ['2 bits', { ...defaultConfig, bits: 2 }, 'configuration bits: expected 1 or 32, got 2'],
    [
      'an image of no height',
      { ...defaultConfig, input: { ...input, height: 0 } },
      'configuration input.height: expected an integer from 4',
    ],
    [
      'three pads',
      { ...defaultConfig, downsample: { ...downsample, convPads: [0, 0, 1] } },
      'downsample.convPads: expected a list of 4, got [0,0,1]',
    ],
    [
      'a pad of 3',
      { ...defaultConfig, downsample: { ...downsample, poolPads: [0, 0, 1, 3] } },
      'downsample.poolPads[3]: expected an integer from 0 to 2, got 3',
    ],
    [
      'half a pad',
      { ...defaultConfig, downsample: { ...downsample, poolPads: [0, 0, 1, 0.5] } },
      'downsample.poolPads[3]: expected an integer from 0 to 2, got 0.5',
    ],
    [
      'other means than channels',
      { ...defaultConfig, inputNorm: { mean: [1], std: [1] } },
      'inputNorm.mean: expected a list of 3, got [1]',
    ],
    [
      'a deviation of 0',
      { ...defaultConfig, inputNorm: { mean: [1, 1, 1], std: [1, 0, 1] } },
      'inputNorm.std[1]: expected a number from 0.000001',
    ],
    ['not a number', { ...defaultConfig, epsilon: Number.NaN }, 'configuration epsilon: expected a number from 0 to 1'],
    [
      'nesting without end',
      { ...defaultConfig, classes: nested },
      'configuration classes: expected an integer from 2 to 1000000, got an array of 1',
    ],
  ])('%s', (_, json, message) => {
    expect(() => readConfig(json)).toThrow(InputError);
    expect(() => readConfig(json)).toThrow(message);
  });
});
