/** `export --layout hub`, `--batch` and `--input-name`: what is refused, and what a folder keeps. test/interop/hub.test.ts runs the folder. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { modelCard } from '../../../converters/hub/card.ts';
import { hubConfig } from '../../../converters/hub/config.ts';
import { readClassifier } from '../../../eval/runtime/model-input.ts';
import { writeModelFile } from '../../../src/network/model-file.ts';
import { randomModel } from '../../network/random-model.ts';
import { run } from '../run.ts';

const folder = mkdtempSync(join(tmpdir(), 'wrn-hub-layout-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);
const small = randomModel({ depth: 8, width: 1 });
writeFileSync(at('small.safetensors'), writeModelFile(small));
const hub = ['export', at('small.safetensors'), '--layout', 'hub'];

test('the folder is written as a whole; --force replaces it, but no file of others', async () => {
  const { status, stdout, stderr } = await run([...hub, '-o', at('hub'), '--format', 'json']);
  expect(status, stderr).toBe(0);
  const { files } = JSON.parse(stdout);
  expect(files.map(({ path, dtype }: { path: string; dtype: string }) => [path, dtype])).toEqual([
    ['onnx/model.onnx', 'fp32'],
    ['onnx/model_q1.onnx', 'q1'],
    ['onnx/model_fp16.onnx', 'fp16'],
  ]);
  for (const { path, bytes } of files) {
    const file = readFileSync(join(at('hub'), path));
    expect(file.length).toBe(bytes);
    expect(readClassifier(file).input).toMatchObject({ name: 'pixel_values', type: 'float32', layout: 'nchw' });
  }
  expect(JSON.parse(readFileSync(at('hub/config.json'), 'utf8'))['transformers.js_config']).toEqual({ dtype: 'q1' });

  const refused = await run([...hub, '-o', at('hub')]);
  expect(refused).toMatchObject({ status: 2, stderr: `wrn-onnx: ${at('hub')} exists. Use --force to replace it\n` });
  writeFileSync(at('hub/onnx/model_old.onnx'), 'of somebody');
  const foreign = await run([...hub, '-o', at('hub'), '--force']);
  expect(foreign.status).toBe(2);
  expect(foreign.stderr).toContain('holds onnx/model_old.onnx, which this command does not write');
  rmSync(at('hub/onnx/model_old.onnx'));
  writeFileSync(at('hub/README.md'), 'older');
  expect((await run([...hub, '-o', at('hub'), '--force'])).status).toBe(0);
  expect(readFileSync(at('hub/README.md'), 'utf8')).toContain('## Figures');
  expect(readdirSync(folder).sort()).toEqual(['broken', 'empty', 'hub', 'small.safetensors']);
}, 120_000);

test('interrupted, nothing is left behind', async () => {
  const before = readdirSync(folder);
  for (const delay of [300, 900]) {
    await run([...hub, '-o', at('interrupted')], { onStart: (child) => setTimeout(() => child.kill('SIGINT'), delay) });
    if (existsSync(at('interrupted'))) expect(existsSync(at('interrupted/onnx/model_fp16.onnx'))).toBe(true);
    rmSync(at('interrupted'), { recursive: true, force: true });
    expect(readdirSync(folder).sort()).toEqual(before.sort());
  }
}, 120_000);

mkdirSync(at('empty'));
symlinkSync(at('nowhere'), at('broken'));
test.each([
  { args: [...hub, '-o', at('empty')], status: 2, message: 'exists. Use --force' },
  { args: [...hub, '-o', at('small.safetensors')], status: 2, message: 'expected the name of a folder, got a file' },
  { args: [...hub, '-o', at('broken')], status: 2, message: 'expected the name of a folder, got a broken link' },
  { args: [...hub, '-o', '/'], status: 2, message: '/ exists' },
  { args: [...hub, '-o', join(folder, 'no/such')], status: 2, message: 'the folder does not exist' },
  { args: [...hub, '-o', at('x'), '--form', 'dense'], status: 2, message: '--layout hub chooses --form itself: leave it out' },
  { args: [...hub, '-o', at('x'), '--input', 'nhwc-uint8'], status: 2, message: '--layout hub chooses --input itself' },
  { args: [...hub, '-o', at('x'), '--input-name', 'a'], status: 2, message: '--layout hub chooses --input-name itself' },
  { args: [...hub, '-o', at('x'), '--batch', '1'], status: 2, message: '--layout hub chooses --batch itself' },
  { args: ['export', at('small.safetensors'), '-o', at('x'), '--license', 'mit'], status: 2, message: '--license needs --layout hub' },
  { args: ['export', at('missing'), '--layout', 'hub', '-o', at('x')], status: 3, message: 'no such file' },
  { args: ['export', at('small.safetensors'), '-o', at('x'), '--batch', '0'], status: 2, message: 'expected a whole number of at least 1' },
  {
    args: ['export', at('small.safetensors'), '-o', at('x'), '--input-name', 'stem.conv'],
    status: 2,
    message: 'is the name of a tensor in the graph',
  },
  {
    args: ['export', at('small.safetensors'), '-o', at('x'), '--input-name', 'two words'],
    status: 2,
    message: 'input name: expected a letter',
  },
])('refused: $message', async ({ args, status, message }) => {
  const before = readdirSync(folder);
  const result = await run(args);
  expect(result.status).toBe(status);
  expect(result.stderr).toContain(message);
  expect(result.stderr).not.toMatch(/^ +at /m);
  expect(readdirSync(folder)).toEqual(before);
});

test.each(['packed', 'dense', 'fp16'])('%s with a fixed batch size and another input name runs', async (form) => {
  const file = at(`${form}.onnx`);
  const exported = await run(['export', at('small.safetensors'), '--form', form, '--batch', '1', '--input-name', 'input:0', '-o', file]);
  expect(exported.status, exported.stderr).toBe(0);
  const { input } = readClassifier(readFileSync(file));
  expect(input).toMatchObject({ name: 'input:0', fixedBatch: 1 });
});

test('a network of float32 weights has no file of one bit, and names a file that is there', () => {
  expect(hubConfig(randomModel({ bits: 32, endBits: 32 }), ['dense', 'fp16'])).toMatchObject({
    'transformers.js_config': { dtype: 'fp32' },
  });
});

test('texts of others have no meaning in the model card', () => {
  const file = { path: 'onnx/model.onnx', dtype: 'fp32', bytes: 1, parity: 'equal' } as const;
  const about = { dialect: 'a|b', dataset: 'x"\n<script>', testAccuracy: 0.5 };
  const card = modelCard(
    { ...small, about },
    { files: [file], folder: "a'); evil('", license: 'a: b\n---', training: undefined, version: '1' },
  );
  expect(card).toContain('license: "a: b\\n---"');
  expect(card).toContain('name: "x\\"\\n<script>"');
  expect(card).not.toMatch(/^<script>|[^\\]<script>$/m);
  expect(card).toContain("'USER/a----evil--'");
});
