import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { toOnnx } from '../../../converters/onnx/write.ts';
import { readModel } from '../../../converters/read.ts';
import { describeFolder } from '../../../converters/sources/unread.ts';
import { InputError } from '../../../src/errors.ts';
import { run } from '../../cli/run.ts';
import { folderWith } from '../../data/crafted.ts';
import { zipFile } from '../../formats/zip-file.ts';
import { randomModel } from '../../network/random-model.ts';

const binary = (text: string) => Buffer.from(text, 'latin1');

test.each<[string, Uint8Array, string]>([
  ['an ONNX model', toOnnx(randomModel(), { form: 'packed', input: 'nchw-float' }), 'got an ONNX model. It is converted already: pack'],
  ['one of PyTorch', binary('\x08\x08\x12\x07pytorch'), 'got an ONNX model'],
  ['one that names its operator sets first', binary('\x08\x0a\x42\x04\x0a\x00\x10\x11'), 'got an ONNX model'],
  ['a SavedModel', binary('\x08\x01\x12\xff\x01'), 'got a TensorFlow SavedModel. Load its folder in TensorFlow'],
  ['TensorFlow Lite', binary('\x1c\0\0\0TFL3'), 'got a TensorFlow Lite model'],
  [
    'a checkpoint index',
    Buffer.concat([Buffer.alloc(48), binary('\x57\xfb\x80\x8b\x24\x75\x47\xdb')]),
    'got the index of a TensorFlow checkpoint',
  ],
  [
    'TorchScript',
    zipFile([{ name: 'm/constants.pkl', data: Buffer.from('N.') }]),
    'got TorchScript. Save only its parameters: torch.save(torch.jit.load(',
  ],
  ['an exported program', zipFile([{ name: 'm/archive_format', data: Buffer.from('pt2') }]), 'got an exported program'],
  ['a pickle', binary('\x80\x04\x95'), 'got a pickle. Save the parameters as arrays under their PyTorch names: numpy.savez('],
  ['an array', binary('\x93NUMPY\x01\x00'), 'got a single NumPy array'],
  ['Flax', binary('\x81\xa6params\x81'), 'got a msgpack file, as Flax writes'],
  ['GGUF', binary('GGUF\x03'), 'got a GGUF file'],
  ["Octave's text", binary('# Created by Octave 8.4.0'), "got a file of Octave's text format. Save it again in Octave: save -v7 model.mat"],
  ['a pointer', binary('version https://git-lfs.github.com/spec/v1'), 'got a Git LFS pointer'],
  ['a web page', binary('\n<!DOCTYPE html><html>'), 'got a web page'],
  ["Keras's configuration", binary('{"module": "keras", "class_name": "Functional"}'), 'got a configuration without weights'],
  ['gzip', binary('\x1f\x8b\x08'), 'got a gzip archive. Unpack it'],
  ['tar', Buffer.concat([Buffer.alloc(257), binary('ustar\x0000')]), 'got a tar archive'],
])('%s is named, with the way to go', (_, bytes, message) => {
  expect(() => readModel(bytes)).toThrow(InputError);
  expect(() => readModel(bytes)).toThrow(message);
});

test.each([
  [['assets', 'saved_model.pb', 'variables'], 'a TensorFlow SavedModel (saved_model.pb). Load it'],
  [['checkpoint', 'w.index', 'w.data-00000-of-00001'], 'a TensorFlow checkpoint (w.index). Load it'],
  [['config.json', 'model.safetensors'], 'a folder with a model in it (model.safetensors). Give the file itself'],
  [['photos'], 'a folder'],
])('a folder of %s', (names, description) => {
  expect(describeFolder(names)).toMatch(description.slice(0, 20));
  expect(describeFolder(names).startsWith(description)).toBe(true);
});

test('export says what was named', async () => {
  const folder = await folderWith({ 'm.onnx.data': 'x' });
  mkdirSync(join(folder, 'saved', 'variables'), { recursive: true });
  for (const [name, message] of [
    ['saved', 'expected a file, got a folder'],
    ['m.onnx.data', 'got the external data of an ONNX model. Give the .onnx file beside it'],
  ] as const) {
    const { status, stderr } = await run(['export', join(folder, name), '-o', join(folder, 'never.onnx')]);
    expect(status).toBe(3);
    expect(stderr).toContain(message);
  }
});
