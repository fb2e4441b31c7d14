import { describe, expect, test } from 'vitest';
import { elements } from '../../src/formats/shape.ts';
import { defaultConfig, type NetworkConfig, networkName } from '../../src/network/config.ts';
import { type Layer, layers, multiplyAccumulates, parameters, weightCount } from '../../src/network/topology.ts';
import { randomModel, variants } from './random-model.ts';

const imagenet: NetworkConfig = {
  ...defaultConfig,
  stem: 'imagenet',
  depth: 18,
  width: 2.5,
  classes: 1000,
  input: { channels: 3, height: 224, width: 224 },
};

describe('weights', () => {
  // 26,737,120 is counted in the author's file, 70.0 M stands in the paper; the rest is summed by hand from the layers' sizes:
  // stem 27c, first group 6 * 9c^2, then (2 + 5 * 4) * 9c^2 and four times that, last layer 4c * classes, for c = 16k channels.
  const byHand = (c: number, classes: number) => 27 * c + (6 + 22 + 88) * 9 * c * c + 4 * c * classes;
  test.each<[NetworkConfig, number]>([
    [defaultConfig, 26_737_120],
    [defaultConfig, byHand(160, 10)],
    [{ ...defaultConfig, residual: false }, 26_737_120],
    [{ ...defaultConfig, width: 4, classes: 100 }, byHand(64, 100)],
    [{ ...defaultConfig, depth: 26 }, 27 * 160 + (8 + 30 + 120) * 9 * 160 ** 2 + 6400],
    [imagenet, 69_962_720],
  ])('%o', (config, count) => {
    expect(weightCount(config)).toBe(count);
  });

  test('the paper rounds ImageNet 18-2.5 to 70.0 M', () => {
    expect([networkName(imagenet), (weightCount(imagenet) / 1e6).toFixed(1)]).toEqual(['WRN-18-2.5', '70.0']);
  });
});

test('multiply-accumulates of WRN-20-10', () => {
  const total = layers(defaultConfig).reduce((sum, layer) => sum + multiplyAccumulates(layer), 0);
  const wide = 9 * 160 * 160 * 32 * 32; // a 3x3 convolution costs the same in every group
  expect(total).toBe(27 * 160 * 32 * 32 + 6 * wide + 2 * (wide / 2 + 5 * wide) + 640 * 10 * 64);
});

/** One line per layer: name, operator, what it reads, shape of its output. */
const lines = (config: NetworkConfig) =>
  layers(config).map((layer: Layer) => `${layer.name} ${layer.op}(${layer.inputs.join(', ')}) ${layer.shape.join('x')}`);

