/** The examples, each run as it stands there, on the same network and image: they agree with each other and with the reference. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { chromium } from 'playwright-core';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { toOnnx } from '../../converters/onnx/write.ts';
import { readModel } from '../../converters/read.ts';
import { findBrowser } from '../../eval/backends/browser/find.ts';
import { referenceLogits } from '../../eval/verify/reference.ts';
import { catalogEntry } from '../../src/data/catalog.ts';
import type { ImageShape } from '../../src/data/dataset.ts';
import { elements } from '../../src/formats/shape.ts';
import { defaultConfig } from '../../src/network/config.ts';
import type { Model } from '../../src/network/model.ts';
import { packedLength } from '../../src/network/sign.ts';
import { bitTensor, floatTensor, type Tensor } from '../../src/network/tensor.ts';
import { parameters } from '../../src/network/topology.ts';
import { folderWith, noise } from '../data/crafted.ts';
import { python, SET_UP_TIMEOUT } from '../interop/environment.ts';
import { models, testWith } from '../shared.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const ship = join(root, 'examples/ship.png');

/** Runs a program and returns its lines. */
async function lines(program: string, args: readonly string[]): Promise<string[]> {
  const { stdout } = await promisify(execFile)(program, args, { cwd: root });
  return stdout.trim().split('\n');
}

const browser = findBrowser();

const contentTypes: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
  '.png': 'image/png',
};

