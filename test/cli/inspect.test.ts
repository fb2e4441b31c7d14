import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { toOnnx } from '../../converters/onnx/write.ts';
import { folderWith } from '../data/crafted.ts';
import { randomModel } from '../network/random-model.ts';
import { run } from './run.ts';

const model = { ...randomModel(), about: { dialect: 'keras', dataset: 'cifar-10', testAccuracy: 0.9625 } };
const bytes = toOnnx(model, { form: 'packed', input: 'nchw-float' });

const small = async () => join(await folderWith({ 'small.onnx': bytes }), 'small.onnx');

test('a table of layers, totals compared with float32, configuration and metadata', async () => {
  const file = await small();
  const { status, stdout, stderr } = await run(['inspect', file]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const cells = (name: string) =>
    stdout
      .split('\n')
      .find((line) => line.includes(` ${name} `))
      ?.split('│')
      .map((cell) => cell.trim())
      .filter(Boolean);
  expect(stdout).toContain(`${file}: WRN-8-0.25, packed, ${bytes.length.toLocaleString('en-US')} bytes\n`);
  expect(cells('stem.conv')).toEqual(['stem.conv', 'conv', '3x3', '1x1', '3 to 4', '8x8', '1', '108', '6,912', '50', '432', '8.64x']);
  expect(cells('total')?.slice(0, 3)).toEqual(['total', '4,876', '53,632']);
  expect(cells('bits per weight')?.[1]).toBe(((bytes.length * 8) / 4876).toFixed(3));
  for (const words of [
    'depth 8',
    'testAccuracy 0.9625',
    'operator sets ai.onnx 17, wrn.onebit 1',
    'function wrn.onebit::UnpackSign: 10 nodes, called 8 times',
    'input images: float32 [batch, 3, 8, 8]',
  ]) {
    expect(stdout).toContain(words);
  }
});

test('nothing in a file steers the terminal', async () => {
  const evil = { ...model, about: { dialect: 'keras', dataset: 'a\x1b[2Jb' } };
  const file = join(await folderWith({ 'evil.onnx': toOnnx(evil, { form: 'packed', input: 'nchw-float' }) }), 'evil.onnx');
  const { stdout } = await run(['inspect', file]);
  expect(stdout).toContain('metadata wrn.dataset: a?[2Jb\n');
  expect(stdout).toContain('dataset a?[2Jb\n');
  expect(stdout).not.toMatch(/[^\P{Cc}\n]/u);
});

test('--format json prints one object', async () => {
  const file = await small();
  const { status, stdout } = await run(['inspect', file, '--format', 'json']);
  const { layers, ...rest } = JSON.parse(stdout);
  expect(status).toBe(0);
  expect(rest).toMatchObject({
    file,
    bytes: bytes.length,
    network: 'WRN-8-0.25',
    kind: 'packed',
    config: model.config,
    about: model.about,
    totals: { weights: 4876 },
  });
  expect(layers).toHaveLength(32);
});

test('a file that is nothing of this ends in one line and exit 3', async () => {
  const folder = await folderWith({ 'notes.txt': 'not a model\n' });
  const { status, stdout, stderr } = await run(['inspect', join(folder, 'notes.txt')]);
  expect({ status, stdout }).toEqual({ status: 3, stdout: '' });
  expect(stderr).toMatch(/^wrn-onnx: file .*notes\.txt: expected an ONNX model, or a source that export reads, got none of them .*\n$/);
});

test('a training checkpoint: its layers and configuration, not what only resuming needs', async () => {
  const file = fileURLToPath(new URL('../../models/cifar-10-wrn-20-1/checkpoint.safetensors', import.meta.url));
  const { status, stdout } = await run(['inspect', file, '--format', 'json']);
  expect(status).toBe(0);
  const { network, kind, totals, config } = JSON.parse(stdout);
  expect({ network, kind }).toEqual({ network: 'WRN-20-1', kind: 'checkpoint' });
  expect(totals.oneBitWeights).toBe(totals.weights);
  expect(totals.weights).toBe(268_336); // 3x3: 3 to 16, six of 16, 16 to 32 and five of 32, 32 to 64 and five of 64; 64 to 10
  expect(config).toMatchObject({ depth: 20, width: 1, bits: 1, classes: 10 });
});