describe('layers in order of execution', () => {
  test('residual', () => {
    const { config } = randomModel({ depth: 8, width: 1 });
    expect(lines(config)).toEqual([
      'input.norm norm(images) 3x8x8',
      'stem.conv conv(input.norm) 16x8x8',
      'group0.block0.norm0 norm(stem.conv) 16x8x8',
      'group0.block0.relu0 relu(group0.block0.norm0) 16x8x8',
      'group0.block0.conv0 conv(group0.block0.relu0) 16x8x8',
      'group0.block0.norm1 norm(group0.block0.conv0) 16x8x8',
      'group0.block0.relu1 relu(group0.block0.norm1) 16x8x8',
      'group0.block0.conv1 conv(group0.block0.relu1) 16x8x8',
      'group0.block0.add add(stem.conv, group0.block0.conv1) 16x8x8',
      ...['group1 group0 16x8x8 32x4x4', 'group2 group1 32x4x4 64x2x2'].flatMap((words) => {
        const [group, before, small, large] = words.split(' ') as [string, string, string, string];
        const pooled = `${Number.parseInt(small, 10)}${large.slice(large.indexOf('x'))}`;
        return [
          `${group}.block0.norm0 norm(${before}.block0.add) ${small}`,
          `${group}.block0.relu0 relu(${group}.block0.norm0) ${small}`,
          `${group}.block0.conv0 conv(${group}.block0.relu0) ${large}`,
          `${group}.block0.norm1 norm(${group}.block0.conv0) ${large}`,
          `${group}.block0.relu1 relu(${group}.block0.norm1) ${large}`,
          `${group}.block0.conv1 conv(${group}.block0.relu1) ${large}`,
          `${group}.block0.pool averagePool(${before}.block0.add) ${pooled}`,
          `${group}.block0.widen widen(${group}.block0.pool) ${large}`,
          `${group}.block0.add add(${group}.block0.widen, ${group}.block0.conv1) ${large}`,
        ];
      }),
      'head.norm norm(group2.block0.add) 64x2x2',
      'head.relu relu(head.norm) 64x2x2',
      'head.conv conv(head.relu) 10x2x2',
      'head.norm1 norm(head.conv) 10x2x2',
      'head.pool globalPool(head.norm1) 10x1x1',
    ]);
  });

  test('plain, with constants at the input, ReLU behind them, and neither batch norm nor shortcuts', () => {
    const { config } = randomModel({
      residual: false,
      inputNorm: { mean: [1, 2, 3], std: [4, 5, 6] },
      inputRelu: true,
      activation: 'shifted-relu',
      logitsDivisor: 10,
      width: 1,
    });
    const names = lines(config);
    expect(names.slice(0, 5)).toEqual([
      'input.standardize standardize(images) 3x8x8',
      'input.relu relu(input.standardize) 3x8x8',
      'stem.conv conv(input.relu) 16x8x8',
      'group0.block0.relu0 shiftedRelu(stem.conv) 16x8x8',
      'group0.block0.conv0 conv(group0.block0.relu0) 16x8x8',
    ]);
    expect(names.slice(-4)).toEqual([
      'head.relu shiftedRelu(group2.block0.conv1) 64x2x2',
      'head.conv conv(head.relu) 10x2x2',
      'head.pool globalPool(head.conv) 10x1x1',
      'head.divide divide(head.pool) 10x1x1',
    ]);
    expect(names.filter((line) => / (norm|add|averagePool)\(/.test(line))).toEqual([]);
  });

  test('ImageNet: 224 pixels to 7 in four groups, as He et al. 2015 has it', () => {
    const shapes = Object.fromEntries(layers(imagenet).map(({ name, shape }) => [name, shape.join('x')]));
    expect(shapes).toMatchObject({
      'stem.conv': '160x112x112',
      'stem.pool': '160x56x56',
      'group0.block1.add': '160x56x56',
      'group1.block1.add': '320x28x28',
      'group2.block1.add': '640x14x14',
      'group3.block1.add': '1280x7x7',
      'head.conv': '1000x7x7',
    });
  });
});

describe.each(Object.keys(variants))('%s', (variant) => {
  const { config, tensors } = randomModel(variants[variant]);

  test('every layer reads what stands before it, names are unique, and the last gives the classes', () => {
    const seen = new Set(['images']);
    for (const { name, inputs } of layers(config)) {
      for (const input of inputs) expect(seen).toContain(input);
      expect(seen).not.toContain(name);
      seen.add(name);
    }
    expect(layers(config).at(-1)?.shape).toEqual([config.classes, 1, 1]);
  });

  test('parameters are named once, and kernels hold all weights', () => {
    const names = parameters(config).map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    const kernels = [...tensors].filter(([name]) => name.endsWith('.kernel'));
    expect(kernels.reduce((sum, [, { shape }]) => sum + elements(shape), 0)).toBe(weightCount(config));
  });
});

test.each<[string, NetworkConfig['affine'], string[]]>([
  ['none', 'none', []],
  ['first', 'first', ['input.norm']],
  ['last', 'last', ['head.norm1']],
  ['all', 'all', ['input.norm', ...[0, 1, 2].flatMap((g) => [0, 1].map((i) => `group${g}.block0.norm${i}`)), 'head.norm', 'head.norm1']],
])('learned scale and offset: %s', (_, affine, expected) => {
  const { config } = randomModel({ affine });
  const gammas = parameters(config).filter(({ name }) => name.endsWith('.gamma'));
  expect(gammas.map(({ name }) => name.replace('.gamma', ''))).toEqual(expected);
});

test('a network whose image shrinks to nothing, or whose paths differ in size, is refused', () => {
  const { config } = randomModel();
  const down = config.downsample;
  const none = { ...config, input: { channels: 3, height: 4, width: 4 }, downsample: { ...down, convPads: [0, 0, 0, 0] as const } };
  expect(() => layers(none)).toThrow('configuration group1.block0.add: expected a shortcut of [8, 1, 1], got [8, 2, 2]');
  expect(() => layers({ ...none, residual: false })).toThrow('configuration group2.block0.conv0: expected at least one pixel, got 0x0');
});
