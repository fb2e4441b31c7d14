import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { describeSource, dialectNames, isSource, readModel } from '../../converters/read.ts';
import { InputError, UsageError } from '../../src/errors.ts';
import { writeSafetensors } from '../../src/formats/safetensors.ts';
import { networkName } from '../../src/network/config.ts';
import { writeModelFile } from '../../src/network/model-file.ts';
import { parameters } from '../../src/network/topology.ts';
import { readCheckpoint, writeCheckpoint } from '../../src/train/run/checkpoint.ts';
import { matFile, numeric } from '../formats/mat5-file.ts';
import { torchLegacy, torchZip } from '../formats/torch-file.ts';
import { randomModel, variants } from '../network/random-model.ts';
import { models, testWith } from '../shared.ts';
import { kerasVariables, matlabVariables, torchState } from './foreign-files.ts';

const input = { channels: 3, height: 32, width: 32 };
const model = (variant: string) => randomModel({ ...variants[variant], input });

test.each<[string, Uint8Array]>([
  ['keras', matFile(kerasVariables(model('keras')))],
  ['matlab', matFile(matlabVariables(model('matlab')))],
  ['matlab-plain', matFile(matlabVariables(model('matlab plain')))],
  ['pytorch', torchZip(torchState(model('pytorch'), { packed: true }))],
  ['pytorch', torchLegacy(torchState(model('pytorch'), { packed: false }))],
  ['random', writeModelFile(randomModel())],
])('%s is recognised by its content', (dialect, bytes) => {
  expect(isSource(bytes)).toBe(true);
  expect(readModel(bytes).about.dialect).toBe(dialect);
});

test('a model file keeps what it says of its source', () => {
  const about = { dialect: 'keras', sourceSha256: 'ab' };
  expect(readModel(writeModelFile({ ...randomModel(), about })).about).toEqual(about);
});

describe('a training checkpoint', () => {
  const published = (folder: string, name: string) => readFileSync(new URL(`../../models/${folder}/${name}.safetensors`, import.meta.url));

  test.each(['cifar-10-wrn-20-1', 'cifar-10-wrn-20-1-float', 'fashion-mnist-wrn-20-1'])('is the model that %s ended with', (folder) => {
    const bytes = published(folder, 'checkpoint');
    expect(isSource(bytes)).toBe(true);
    const { config, tensors, about } = readModel(bytes);
    const final = readModel(published(folder, 'model'));
    expect({ config, tensors }).toEqual({ config: final.config, tensors: final.tensors });
    expect(about.sourceSha256).toBe(createHash('sha256').update(bytes).digest('hex'));
  });

  test('from within a cycle is described, but is no model', () => {
    const checkpoint = readCheckpoint(published('cifar-10-wrn-20-1', 'checkpoint'));
    const within = writeCheckpoint({ ...checkpoint, moments: undefined });
    expect(describeSource(within)).toEqual({ kind: 'checkpoint', notes: [], config: checkpoint.config, about: checkpoint.about ?? null });
    expect(() => readModel(within)).toThrow('expected a checkpoint from the end of a cycle');
  });
});

describe('refused:', () => {
  test.each<[string, Uint8Array, string]>([
    [
      'nothing',
      new Uint8Array(),
      'source file: expected a MAT file, a Keras model, a Keras HDF5 file, a NumPy archive, a PyTorch checkpoint, a safetensors file, got none of them',
    ],
    ['text', Buffer.from('hello'), 'source file: expected a MAT file'],
    [
      'other variables',
      matFile({ x: numeric([1, 1], Uint8Array.of(1)) }),
      'expected a MAT file of a dialect (keras, matlab, matlab-float, matlab-plain), got none of them',
    ],
    [
      'other tensors',
      writeSafetensors({ metadata: new Map(), tensors: new Map() }),
      'expected a safetensors file of a dialect (wrn-onnx, checkpoint, pytorch, pytorch-float, pytorchcv, pytorchcv-float), got none of them',
    ],
  ])('%s', (_, bytes, message) => {
    expect(() => readModel(bytes)).toThrow(InputError);
    expect(() => readModel(bytes)).toThrow(message);
  });

  const keras = matFile(kerasVariables(model('keras')));
  test('a dialect of another container', () => {
    expect(dialectNames).toEqual([
      ...['keras', 'matlab', 'matlab-float', 'matlab-plain', 'keras-binary'],
      ...['pytorch', 'pytorch-float', 'pytorchcv', 'pytorchcv-float', 'wrn-onnx', 'checkpoint'],
    ]);
    for (const dialect of ['pytorch', 'constructor', '__proto__']) {
      expect(() => readModel(keras, { dialect })).toThrow(UsageError);
      expect(() => readModel(keras, { dialect })).toThrow(
        `dialect ${dialect} does not fit a MAT file: expected keras or matlab or matlab-float or matlab-plain`,
      );
    }
  });

  test('another dialect of the same container', () => {
    expect(() => readModel(keras, { dialect: 'matlab' })).toThrow(
      'matlab .mat file: expected weights and batch-norm moments, got weights only',
    );
  });
});

// Digests of the canonical parameters as NumPy computes them from what scipy reads: test/converters/digests.py.
describe("the author's networks, bit for bit", () => {
  const digests = {
    keras: '0f9a0ce871a29192c58b98a4e3e9a9cc7062b9f1e902e7f45dac109f61e32c17',
    matlab: '11a7616e3ef8e619667256b9921ff8550bd5a18e9c8da9120d8991d02371e0fd',
  };
  for (const dialect of ['keras', 'matlab'] as const) {
    testWith(models[dialect], dialect, async (path) => {
      const file = await readFile(path);
      const { config, tensors, about } = readModel(file);
      expect([networkName(config), config.classes, config.affine, about.dialect]).toEqual(['WRN-20-10', 10, 'first', dialect]);
      expect(about.sourceSha256).toBe(createHash('sha256').update(file).digest('hex'));
      expect(about.testAccuracy).toBe(dialect === 'matlab' ? 0.9618 : undefined);
      const digest = createHash('sha256');
      for (const { name } of parameters(config)) {
        const data = tensors.get(name)?.data ?? new Uint8Array();
        digest.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
      }
      expect(digest.digest('hex')).toBe(digests[dialect]);
    });
  }
});
