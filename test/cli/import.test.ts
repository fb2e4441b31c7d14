/** `import` as a user runs it. */
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readModelFile } from '../../src/network/model-file.ts';
import { kerasVariables, torchState } from '../converters/foreign-files.ts';
import { folderWith } from '../data/crafted.ts';
import { matFile } from '../formats/mat5-file.ts';
import { torchLegacy } from '../formats/torch-file.ts';
import { randomModel, variants } from '../network/random-model.ts';
import { models, testWith } from '../shared.ts';
import { run } from './run.ts';

const input = { channels: 3, height: 32, width: 32 };
const model = randomModel({ ...variants['keras'], input });
const variables = kerasVariables(model);
const keras = matFile(variables);

test('a published file becomes a model file, and the result is said on stdout', async () => {
  const folder = await folderWith({ 'source.bin': keras });
  const output = join(folder, 'model.safetensors');
  const { status, stdout, stderr } = await run(['import', join(folder, 'source.bin'), '-o', output, '--dataset', 'cifar-10']);
  const bytes = readFileSync(output);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toBe(`${output}: WRN-8-0.25 (keras), 4,876 weights, ${bytes.length.toLocaleString('en-US')} bytes\n`);
  const { config, tensors, about } = readModelFile(bytes);
  expect([config, tensors]).toEqual([model.config, model.tensors]);
  expect(about).toMatchObject({ dialect: 'keras', dataset: 'cifar-10' });
  expect(about.classLabels?.slice(0, 2)).toEqual(['airplane', 'automobile']);
});

test('--format json, --force, and the same bytes each time', async () => {
  const folder = await folderWith({ 'source.bin': keras, 'model.safetensors': 'precious' });
  const [source, output] = [join(folder, 'source.bin'), join(folder, 'model.safetensors')];
  expect(await run(['import', source, '-o', output])).toEqual({
    status: 2,
    stdout: '',
    stderr: `wrn-onnx: ${output} exists. Use --force to replace it\n`,
  });
  expect(readFileSync(output, 'utf8')).toBe('precious');
  const again = join(folder, 'again.safetensors');
  const { stdout } = await run(['import', source, '-o', output, '--force', '--format', 'json']);
  await run(['import', source, '-o', again]);
  const bytes = readFileSync(output);
  const notes = ['the file does not contain the image size: assumed 32x32. Use --image-size HEIGHTxWIDTH to change it'];
  expect(JSON.parse(stdout)).toEqual({
    ...{ source, output, network: 'WRN-8-0.25', dialect: 'keras', weights: 4876, bytes: bytes.length },
    notes,
  });
  expect(readFileSync(again).equals(bytes)).toBe(true);
});

test('--dialect reads a latent checkpoint as the full-precision network that it may be', async () => {
  const full = randomModel({ ...variants['pytorch'], input, bits: 32 });
  const folder = await folderWith({ 'checkpoint.pth': torchLegacy(torchState(full, { packed: false })) });
  const output = join(folder, 'model.safetensors');
  const { stdout } = await run(['import', join(folder, 'checkpoint.pth'), '-o', output, '--dialect', 'pytorch-float']);
  expect(stdout).toContain('(pytorch-float)');
  expect(readModelFile(readFileSync(output)).tensors).toEqual(full.tensors);
});

const weightsOnly = matFile(Object.fromEntries(Object.entries(variables).filter(([name]) => name.startsWith('conv2d'))));
test.each<[string, Uint8Array, RegExp]>([
  ['weights only', weightsOnly, /got weights only\. Use the \*_allparams\.mat file of the same network/],
  ['a truncated file', keras.subarray(0, 3000), /mat5 \S*source\.bin at byte/],
  [
    'an archive of something else',
    Buffer.from('PK\x03\x04 and so on'),
    /zip \S*source\.bin: expected an end of central directory, got none/,
  ],
])('%s: one line, exit code 3, nothing left behind', async (_, bytes, message) => {
  const folder = await folderWith({ 'source.bin': bytes });
  const { status, stdout, stderr } = await run(['import', join(folder, 'source.bin'), '-o', join(folder, 'never.safetensors')]);
  expect({ status, stdout }).toEqual({ status: 3, stdout: '' });
  expect(stderr).toMatch(/^wrn-onnx: [^\n]+\n$/);
  expect(stderr).toMatch(message);
  expect(readdirSync(folder)).toEqual(['source.bin']);
});

test('a checkpoint with a command in it is refused, and the command does not run', async () => {
  const folder = await folderWith();
  const evil = fileURLToPath(new URL('../formats/fixtures/evil-zip.pt', import.meta.url));
  copyFileSync(evil, join(folder, 'evil.pt'));
  const { status, stderr } = await run(['import', join(folder, 'evil.pt'), '-o', join(folder, 'never.safetensors')]);
  expect(status).toBe(3);
  expect(stderr).toContain('got a call of posix.system. Python would run this code: do not load the file in Python');
  expect(existsSync('executed-by-a-pickle')).toBe(false);
});

testWith(models.matlab, "the author's network keeps its accuracy, and 1.04 bits per weight", async (file) => {
  const folder = await folderWith();
  writeFileSync(join(folder, 'model.safetensors'), '');
  const { stdout } = await run(['import', file, '-o', join(folder, 'model.safetensors'), '--force', '--format', 'json']);
  const { bytes, weights } = JSON.parse(stdout);
  expect((bytes * 8) / weights).toBeLessThan(1.04);
  expect(readModelFile(readFileSync(join(folder, 'model.safetensors'))).about).toMatchObject({ dialect: 'matlab', testAccuracy: 0.9618 });
});
