/** `export` and `import` as a user runs them. */
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { forms } from '../../../converters/onnx/forms/table.ts';
import { fromOnnx } from '../../../converters/onnx/read.ts';
import { toOnnx } from '../../../converters/onnx/write.ts';
import { decodeModel } from '../../../proto/onnx.ts';
import { writeModelFile } from '../../../src/network/model-file.ts';
import { kerasVariables, torchState } from '../../converters/foreign-files.ts';
import { matFile } from '../../formats/mat5-file.ts';
import { type Tensor, torchZip } from '../../formats/torch-file.ts';
import { randomModel, variants } from '../../network/random-model.ts';
import { models, testWith } from '../../shared.ts';
import { run } from '../run.ts';

const folder = mkdtempSync(join(tmpdir(), 'wrn-export-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);
const shipped = fileURLToPath(new URL('../../../models/fashion-mnist-wrn-20-1/model.safetensors', import.meta.url));

test.each(Object.keys(forms))('--form %s: verified, and the same bytes twice', async (form) => {
  const first = await run(['export', shipped, '-o', at(`${form}.onnx`), '--form', form, '--format', 'json']);
  expect(first.stderr).toBe('');
  const result = JSON.parse(first.stdout);
  expect(result).toMatchObject({ network: 'WRN-20-1', form, weights: 268_048, verification: { bits: 268_048 } });
  expect(result.verification.relError).toBeLessThan(1e-5);
  const bytes = readFileSync(at(`${form}.onnx`));
  expect(result.bytes).toBe(bytes.length);
  await run(['export', shipped, '-o', at(`${form}-again.onnx`), '--form', form]);
  expect(readFileSync(at(`${form}-again.onnx`)).equals(bytes)).toBe(true);
});

test('nothing is overwritten without --force', async () => {
  writeFileSync(at('precious.onnx'), 'precious');
  const refused = await run(['export', shipped, '-o', at('precious.onnx')]);
  expect(refused).toMatchObject({ status: 2, stdout: '' });
  expect(refused.stderr).toBe(`wrn-onnx: ${at('precious.onnx')} exists. Use --force to replace it\n`);
  expect(readFileSync(at('precious.onnx'), 'utf8')).toBe('precious');
  expect((await run(['export', shipped, '-o', at('precious.onnx'), '--force'])).status).toBe(0);
  expect(decodeModel(readFileSync(at('precious.onnx'))).producer_name).toBe('wrn-onnx');
});

test('the data set and its labels go into the file; another number of classes or channels is refused', async () => {
  await run(['export', shipped, '-o', at('labels.onnx'), '--dataset', 'mnist']);
  expect(fromOnnx(decodeModel(readFileSync(at('labels.onnx')))).about).toMatchObject({
    dataset: 'mnist',
    classLabels: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
  });
  const refused = await run(['export', shipped, '-o', at('hundred.onnx'), '--dataset', 'cifar-100']);
  expect(refused).toMatchObject({ status: 2, stderr: 'wrn-onnx: --dataset cifar-100 has 100 classes, the network 10\n' });
  const grey = await run(['export', shipped, '-o', at('colour.onnx'), '--dataset', 'cifar-10']);
  expect(grey).toMatchObject({ status: 2, stderr: 'wrn-onnx: --dataset cifar-10 has images of 3 channels, the network takes 1\n' });
});

const source = readFileSync(shipped);
test.each([
  { title: 'no such file', bytes: undefined, status: 3, message: 'expected a file, got no such file' },
  { title: 'an empty file', bytes: Buffer.alloc(0), status: 3, message: 'got none of them' },
  { title: 'a truncated model file', bytes: source.subarray(0, source.length - 7), status: 3, message: 'safetensors' },
  { title: 'a text', bytes: Buffer.from('{"not": "a network"}'), status: 3, message: 'got none of them' },
])('$title: one line, exit code $status, nothing left behind', async ({ bytes, status, message }) => {
  if (bytes) writeFileSync(at('source.bin'), bytes);
  const before = readdirSync(folder);
  const result = await run(['export', at(bytes ? 'source.bin' : 'missing.bin'), '-o', at('never.onnx')]);
  expect(result.status).toBe(status);
  expect(result.stderr).toContain(message);
  expect(result.stderr.trim().split('\n')).toHaveLength(1);
  expect(readdirSync(folder).filter((name) => !before.includes(name))).toEqual([]);
  rmSync(at('source.bin'), { force: true });
});

test.each([
  { args: ['export', shipped], message: "required option '-o, --output <file>'" },
  { args: ['export', shipped, '-o', at('x.onnx'), '--form', 'tiny'], message: "'tiny' is invalid" },
  { args: ['export', shipped, '-o', at('x.onnx'), '--dialect', 'keras'], message: 'dialect keras does not fit a safetensors file' },
  {
    args: ['export', shipped, '-o', at('x.onnx'), '--for', 'webgl', '--input', 'nhwc-uint8'],
    message: '--for webgl needs --input nchw-float',
  },
  { args: ['export', shipped, '-o', folder, '--force'], message: 'expected the name of a file, got a folder' },
  { args: ['export', shipped, '-o', join(folder, 'no', 'such', 'x.onnx')], message: 'cannot be written, the folder does not exist' },
])('usage: $message', async ({ args, message }) => {
  const result = await run(args);
  expect(result.status).toBe(2);
  expect(result.stderr).toContain(message);
});

test('interrupted at any moment, nothing is left behind', async () => {
  const large = randomModel({ depth: 20, width: 4, input: { channels: 3, height: 32, width: 32 } });
  writeFileSync(at('large.safetensors'), writeModelFile(large));
  const complete = toOnnx(large, { form: 'packed', input: 'nchw-float' });
  const before = readdirSync(folder).sort();
  for (const delay of [150, 300, 450, 600]) {
    const result = await run(['export', at('large.safetensors'), '-o', at('interrupted.onnx')], {
      onStart: (child) => setTimeout(() => child.kill('SIGINT'), delay),
    });
    expect([0, 130, null]).toContain(result.status); // null: ended by the signal itself
    if (existsSync(at('interrupted.onnx'))) {
      expect(readFileSync(at('interrupted.onnx')).equals(complete)).toBe(true); // too late to interrupt: the whole file is there
      rmSync(at('interrupted.onnx'));
    } else expect(result.status).not.toBe(0);
    expect(readdirSync(folder).sort()).toEqual(before);
  }
});

test('import of a model file writes the same bytes', async () => {
  const imported = await run(['import', at('large.safetensors'), '-o', at('copy.safetensors'), '--format', 'json']);
  expect(JSON.parse(imported.stdout)).toMatchObject({ network: 'WRN-20-4', dialect: 'random' });
  expect(readFileSync(at('copy.safetensors')).equals(readFileSync(at('large.safetensors')))).toBe(true);
});

testWith(models.keras, "the author's network: at most 1.04 bits per weight, and the source's SHA-256 in the file", async (file) => {
  const result = JSON.parse((await run(['export', file, '-o', at('keras.onnx'), '--format', 'json'])).stdout);
  expect(result).toMatchObject({ network: 'WRN-20-10', dialect: 'keras', weights: 26_737_120, verification: { bits: 26_737_120 } });
  expect(result.bitsPerWeight).toBeLessThan(1.04);
  expect(result.verification.relError).toBeLessThan(1e-5);
  const { about } = fromOnnx(decodeModel(readFileSync(at('keras.onnx'))));
  expect(about.sourceSha256).toBe(createHash('sha256').update(readFileSync(file)).digest('hex'));
});

test('what the file does not say is assumed and said, or taken from the command line', async () => {
  const model = randomModel({ affine: 'first', input: { channels: 3, height: 64, width: 64 }, classes: 200 });
  writeFileSync(at('tiny-imagenet.mat'), matFile(kerasVariables(model)));
  const assumed = await run(['export', at('tiny-imagenet.mat'), '-o', at('assumed.onnx')]);
  expect(assumed.stderr).toBe(
    'note: the file does not contain the image size: assumed 32x32. Use --image-size HEIGHTxWIDTH to change it\n',
  );
  const told = await run(['export', at('tiny-imagenet.mat'), '-o', at('told.onnx'), '--image-size', '64x64', '--format', 'json']);
  expect([told.stderr, told.status]).toEqual(['', 0]);
  expect(fromOnnx(decodeModel(readFileSync(at('told.onnx')))).config).toEqual(model.config);
  const other = await run(['export', shipped, '-o', at('other.onnx'), '--image-size', '64x64']);
  expect(other).toMatchObject({
    status: 2,
    stderr: 'wrn-onnx: --image-size: the source is a network for images of 28x28\n',
  });
  expect((await run(['export', shipped, '-o', at('other.onnx'), '--image-size', '64'])).status).toBe(2);
});

test('latent weights of exactly zero are counted, and their cost is shown', async () => {
  const model = randomModel({ ...variants['pytorch'], input: { channels: 3, height: 32, width: 32 } });
  const state = torchState(model, { packed: false, prefix: '' });
  ((state.get('group0.block0.conv0') as Tensor).data as Float32Array).set([0, -0, 0], 5);
  writeFileSync(at('zeros.pt'), torchZip(state));
  const { status, stdout, stderr } = await run(['export', at('zeros.pt'), '-o', at('zeros.onnx')]);
  expect(status).toBe(0);
  expect(stderr).toMatch(
    /note: 3 of \d[\d,]* latent weights are exactly 0 \(group0\.block0\.conv0\.kernel 3\): the bits hold \+1, where PyTorch computes sign\(0\) = 0\n/,
  );
  expect(stdout).toMatch(
    /3 weights are stored as \+1 where training had sign\(0\) = 0: logits of 4 noise images differ by 0\.\d+, \d of 4 predictions agree/,
  );
});