/** Opens the page with `model` beside it, as a static server serves both; the answer to its own image, or to the one chosen. */
async function inPage(model: string, image?: string): Promise<string[]> {
  const server = createServer(async ({ url = '/' }, response) => {
    const path = url === '/examples/web/' ? '/examples/web/index.html' : url;
    try {
      const content = await readFile(path === '/examples/web/model.onnx' ? model : join(root, path));
      response.writeHead(200, { 'content-type': contentTypes[extname(path)] ?? 'application/octet-stream' }).end(content);
    } catch {
      response.writeHead(404).end();
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const chrome = await chromium.launch({ executablePath: browser as string, args: ['--no-sandbox', '--disable-gpu', '--no-first-run'] });
  try {
    const page = await chrome.newPage();
    const problems: string[] = [];
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('response', (response) => response.ok() || problems.push(`${response.status()} ${response.url()}`));
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/examples/web/`);
    const answer = page.locator('pre');
    const answered = () => expect.poll(() => (problems.length > 0 ? problems : answer.textContent()), { timeout: 30_000 }).toContain('%');
    await answered();
    if (image !== undefined) {
      await answer.evaluate((element) => element.replaceChildren());
      await page.setInputFiles('input', image);
      await answered();
    }
    expect(problems).toEqual([]);
    return ((await answer.textContent()) as string).split('\n');
  } finally {
    await chrome.close();
    server.close();
  }
}

/** A small network whose weights are noise. */
function network(input: ImageShape, classLabels?: readonly string[]): Model {
  const config = { ...defaultConfig, depth: 8, width: 1 / 2, input };
  const constants: Record<string, number> = { 'input.norm.mean': 127, 'input.norm.variance': 5000, 'head.norm1.variance': 0.01 };
  const tensors = new Map<string, Tensor>();
  for (const [seed, { name, shape, dtype }] of parameters(config).entries()) {
    const value = constants[name] ?? (name.endsWith('.mean') ? 0 : name.endsWith('.scale') ? 0.1 : 1);
    const bits = () => bitTensor(shape, noise(packedLength(elements(shape)), seed));
    tensors.set(name, dtype === 'bits' ? bits() : floatTensor(shape, new Float32Array(elements(shape)).fill(value)));
  }
  return { config, tensors, about: { dialect: 'wrn-onnx', ...(classLabels && { classLabels }) } };
}

/** The answer that the examples must print, from the layer-by-layer reference. */
async function expectedLines(model: Model, imagesNCHW: Uint8Array): Promise<string[]> {
  const logits = [...(await referenceLogits(model, { imagesNCHW, count: 1 }))];
  const weights = logits.map((logit) => Math.exp(logit - Math.max(...logits)));
  const sum = weights.reduce((a, b) => a + b);
  return weights
    .map((weight, i) => ({ weight, label: model.about.classLabels?.[i] ?? `class ${i}` }))
    .sort((a, b) => b.weight - a.weight)
    .slice(0, 3)
    .map(({ weight, label }) => `${label}: ${((100 * weight) / sum).toFixed(1)} %`);
}

const words = ['zero', 'eins', 'deux', 'tres', 'quattro', 'fünf', 'six', 'семь', '八', 'nio'];
const cases = [
  { name: 'colour, with labels', shape: { channels: 3, height: 32, width: 32 }, labels: words, kind: 'opaque' },
  { name: 'grey, without labels', shape: { channels: 1, height: 28, width: 28 }, labels: undefined, kind: 'opaque' },
  { name: 'a transparent half is white', shape: { channels: 3, height: 32, width: 32 }, labels: words, kind: 'half transparent' },
  { name: 'grey of 16 bits', shape: { channels: 1, height: 28, width: 28 }, labels: words, kind: '16 bits' },
] as const;

/** The network and an image of noise in its size, as files, and the answer. */
async function prepare({ shape, labels, kind }: (typeof cases)[number]): Promise<{ model: string; image: string; expected: string[] }> {
  const { channels, height, width } = shape;
  const model = network(shape, labels);
  const pixels = noise(channels * height * width, 5);
  let picture = sharp(pixels, { raw: { width, height, channels } });
  if (kind === 'half transparent') {
    const alpha = Uint8Array.from({ length: height * width }, (_, i) => (i < (height * width) / 2 ? 255 : 0));
    picture = picture.joinChannel(Buffer.from(alpha), { raw: { width, height, channels: 1 } });
  }
  if (channels === 1) picture = picture.toColourspace(kind === '16 bits' ? 'grey16' : 'b-w');
  const image = await picture.png().toBuffer();
  if (kind === 'half transparent') pixels.fill(255, pixels.length / 2);
  const folder = await folderWith({ 'model.onnx': toOnnx(model, { form: 'packed', input: 'nhwc-uint8' }), 'image.png': image });
  const planes = Buffer.from([...Array(channels).keys()].flatMap((c) => [...pixels].filter((_, i) => i % channels === c)));
  return { model: join(folder, 'model.onnx'), image: join(folder, 'image.png'), expected: await expectedLines(model, planes) };
}

test.each(cases)('node.mjs: $name', async (each) => {
  const { model, image, expected } = await prepare(each);
  expect(await lines(process.execPath, ['examples/node.mjs', model, image])).toEqual(expected);
});

test.each(cases)(
  'classify.py: $name',
  async (each) => {
    const { model, image, expected } = await prepare(each);
    expect(await lines(await python(), ['examples/classify.py', model, image])).toEqual(expected);
  },
  SET_UP_TIMEOUT,
);

test.skipIf(!browser).each(cases)('web/index.html: $name [needs a browser]', async (each) => {
  const { model, image, expected } = await prepare(each);
  expect(await inPage(model, image)).toEqual(expected);
});

testWith(
  models.keras,
  'the author’s network sees a ship in the example image, in every example',
  async (source) => {
    const model = readModel(readFileSync(source), {});
    const classLabels = catalogEntry('cifar-10')?.classLabels as readonly string[];
    const labelled = { ...model, about: { ...model.about, classLabels } };
    const folder = await folderWith({ 'model.onnx': toOnnx(labelled, { form: 'packed', input: 'nhwc-uint8' }) });
    const path = join(folder, 'model.onnx');
    const answers = [
      await lines(process.execPath, ['examples/node.mjs', path, ship]),
      await lines(await python(), ['examples/classify.py', path, ship]),
      ...(browser ? [await inPage(path)] : []),
    ];
    for (const [first] of answers) expect(first).toMatch(/^ship: [67]\d\.\d %$/);
  },
  SET_UP_TIMEOUT,
);
