/** Names of files, folders, classes and tensors may hold anything: what reaches a terminal steers nothing and forges no line. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { toOnnx } from '../../converters/onnx/write.ts';
import { encodeModel } from '../../proto/onnx.ts';
import { writeModelFile } from '../../src/network/model-file.ts';
import { file, model, node, signs, value } from '../converters/onnx/foreign-model.ts';
import { randomModel } from '../network/random-model.ts';
import { run } from './run.ts';

/** Clears the screen, the same in one character, turns the writing direction, hides, breaks the line and forges a result. */
const evil = 'a\x1b[2J\u009b2J\u202e\u200b\u2028\nwrn-onnx: all is well';
const unsafe = /[^\P{C}\n]|[\u2028\u2029]/u;

const folder = mkdtempSync(join(tmpdir(), 'wrn-names-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);
const images = fileURLToPath(new URL('../../examples/fashion-mnist', import.meta.url));

beforeAll(async () => {
  const network = randomModel({ input: { channels: 1, height: 28, width: 28 } });
  const labels = Array.from({ length: network.config.classes }, (_, i) => `${evil} ${i}`);
  const named = { ...network, about: { ...network.about, dataset: evil, classLabels: labels } };
  writeFileSync(at(`${evil}.safetensors`), writeModelFile(named));
  writeFileSync(at(`${evil}.onnx`), toOnnx(named, { form: 'dense', input: 'nchw-float' }));
  writeFileSync(at(`${evil}.bad`), evil);
  const image = await sharp({ create: { width: 28, height: 28, channels: 3, background: 'grey' } })
    .png()
    .toBuffer();
  writeFileSync(at(`${evil}.png`), image);
  for (const label of labels) {
    mkdirSync(at(`${evil}/${label}`), { recursive: true });
    writeFileSync(at(`${evil}/${label}/${evil}.png`), image);
  }
  const foreign = {
    nodes: [node('Conv', ['x', evil], `${evil} y`)],
    tensors: [signs(evil, [64, 8, 3, 3])],
    inputs: [value('x', ['batch', 8, 9, 9])],
  };
  writeFileSync(at('foreign.onnx'), file(foreign));
  const external = { name: evil, dims: [64, 8, 3, 3], data_type: 1, data_location: 1, external_data: [{ key: 'location', value: evil }] };
  writeFileSync(at('external.onnx'), encodeModel(model({ ...foreign, tensors: [external] })));
}, 60_000);

const rows: readonly (readonly string[])[] = [
  ['inspect', at(`${evil}.onnx`)],
  ['inspect', at(`${evil}.safetensors`)],
  ['inspect', at('foreign.onnx')],
  ['inspect', at(`${evil}.bad`)],
  ['inspect', at(`${evil}.missing`)],
  ['import', at(`${evil}.safetensors`), '-o', at(`${evil}.out`)],
  ['export', at(`${evil}.safetensors`), '-o', at(`${evil}.new.onnx`)],
  ['export', at(`${evil}.safetensors`), '-o', at(`${evil}.new.onnx`)],
  ['export', at(`${evil}.safetensors`), '-o', at(`${evil}/no/folder`)],
  ['eval', at(`${evil}.onnx`), '--data', images, '--limit', '2'],
  ['eval', at(`${evil}.onnx`), '--data', at(evil), '--limit', '2'],
  ['eval', at(`${evil}.onnx`), '--data', at(`${evil}.missing`)],
  ['predict', at(`${evil}.onnx`), at(`${evil}.png`)],
  ['bench', at(`${evil}.onnx`), '--runs', '1', '--batch', '1', '--profile'],
  ['pack', at('foreign.onnx'), '-o', at(`${evil}.packed.onnx`)],
  ['pack', at('external.onnx'), '-o', at(`${evil}.packed.onnx`)],
  ['merge', at(`${evil}.bad`)],
  ['curve', at(`${evil}.bad`), '-o', at('c')],
  ['data', 'get', 'mnist', '--from', at(`${evil}.missing`)],
  ['train', '--data', at(`${evil}.missing`), '-o', at(`${evil}.run`)],
  ['eval', at(`${evil}.onnx`), '--data', images, '--backend', evil],
  ['inspect', `--${evil}`],
  [evil],
];

test.each(rows.map((args) => ({ args })))('$args.0', async ({ args }) => {
  const { status, stdout, stderr } = await run(args);
  expect(stdout + stderr).not.toMatch(unsafe);
  expect(`${stdout}\n${stderr}`).not.toMatch(/^wrn-onnx: all is well/m);
  if (status !== 0 && !args[0]?.includes('\n') && !args[1]?.startsWith('--'))
    expect(stderr.split('\n').filter(Boolean).length).toBeLessThanOrEqual(2);
  expect(stderr).not.toMatch(/^ +at /m);
});

test('JSON is exact, and steers nothing either', async () => {
  const { status, stdout } = await run(['inspect', at(`${evil}.safetensors`), '--format', 'json']);
  expect(status).toBe(0);
  expect(stdout).not.toMatch(unsafe);
  expect(JSON.parse(stdout).file).toBe(at(`${evil}.safetensors`));
});
