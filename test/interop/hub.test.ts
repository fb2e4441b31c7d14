/** The Hub's layout in transformers.js, in Node and in Chromium: the scores of `predict`, for every file of the folder. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { chromium } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findBrowser } from '../../eval/backends/browser/find.ts';
import { run } from '../cli/run.ts';
import { noise } from '../data/crafted.ts';
import { npmFolder, SET_UP_TIMEOUT } from './environment.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'wrn-hub-'));
afterAll(() => rmSync(folder, { recursive: true }));
const browser = findBrowser();

type Scores = readonly { readonly label: string; readonly score: number }[];
/** By dtype, or `default` for none. */
type Answers = Readonly<Record<string, Scores>>;

const cases = [
  {
    name: 'grey',
    network: 'fashion-mnist-wrn-20-1',
    size: { channels: 1, height: 28, width: 28 },
    args: ['--calibrate', join(root, 'examples/fashion-mnist'), '--calibration-images', '64', '--license', 'mit'],
    inNode: { default: 'model', fp32: 'model', fp16: 'model_fp16', q8: 'model_quantized', q1: 'model_q1' },
    inPage: { default: 'model_quantized', q1: 'model_q1', fp32: 'model' },
  },
  {
    name: 'colour',
    network: 'cifar-10-wrn-20-1',
    size: { channels: 3, height: 32, width: 32 },
    args: [],
    inNode: { default: 'model_q1', fp32: 'model', fp16: 'model_fp16' },
    inPage: { default: 'model_q1', fp32: 'model' },
  },
] as const;

/** Runtimes round sums of float32 and of 8 bits in their own order; a label that is off by more is another image or file. */
const TOLERANCE: Readonly<Record<string, number>> = { model: 1e-5, model_q1: 1e-5, model_fp16: 2e-3, model_quantized: 0.03 };

describe.each(cases)('$name', ({ network, size, args, inNode, inPage, name }) => {
  const target = join(folder, name);
  const image = join(folder, `${name}.png`);
  const grey = size.channels === 1;
  let packages: string;

  beforeAll(async () => {
    packages = await npmFolder({ name: 'transformers.js', packages: ['@huggingface/transformers@4.3.2'] });
    const exported = await run(['export', network, '--layout', 'hub', '-o', target, ...args]);
    expect(exported.status, exported.stderr).toBe(0);
    const { channels, height, width } = size;
    const pixels = noise(channels * height * width, 3);
    const picture = sharp(pixels, { raw: { channels, height, width } });
    await (grey ? picture.toColourspace('b-w') : picture).png().toFile(image);
  }, SET_UP_TIMEOUT);

  async function expectScores(answers: Answers, files: Readonly<Record<string, string>>): Promise<void> {
    expect(Object.keys(answers)).toEqual(Object.keys(files));
    for (const [dtype, file] of Object.entries(files)) {
      const predicted = await run(['predict', join(target, 'onnx', `${file}.onnx`), image, '--top', '10', '--format', 'json']);
      const { classes } = JSON.parse(predicted.stdout).results[0] as { classes: { label: string; probability: number }[] };
      const scores = new Map(answers[dtype]?.map(({ label, score }) => [label, score]));
      expect(scores.size).toBe(10);
      for (const { label, probability } of classes)
        expect(Math.abs((scores.get(label) ?? Number.NaN) - probability), `${dtype} ${label}`).toBeLessThan(TOLERANCE[file] as number);
    }
  }

  test('transformers.js in Node', async () => {
    const question = JSON.stringify({ model: target, dtypes: Object.keys(inNode), image, grey });
    const script = fileURLToPath(new URL('transformers-js.mjs', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [script, packages, question]);
    await expectScores(JSON.parse(stdout.trim().split('\n').at(-1) as string), inNode);
  }, 120_000);

  test.skipIf(!browser)(
    `transformers.js in Chromium${browser ? '' : ' [needs a browser]'}`,
    async () => {
      await expectScores(await classifyInPage(packages, { name, dtypes: Object.keys(inPage), grey }), inPage);
    },
    120_000,
  );
});

const PAGE = `<!doctype html><script type="module">
  import { env, pipeline, RawImage } from '/dist/transformers.min.js';
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.localModelPath = '/models/';
  env.backends.onnx.wasm.wasmPaths = '/ort/';
  globalThis.classify = async ({ name, dtypes, grey }) => {
    const answers = {};
    for (const dtype of dtypes) {
      const classify = await pipeline('image-classification', name, dtype === 'default' ? {} : { dtype });
      const picture = await RawImage.read('/models/' + name + '.png');
      answers[dtype] = await classify(grey ? picture.grayscale() : picture, { top_k: 10 });
    }
    return answers;
  };
</script>`;

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
};

/** A page without any network but this server, as one behind a static host. */
async function classifyInPage(packages: string, question: { name: string; dtypes: readonly string[]; grey: boolean }): Promise<Answers> {
  const places: readonly (readonly [prefix: string, folder: string])[] = [
    ['/models/', folder],
    ['/dist/', join(packages, 'node_modules/@huggingface/transformers/dist')],
    ['/ort/', join(packages, 'node_modules/onnxruntime-web/dist')],
  ];
  const server = createServer(async ({ url = '/' }, response) => {
    const [prefix = '', place = ''] = places.find(([start]) => url.startsWith(start)) ?? [];
    const path = join(place, url.slice(prefix.length));
    if (url === '/') response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
    else if (prefix && existsSync(path))
      response.writeHead(200, { 'content-type': types[extname(path)] ?? 'application/octet-stream' }).end(await readFile(path));
    else response.writeHead(404).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const chrome = await chromium.launch({ executablePath: browser as string, args: ['--no-sandbox', '--disable-gpu', '--no-first-run'] });
  try {
    const page = await chrome.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await page.waitForFunction('globalThis.classify');
    return (await page.evaluate(`classify(${JSON.stringify(question)})`)) as Answers;
  } finally {
    await chrome.close();
    server.close();
  }
}

test('the folder is that of the Hub, and the model card states figures, recipe, parity and licence', async () => {
  const json = (path: string) => JSON.parse(readFileSync(join(folder, 'grey', path), 'utf8'));
  expect(json('config.json')).toMatchObject({ model_type: 'resnet', num_channels: 1, id2label: { 0: 'T-shirt/top', 9: 'Ankle boot' } });
  expect(json('config.json')['transformers.js_config']).toBeUndefined();
  expect(json('preprocessor_config.json')).toMatchObject({ size: { height: 28, width: 28 }, do_rescale: false, do_normalize: false });
  const card = readFileSync(join(folder, 'grey/README.md'), 'utf8');
  expect(card).toMatch(/^---\nlibrary_name: transformers.js\npipeline_tag: image-classification\n/);
  for (const text of [
    'license: "mit"',
    '## Figures',
    '268,048 weights',
    '## Recipe',
    'SGD with momentum 0.9',
    '## Parity',
    '## Licence',
    'model_q1.onnx',
  ])
    expect(card).toContain(text);
  expect(card).not.toContain(root); // nothing of this machine
});
