/** The bundled runtime in a page: with and without isolation, under a content security policy, inside of a worker. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toInt8Onnx } from '../../converters/onnx/forms/int8/to-int8.ts';
import { toOnnx } from '../../converters/onnx/write.ts';
import { findBrowser } from '../../eval/backends/browser/find.ts';
import { loadOneBit } from '../../src/onebit.ts';
import { randomImages, randomModel } from '../network/random-model.ts';
import { rangesOf } from './ranges.ts';

const model = randomModel({ width: 1 });
const images = randomImages(model.config, 3);
const models = {
  packed: toOnnx(model, { form: 'packed', input: 'nchw-float' }),
  int8: toInt8Onnx(model, { ranges: rangesOf(model, images, 3) }),
};

async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('../../src/onebit.ts', import.meta.url))],
    bundle: true,
    minify: true,
    keepNames: true, // what most disturbs code that goes to workers as text
    format: 'esm',
    write: false,
  });
  return outputFiles[0]?.text ?? '';
}

/** What stands in the page and in the worker; it answers with what became of it. */
const script = `
import { loadOneBit } from '/onebit.js';
globalThis.attempt = attempt;
export async function attempt({ form, threads, images }) {
  try {
    const network = await loadOneBit('/' + form + '.onnx', { threads });
    const logits = [...(await network.run(Uint8Array.from(images)))];
    for (let i = 0; i < 50; i++) await network.run(Uint8Array.from(images));
    const canvas = new OffscreenCanvas(50, 40);
    canvas.getContext('2d').fillRect(0, 0, 25, 40);
    const pictures = [canvas.getContext('2d').getImageData(0, 0, 50, 40), await canvas.convertToBlob(), canvas.transferToImageBitmap()];
    const classes = [];
    for (const picture of pictures) classes.push((await network.classify(picture, 1))[0].index);
    network.release();
    return { threads: network.threads, logits, classes };
  } catch (error) {
    return { code: error.code, message: error.message };
  }
}`;
const inWorker = `import { attempt } from '/attempt.js'; onmessage = async ({ data }) => postMessage(await attempt(data));`;
const isolation = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };

async function serve(files: Readonly<Record<string, string | Uint8Array>>, headers: Readonly<Record<string, string>>): Promise<Server> {
  const server = createServer(({ url = '' }, response) => {
    const type = url.endsWith('.js') ? 'text/javascript' : url === '/' ? 'text/html' : 'application/octet-stream';
    response.writeHead(files[url] === undefined ? 404 : 200, { 'Content-Type': type, ...headers }).end(files[url]);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

interface Outcome {
  readonly threads?: number;
  readonly logits?: readonly number[];
  readonly classes?: readonly number[];
  readonly code?: string;
  readonly message?: string;
}

test('the whole runtime, gzipped, is below 30 kB', async () => {
  expect(gzipSync(await bundle(), { level: 9 }).length).toBeLessThan(30_000);
});

const executablePath = findBrowser();

describe.skipIf(!executablePath)('in a browser', () => {
  let browser: Browser;
  let files: Record<string, string | Uint8Array>;

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: executablePath as string, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] });
    files = {
      '/': '<!doctype html><script type="module" src="/attempt.js"></script>',
      '/onebit.js': await bundle(),
      '/attempt.js': script,
      '/worker.js': inWorker,
      '/packed.onnx': models.packed,
      '/int8.onnx': models.int8,
    };
  });
  afterAll(() => browser?.close());

  const strict = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'";
  interface Row {
    readonly name: string;
    readonly form?: keyof typeof models;
    readonly headers: Readonly<Record<string, string>>;
    readonly threads: number | undefined;
    readonly where: 'page' | 'worker';
    /** Threads, or the code of an error. */
    readonly gives: number | string;
  }
  test.each<Row>([
    { name: 'isolated', headers: isolation, threads: 2, where: 'page', gives: 2 },
    // Chromium has relaxed SIMD, older versions of Node have not: the logits are the same.
    { name: 'isolated, 8 bits', form: 'int8', headers: isolation, threads: 2, where: 'page', gives: 2 },
    { name: 'isolated, by default', headers: isolation, threads: undefined, where: 'page', gives: 'some' },
    { name: 'isolated, in a worker', headers: isolation, threads: 3, where: 'worker', gives: 3 },
    { name: 'not isolated, by default', headers: {}, threads: undefined, where: 'page', gives: 1 },
    { name: 'not isolated, in a worker', headers: {}, threads: undefined, where: 'worker', gives: 1 },
    { name: 'not isolated', headers: {}, threads: 2, where: 'page', gives: 'WRN_DEVICE' },
    { name: 'strict', headers: { 'Content-Security-Policy': strict }, threads: 1, where: 'page', gives: 1 },
    {
      name: 'strict, blob: for workers',
      headers: { ...isolation, 'Content-Security-Policy': `${strict}; worker-src blob:` },
      threads: 2,
      where: 'page',
      gives: 2,
    },
    {
      name: 'strict, no workers',
      headers: { ...isolation, 'Content-Security-Policy': strict },
      threads: 2,
      where: 'page',
      gives: 'WRN_DEVICE',
    },
  ])('$name: $gives', async ({ form = 'packed', headers, threads, where, gives }) => {
    const server = await serve(files, headers);
    try {
      const page = await browser.newPage();
      await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
      const outcome: Outcome = await page.evaluate(
        async ({ request, where }) => {
          if (where === 'page') return (globalThis as unknown as { attempt(request: unknown): Promise<Outcome> }).attempt(request);
          const worker = new Worker('/worker.js', { type: 'module' });
          worker.postMessage(request);
          return new Promise<Outcome>((resolve) => worker.addEventListener('message', ({ data }) => resolve(data)));
        },
        { request: { form, threads, images: [...images] }, where },
      );
      await page.close();
      if (typeof gives === 'string' && gives !== 'some') return expect(outcome.code, outcome.message).toBe(gives);
      expect(outcome.message).toBeUndefined();
      if (gives === 'some') expect(outcome.threads).toBeGreaterThan(0);
      else expect(outcome.threads).toBe(gives);
      const network = await loadOneBit(models[form], { threads: 1 });
      expect(outcome.logits).toEqual([...(await network.run(images))]);
      network.release();
      expect(new Set(outcome.classes).size).toBe(1);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});
