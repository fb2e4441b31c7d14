import { describe, expect, test } from 'vitest';
import { readModel } from '../../../converters/read.ts';
import { InputError } from '../../../src/errors.ts';
import type { NetworkConfig } from '../../../src/network/config.ts';
import type { Model } from '../../../src/network/model.ts';
import { floatTensor } from '../../../src/network/tensor.ts';
import { matFile, numeric, type Value } from '../../formats/mat5-file.ts';
import { randomModel, variants } from '../../network/random-model.ts';
import { matlabVariables } from '../foreign-files.ts';

const input = { channels: 3, height: 32, width: 32 };

/** A model as a MATLAB file can hold it: sigma squared in double precision, rounded once. */
function withRoundTripMoments(model: Model): Model {
  const tensors = new Map(model.tensors);
  for (const [name, { shape, data }] of tensors)
    if (name.endsWith('.variance'))
      tensors.set(
        name,
        floatTensor(
          shape,
          Float32Array.from(data, (v) => Math.sqrt(v) ** 2),
        ),
      );
  return { ...model, tensors };
}

test.each<[string, string, Partial<NetworkConfig>]>([
  ['matlab', 'matlab', {}],
  ['matlab-plain', 'matlab plain', {}],
  ['matlab', 'matlab', { affine: 'none' }],
  ['matlab', 'matlab', { affine: 'last' }],
  ['matlab', 'matlab', { affine: 'all', depth: 14, classes: 100 }],
  ['matlab', 'matlab', { input: { channels: 1, height: 28, width: 28 }, width: 1 / 16, classes: 3 }],
])('%s: %s %o', (dialect, variant, changes) => {
  const model = withRoundTripMoments(randomModel({ ...variants[variant], input, ...changes }));
  const { config, tensors, about } = readModel(matFile(matlabVariables(model), { compressed: true, littleEndian: false }));
  expect(config).toEqual(model.config);
  expect(tensors).toEqual(model.tensors);
  expect(about).toEqual({ dialect, testAccuracy: 0.9618, sourceSha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
});

test('full precision, as the training script saves it', () => {
  const model = withRoundTripMoments(randomModel({ ...variants['matlab'], input, bits: 32, endBits: 32 }));
  const { config, tensors, about } = readModel(matFile(matlabVariables(model)));
  expect([config, tensors, about.dialect]).toEqual([model.config, model.tensors, 'matlab-float']);
});

test('variables beside the network are skipped and named, and so is its full precision', () => {
  const model = withRoundTripMoments(randomModel({ ...variants['matlab'], input }));
  const beside = { Epoch: numeric([1, 1], Float64Array.of(3)), Filters: { kind: 'cell', dims: [1, 0], cells: [] } as const };
  const { tensors, notes, about } = readModel(matFile({ ...matlabVariables(model), ...beside }), { imageSize: input });
  expect([tensors, about.dialect, notes]).toEqual([model.tensors, 'matlab', ['skipped: Epoch, Filters']]);
});

describe('refused:', () => {
  const variables = matlabVariables(randomModel({ ...variants['matlab'], input }));
  const cells = (name: string, change: (list: Value[]) => Value[]): Record<string, Value> => {
    const cell = variables[name];
    if (cell?.kind !== 'cell') throw new Error(`${name} is no cell array`);
    const list = change([...cell.cells]);
    return { ...variables, [name]: { ...cell, dims: [1, list.length], cells: list } };
  };
  const replaced = (name: string, at: number, value: Value) => cells(name, (list) => list.with(at, value));
  const without = (name: string) => Object.fromEntries(Object.entries(variables).filter(([key]) => key !== name));
  const row = (...values: number[]) => numeric([1, values.length], Float64Array.from(values));

  test.each<[string, Record<string, Value>, string]>([
    ['weights only', without('Moments'), 'matlab .mat file: expected weights and batch-norm moments, got weights only'],
    ['no scales', without('LayerWeights'), 'matlab .mat variable LayerWeights: expected numbers, got nothing'],
    ['no learned scales', without('BNG'), 'matlab .mat variable BNG: expected a cell array, got nothing'],
    [
      'something else as large as weights',
      { ...variables, Other: numeric([101, 100], new Float64Array(10_100)) },
      'matlab .mat variable Other: expected no such variable in this dialect, got one as large as weights',
    ],
    ['a kernel too few', cells('BinaryWeights', (list) => list.slice(1)), 'matlab .mat file: expected 6n + 2 convolutions, got 7'],
    ['moments too few', cells('Moments', (list) => list.slice(1)), 'matlab .mat Moments{1}: expected shape [3, 2], got [4, 2]'],
    ['moments too many', cells('Moments', (list) => [...list, row(1)]), 'matlab .mat variable Moments: expected 9 layers, got 10'],
    ['scales too few', { ...variables, LayerWeights: row(1, 2) }, 'matlab .mat variable LayerWeights: expected 8 layers, got 2'],
    [
      'scales too many',
      { ...variables, LayerWeights: row(1, 2, 3, 4, 5, 6, 7, 8, 9) },
      'matlab .mat variable LayerWeights: expected 8 layers, got 9',
    ],
    [
      'a kernel of another shape',
      replaced('BinaryWeights', 2, row(1)),
      'matlab .mat BinaryWeights{3}: expected shape [3, 3, 4, 4], got [1, 1]',
    ],
    [
      'a kernel that is not 0 and 1',
      replaced('BinaryWeights', 0, numeric([3, 3, 3, 4], new Float64Array(108).fill(0.5))),
      'matlab .mat BinaryWeights{1}: expected bits 0 and 1, got 0.5',
    ],
    ['text in a cell', replaced('BNB', 1, { kind: 'char', text: 'x' }), 'matlab .mat BNB{2}: expected numbers, got char'],
    ['another stride', { ...variables, Stride: row(1, 1, 1, 1, 2, 2, 1, 1) }, 'matlab .mat variable Stride(4): expected 2, got 1'],
    ['another padding', { ...variables, Padding: row(1, 1, 0, 1, 1, 1, 1, 0) }, 'matlab .mat variable Padding(3): expected 1, got 0'],
    ['a scale for each of too few channels', replaced('BNG', 0, row(1)), 'matlab .mat BNG{1}: expected shape [3, 1], got [1, 1]'],
  ])('%s', (_, changed, message) => {
    expect(() => readModel(matFile(changed))).toThrow(InputError);
    expect(() => readModel(matFile(changed))).toThrow(message);
  });

  test('an accuracy that is none is left out', () => {
    expect(readModel(matFile({ ...variables, PercentCorrectTest: row(Number.NaN) })).about).not.toHaveProperty('testAccuracy');
    expect(readModel(matFile(without('PercentCorrectTest'))).about).not.toHaveProperty('testAccuracy');
  });
});
