/** Networks by name: the list, the ONNX file of each kind, and the name in place of a file. */
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readClassifier } from '../../eval/runtime/model-input.ts';
import { publishedNetworks } from '../../src/data/networks.ts';
import { folderWith } from '../data/crafted.ts';
import { models, testWith } from '../shared.ts';
import { run } from './run.ts';

const shippedFile = (name: string) => fileURLToPath(new URL(`../../models/${name}/model.safetensors`, import.meta.url));

test('the list has every network with what a person needs to choose one', async () => {
  const env = { WRN_ONNX_DATA: await folderWith() };
  const { stdout } = await run(['models', '--format', 'json'], { env });
  const rows: Record<string, unknown>[] = JSON.parse(stdout);
  const bytes = readFileSync(shippedFile('cifar-10-wrn-20-1'));
  expect(rows.find(({ name }) => name === 'cifar-10-wrn-20-1')).toMatchObject({
    network: 'WRN-20-1',
    dataset: 'cifar-10',
    bits: 1,
    testError: expect.closeTo(0.1427, 6), // as the table in docs/benchmarks.md
    bytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    licence: 'MIT',
    path: expect.stringMatching(/model\.safetensors$/),
  });
  for (const { name } of publishedNetworks) expect(rows.find((row) => row['name'] === name)).toMatchObject({ path: null, licence: 'MIT' });
  const table = (await run(['models'], { env: { ...env, COLUMNS: '300' } })).stdout;
  expect(table).toMatch(/cifar-10-wrn-20-1 +│ WRN-20-1 .*14\.27 %/);
});

test('a shipped network is brought as ONNX, with its labels', async () => {
  const output = join(await folderWith(), 'net.onnx');
  const { status, stderr } = await run(['models', 'get', 'fashion-mnist-wrn-20-1', '-o', output]);
  expect(status, stderr).toBe(0);
  const { classes, metadata } = readClassifier(readFileSync(output));
  expect([classes, metadata?.about.classLabels?.[9]]).toEqual([10, 'Ankle boot']);
});

test('a published network that is not here says how to get it, and one that cannot be fetched how to bring it', async () => {
  const env = { WRN_ONNX_DATA: await folderWith() };
  const missing = await run(['inspect', 'mcdonnell-cifar-10'], { env });
  expect(missing.stderr).toContain(
    'network mcdonnell-cifar-10: expected it on this machine, got nothing. Get it with: wrn-onnx models get mcdonnell-cifar-10',
  );
  expect(missing.status).toBe(3);
  const output = join(env.WRN_ONNX_DATA, 'p.onnx');
  const byHand = await run(['models', 'get', 'pytorchcv-cifar-10', '-o', output], { env });
  expect(byHand.stderr).toContain('Its publisher states no SHA-256: download https://github.com/osmr/');
  expect(byHand.status).toBe(5);
  expect(existsSync(output)).toBe(false);
});

testWith(models.keras, 'a published network that is here is read by its name, with the labels of its data', async (file) => {
  const data = await folderWith();
  mkdirSync(join(data, 'networks'));
  copyFileSync(file, join(data, 'networks', basename(file)));
  const output = join(data, 'net.onnx');
  const { status, stderr } = await run(['models', 'get', 'mcdonnell-cifar-10', '-o', output], { env: { WRN_ONNX_DATA: data } });
  expect(status, stderr).toBe(0);
  expect(readClassifier(readFileSync(output)).metadata?.about).toMatchObject({
    dataset: 'cifar-10',
    classLabels: expect.arrayContaining(['airplane']),
  });
});
