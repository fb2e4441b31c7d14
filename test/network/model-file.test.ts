import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { InputError } from '../../src/errors.ts';
import { readSafetensors, writeSafetensors } from '../../src/formats/safetensors.ts';
import { readModelFile, writeModelFile } from '../../src/network/model-file.ts';
import { randomModel, variants } from './random-model.ts';

const about = { dialect: 'keras', sourceSha256: 'ab', dataset: 'cifar-10', classLabels: [...'abcdefghij'], testAccuracy: 0.9625 };

test.each(Object.keys(variants))('%s: what is written is read', (variant) => {
  const model = randomModel(variants[variant]);
  expect(readModelFile(writeModelFile(model))).toEqual(model);
});

test('what is known of the model is kept', () => {
  const model = { ...randomModel(), about };
  expect(readModelFile(writeModelFile(model)).about).toEqual(about);
});

test('what would steer a terminal does not come out of a file', () => {
  const evil = { dialect: 'a\x1b[2J', classLabels: [...'abcdefghi', '\x9b1m\r\n'] };
  expect(readModelFile(writeModelFile({ ...randomModel(), about: evil })).about).toEqual({
    dialect: 'a?[2J',
    classLabels: [...'abcdefghi', '?1m??'],
  });
});

test('a file at an odd address reads the same', () => {
  const model = randomModel();
  const file = writeModelFile(model);
  const shifted = new Uint8Array(file.length + 1).subarray(1);
  shifted.set(file);
  expect(readModelFile(shifted)).toEqual(model);
});

test('the same model gives the same bytes everywhere', () => {
  const bytes = () => writeModelFile(randomModel({ width: 1 / 16 }, 3));
  expect(bytes()).toEqual(bytes());
  // Bytes must not depend on the machine; their content is proven by the tests above.
  const file = readSafetensors(bytes());
  const metadata = new Map([...file.metadata].filter(([key]) => !/^wrn\.(weights|tensors)_sha256$/.test(key))); // it came later, and has tests of its own
  expect(
    createHash('sha256')
      .update(writeSafetensors({ ...file, metadata }))
      .digest('hex'),
  ).toBe('8466d1652522122b2c888783a092139d9f1b8b57638341e1ef59ea06645d3bfe');
});

describe('refused:', () => {
  const file = readSafetensors(writeModelFile({ ...randomModel(), about }));
  const metadata = (key: string, value: string | undefined) => {
    const entries = new Map(file.metadata);
    if (value === undefined) entries.delete(key);
    else entries.set(key, value);
    return writeSafetensors({ ...file, metadata: entries });
  };
  const tensor = (name: string, change: object) => {
    const stored = file.tensors.get(name);
    const tensors = new Map(file.tensors);
    if (stored) tensors.set(name, { ...stored, ...change });
    return writeSafetensors({ ...file, tensors });
  };
  test.each<[string, Uint8Array, string]>([
    ['a file of someone else', metadata('wrn.model_version', undefined), 'model file wrn.model_version: expected 1, got nothing'],
    ['a later version', metadata('wrn.model_version', '2'), 'model file wrn.model_version: expected 1, got 2'],
    ['no configuration', metadata('wrn.config', undefined), 'model file metadata wrn.config: expected JSON, got something else'],
    ['another configuration', metadata('wrn.config', '{}'), 'configuration stem: expected "cifar" or "imagenet", got nothing'],
    ['nothing about it', metadata('wrn.about', 'null'), 'model file metadata wrn.about: expected an object, got null'],
    [
      'labels of other classes',
      metadata('wrn.about', '{"classLabels":["cat"]}'),
      'model file about.classLabels: expected a list of 10, got ["cat"]',
    ],
    [
      'accuracy in percent',
      metadata('wrn.about', '{"testAccuracy":96.25}'),
      'about.testAccuracy: expected a number from 0 to 1, got 96.25',
    ],
    ['a dialect that is no text', metadata('wrn.about', '{"dialect":1}'), 'model file about.dialect: expected text, got 1'],
    ['doubles', tensor('head.norm.mean', { dtype: 'F64', shape: [8] }), 'model file tensor head.norm.mean: expected F32 or U8, got F64'],
    ['another shape', tensor('head.norm.mean', { shape: [4, 4] }), 'model file head.norm.mean: expected float32 [16], got float32 [4, 4]'],
    [
      'floats as bits',
      tensor('head.norm.mean', { dtype: 'U8', shape: [64] }),
      'model file head.norm.mean: expected float32 [16], got bits [16]',
    ],
  ])('%s', (_, bytes, message) => {
    expect(() => readModelFile(bytes)).toThrow(InputError);
    expect(() => readModelFile(bytes)).toThrow(message);
  });

  test('unknown things about a model are dropped, also those named after a prototype', () => {
    const read = readModelFile(metadata('wrn.about', '{"__proto__":{"polluted":1},"constructor":1,"dialect":"x"}'));
    expect(read.about).toEqual({ dialect: 'x' });
    expect({}).not.toHaveProperty('polluted');
  });
});
