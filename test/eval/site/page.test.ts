/** The page of a site in a real browser: on a host below a sub-path, with and without isolation, with and without a network. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toOnnx } from '../../../converters/onnx/write.ts';
import { readModel } from '../../../converters/read.ts';
import { findBrowser } from '../../../eval/backends/browser/find.ts';
import { backends } from '../../../eval/backends/table.ts';
import { type ClassifierModel, logitsOf, readClassifier } from '../../../eval/runtime/model-input.ts';
import { buildSite, type Site, type SiteOptions } from '../../../eval/site/build.ts';
import { serveFiles } from '../../../eval/site/server.ts';
import { decodeImage } from '../../../src/data/files/decode-image.ts';
import { openImageSet } from '../../../src/data/open.ts';
import { run } from '../../cli/run.ts';
import { folderWith } from '../../data/crafted.ts';
import { randomModel } from '../../network/random-model.ts';
import { relativeError } from '../../network/reference.ts';
import { type Host, host } from './host.ts';

const CHECKED = 60;
const openCpu = ({ bytes, input }: ClassifierModel) => backends.cpu.open(bytes, input, { batch: 1 });
const options: SiteOptions = { checked: CHECKED, offline: true, openReference: openCpu };

async function shipped(name: string) {
  const model = readModel(await readFile(`models/${name}/model.safetensors`));
  return { name, model: readClassifier(toOnnx(model, { form: 'packed', input: 'nchw-float' })) };
}

async function threeNetworks(title?: string): Promise<Site> {
  const [colour, clothes, digits] = await Promise.all(['cifar-10-wrn-20-1', 'fashion-mnist-wrn-20-1', 'mnist-wrn-20-4'].map(shipped));
  if (!colour || !clothes || !digits) throw new Error('no networks');
  const data = await openImageSet('examples/fashion-mnist', { split: 'test', shape: clothes.model.input, classes: 10 });
  try {
    return await buildSite([colour, { ...clothes, data }, digits], { ...options, title });
  } finally {
    await data.close();
  }
}

/** The logits of onnxruntime-node for a picture as `predict` decodes it. */
async function expectedLogits(model: ClassifierModel, picture: Uint8Array): Promise<Float32Array> {
  const session = await openCpu(model);
  try {
    const { outputs } = await session.run(await decodeImage(picture, model.input, 'picture'), 1);
    return logitsOf(outputs, model, 1);
  } finally {
    await session.close();
  }
}

const executablePath = findBrowser();
const flags = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
/** Machines may be busy. */
const soon = { timeout: 30_000 };
const desk = { viewport: { width: 1280, height: 900 } };
const phone = { viewport: { width: 320, height: 640 }, hasTouch: true, isMobile: true };

describe.skipIf(!executablePath)(`the page${executablePath ? '' : ' [needs a browser]'}`, () => {
  let browser: Browser;
  let site: Site;
  let place: Host;

  beforeAll(async () => {
    site = await threeNetworks();
    place = await host(site.files);
    browser = await chromium.launch({ executablePath: executablePath as string, args: [...flags, '--use-fake-device-for-media-stream'] });
  });
  afterAll(async () => {
    await browser?.close();
    await place?.close();
  });

  /** Opens the page, waits for the answer to the first sample, and hears all that goes wrong. */
  async function open(how: BrowserContextOptions = {}, url = place.url): Promise<{ page: Page; heard: string[]; close(): Promise<void> }> {
    const context = await browser.newContext({ ...desk, ...how });
    const page = await context.newPage();
    const heard: string[] = [];
    page.on('console', (message) => ['error', 'warning'].includes(message.type()) && heard.push(message.text()));
    page.on('pageerror', (error) => heard.push(error.message));
    page.on('request', (request) => /^(blob|data):/.test(request.url()) || request.url().startsWith(url) || heard.push(request.url()));
    await page.addInitScript(keepLogits);
    await page.goto(url);
    await answered(page);
    return { page, heard, close: () => context.close() };
  }

  const answered = (page: Page) => page.waitForFunction(() => document.querySelector('#milliseconds')?.textContent !== '–');
  const best = (page: Page) => page.locator('#best').textContent();
  const network = (page: Page, index: number) => page.locator('.networks label').nth(index).click();
  const mode = (page: Page, name: string) => page.locator('.modes label', { hasText: name }).click();
  const logits = (page: Page) => page.evaluate(() => (globalThis as unknown as { logits: number[] }).logits);

  test('the first visit loads what is said, below 1 MB, and nothing from elsewhere', async () => {
    place.asked.length = 0;
    const { page, heard, close } = await open();
    expect(await best(page)).toBe('airplane');
    const loaded = new Set(place.asked);
    const bytes = [...loaded].reduce((sum, path) => sum + (site.files.get(path)?.length ?? Number.NaN), 0);
    expect(bytes).toBeLessThan(1e6);
    expect(bytes).toBeLessThanOrEqual(site.firstBytes);
    const file = [...site.files].find(([path]) => path.startsWith('models/cifar-10'))?.[1].length ?? 0;
    expect(await page.locator('#network-bytes').textContent()).toBe(`${(file / 1000).toFixed(1)}\u00a0kB`);
    expect(await page.locator('#runtime').textContent()).toMatch(/^One-bit runtime, 1 thread\./);
    expect(heard).toEqual([]);
    await close();
  });

  async function drop(page: Page, picture: Buffer): Promise<Float32Array> {
    const transfer = await page.evaluateHandle(
      (bytes) => {
        const data = new DataTransfer();
        data.items.add(new File([Uint8Array.from(bytes)], 'picture.png', { type: 'image/png' }));
        return data;
      },
      [...picture],
    );
    await page.evaluate(() => Object.assign(globalThis, { logits: undefined }));
    await page.dispatchEvent('body', 'drop', { dataTransfer: transfer });
    await page.waitForFunction(() => (globalThis as unknown as { logits?: unknown }).logits !== undefined);
    return Float32Array.from(await logits(page));
  }

  test('a dropped picture has the classes and logits of predict', async () => {
    const picture = await sharp('examples/ship.png').resize(32, 32).png().toBuffer();
    const folder = await folderWith({ 'picture.png': picture });
    const { model } = await shipped('cifar-10-wrn-20-1');
    const { stdout } = await run(['predict', 'cifar-10-wrn-20-1', join(folder, 'picture.png'), '--format', 'json']);
    const { classes } = JSON.parse(stdout).results[0] as { classes: { label: string; probability: number }[] };
    const { page, heard, close } = await open();
    expect(relativeError(await drop(page, picture), await expectedLogits(model, picture))).toBeLessThan(1e-6);
    const shown = await page
      .locator('#classes li')
      .evaluateAll((rows) => rows.map((row) => [...row.children].map((child) => child.textContent?.replace('\u00a0', ' '))));
    expect(shown).toEqual(classes.map(({ label, probability }) => [label, `${(100 * probability).toFixed(1)} %`]));
    expect(await page.locator('#picture').getAttribute('alt')).toBe('picture.png');
    expect(await page.locator('#spoken').textContent()).toContain(
      `${classes[0]?.label}, ${Math.round(100 * (classes[0]?.probability ?? 0))} percent`,
    );

    // Another size and shape: scaled as predict scales, but for rounding; what is shown as seen is what was run.
    const wide = await sharp('examples/ship.png').resize(300, 210, { fit: 'fill' }).png().toBuffer();
    const got = await drop(page, wide);
    const seen = await page.locator('#seen').evaluate((canvas: HTMLCanvasElement) => {
      const { data } = (canvas.getContext('2d') as CanvasRenderingContext2D).getImageData(0, 0, 32, 32);
      return [0, 1, 2].flatMap((channel) => Array.from({ length: 1024 }, (_, i) => data[4 * i + channel] as number));
    });
    const expected = await decodeImage(wide, model.input, 'wide');
    const distance = seen.reduce((sum, value, i) => sum + Math.abs(value - (expected[i] as number)), 0) / seen.length;
    expect(distance).toBeLessThanOrEqual(1.5); // as test/onebit/picture.test.ts: libvips rounds otherwise
    const pixels = await sharp(Buffer.from(Array.from({ length: 3072 }, (_, i) => seen[(i % 3) * 1024 + Math.floor(i / 3)] as number)), {
      raw: { width: 32, height: 32, channels: 3 },
    })
      .png()
      .toBuffer();
    expect(relativeError(got, await expectedLogits(model, pixels))).toBeLessThan(1e-6);
    expect(heard).toEqual([]);
    await close();
  });

  test('what cannot be decoded is said, and the page goes on', async () => {
    const { page, close } = await open();
    await page.locator('#file').setInputFiles({ name: 'notes.txt', mimeType: 'image/png', buffer: Buffer.from('no picture') });
    await expect
      .poll(() => page.locator('#problem').textContent(), soon)
      .toMatch(/^notes\.txt is no picture that this browser can read\. Try/);
    await page.locator('#samples button').nth(1).click();
    await expect.poll(() => best(page), soon).toBe('automobile');
    expect(await page.locator('#problem').isVisible()).toBe(false);
    await close();
  });

  test('drawing with a pointer: a seven is a seven, scaled and centred as MNIST has them', async () => {
    const { page, heard, close } = await open();
    await network(page, 2);
    await mode(page, 'Draw');
    const box = await page.locator('#pad').boundingBox();
    const at = (x: number, y: number) => [(box?.x ?? 0) + (box?.width ?? 0) * x, (box?.y ?? 0) + (box?.height ?? 0) * y] as const;
    await page.mouse.move(...at(0.12, 0.1));
    await page.mouse.down();
    for (const [x, y] of [
      [0.42, 0.09],
      [0.36, 0.22],
      [0.28, 0.48],
    ] as const)
      await page.mouse.move(...at(x, y), { steps: 6 });
    await page.mouse.up();
    await expect.poll(() => best(page), soon).toBe('7');
    // The drawing is in a corner. Its mass is in the middle for the network: (n / 2, n / 2) within a pixel.
    const centre = await page.locator('#seen').evaluate((canvas: HTMLCanvasElement) => {
      const { width, height } = canvas;
      const { data } = (canvas.getContext('2d') as CanvasRenderingContext2D).getImageData(0, 0, width, height);
      let [mass, x, y] = [0, 0, 0];
      for (let i = 0; i < width * height; i++) {
        const value = data[4 * i] as number;
        [mass, x, y] = [mass + value, x + value * ((i % width) + 0.5), y + value * (Math.floor(i / width) + 0.5)];
      }
      return [x / mass, y / mass, width, height] as const;
    });
    expect(Math.abs(centre[0] - 14)).toBeLessThan(1);
    expect(Math.abs(centre[1] - 14)).toBeLessThan(1);
    await page.locator('#clear').click();
    expect(await page.locator('#milliseconds').textContent()).toBe('–');
    expect(heard).toEqual([]);
    await close();
  });

  test('drawing with the keyboard alone', async () => {
    const { page, close } = await open();
    await network(page, 2);
    await mode(page, 'Draw');
    await page.locator('#pad').focus();
    for (let i = 0; i < 7; i++) await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Space');
    for (let i = 0; i < 14; i++) await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Space');
    await expect.poll(() => best(page), soon).toBe('1');
    await close();
  });

  test('the camera runs, says its rate, and is let go of', async () => {
    const { page, heard, close } = await open({ permissions: ['camera'] });
    await mode(page, 'Camera');
    await expect.poll(() => page.locator('#rate').textContent(), soon).toMatch(/^\d+ images per second$/);
    await network(page, 1); // it goes on with another network
    await expect.poll(() => page.locator('#seen').evaluate((canvas: HTMLCanvasElement) => canvas.width), soon).toBe(28);
    const track = await page.evaluateHandle(
      () => ((document.querySelector('video') as HTMLVideoElement).srcObject as MediaStream).getTracks()[0],
    );
    await mode(page, 'Picture');
    expect(await track.evaluate((one) => one?.readyState)).toBe('ended');
    expect(heard).toEqual([]);
    await close();
  });

  test('a refused camera is said in a sentence', async () => {
    const { page, close } = await open();
    await mode(page, 'Camera');
    await expect.poll(() => page.locator('#problem').textContent(), soon).toMatch(/^The camera is blocked for this page\. Allow it/);
    await close();
  });

  test('the check: right and alike are counted over all images, beside the recorded answers', async () => {
    const { page, heard, close } = await open();
    expect(await page.locator('#check').isVisible()).toBe(false); // no data for the first network
    await network(page, 1);
    await page.locator('#check-run').click();
    await page.locator('.verdict').waitFor();
    const { model } = await shipped('fashion-mnist-wrn-20-1');
    const excerpt = await excerptOf(site, 1);
    const session = await openCpu(model);
    let right = 0;
    for (const [i, label] of excerpt.labels.entries()) {
      const { outputs } = await session.run(excerpt.images.subarray(i * 784, (i + 1) * 784), 1);
      const answer = [...logitsOf(outputs, model, 1)];
      if (answer.indexOf(Math.max(...answer)) === label) right++;
    }
    await session.close();
    expect(excerpt.labels).toHaveLength(CHECKED);
    const tiles = await page.locator('.tiles li').allTextContents();
    expect(tiles[0]).toContain(`${((100 * right) / CHECKED).toFixed(1)}\u00a0%right: ${right} of ${CHECKED}`);
    expect(tiles[1]).toBe(`${CHECKED} of ${CHECKED}decided as recorded`);
    expect(await page.locator('.verdict').textContent()).toMatch(/^✓ Same answers as onnxruntime-node 1\./);
    expect(heard).toEqual([]);
    await close();
  });

  test('offline: the page and what was used are there, the rest is said to be missing; isolated after a reload', async () => {
    const gone = await host(site.files);
    const { page, heard, close } = await open({}, gone.url);
    await page.getByText('Ready for use offline.').waitFor();
    await network(page, 1); // used, so kept
    await answered(page);
    await gone.close();
    await page.reload();
    await answered(page);
    expect(await best(page)).toBe('airplane');
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
    const threads = Math.min(4, cpus().length);
    expect(await page.locator('#runtime').textContent()).toBe(`One-bit runtime, ${threads === 1 ? '1 thread' : `${threads} threads`}.`);
    await network(page, 1);
    await answered(page);
    expect(await page.locator('#problem').isVisible()).toBe(false);
    expect(heard).toEqual([]);
    await network(page, 2);
    await expect
      .poll(() => page.locator('#problem').textContent())
      .toMatch(/There is no connection, and this part is not stored on this device yet/);
    await close();
  });

  test('a new version is offered, and taken when the user says so; caches of others are left alone', async () => {
    const moving = await host(site.files);
    const { page, close } = await open({}, moving.url);
    await page.getByText('Ready for use offline.').waitFor();
    await page.evaluate(() => caches.open('of another page'));
    moving.put((await threeNetworks('The second edition')).files);
    await page.evaluate(async () => (await navigator.serviceWorker.ready).update());
    await page.locator('#news').waitFor();
    await page.reload();
    expect(await page.title()).toBe('One bit per weight'); // a page never changes by itself
    await page.locator('#renew').click();
    await expect.poll(() => page.title().catch(() => ''), soon).toBe('The second edition');
    await expect.poll(() => page.evaluate(async () => (await caches.keys()).length).catch(() => 0), soon).toBe(2);
    await close();
    await moving.close();
  });

  test('isolated by the headers of serve: threads at once, no service worker', async () => {
    const { files } = await buildSite([await shipped('cifar-10-wrn-20-1')], { ...options, offline: false });
    expect(files.has('sw.js')).toBe(false);
    const server = await serveFiles(files, 0);
    const { page, heard, close } = await open({}, server.url);
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
    expect(await page.locator('#runtime').textContent()).toContain(`${Math.min(4, cpus().length)} thread`);
    expect(await page.locator('#networks').isVisible()).toBe(false); // one needs no switch
    expect(heard).toEqual([]);
    await close();
    await server.close();
  });

  test.each([
    ['isolated', true],
    ['not isolated', false],
  ])('onnxruntime-web where the one-bit runtime has no kernels, %s', async (_, isolated) => {
    const dense = readClassifier(toOnnx(randomModel({ width: 1 }), { form: 'dense', input: 'nhwc-uint8' }));
    const { files, facts } = await buildSite([{ name: 'dense', model: dense }], { ...options, offline: false });
    expect(facts.networks[0]).toMatchObject({ runtime: 'onnxruntime', check: null, samples: null, labels: null });
    const server = isolated ? await serveFiles(files, 0) : await host(files);
    const context = await browser.newContext(desk);
    const page = await context.newPage();
    const heard: string[] = [];
    page.on('console', (message) => message.type() === 'error' && heard.push(message.text()));
    await page.addInitScript(keepLogits);
    await page.goto(server.url);
    const picture = await sharp('examples/ship.png').resize(8, 8).png().toBuffer();
    await page.locator('#file').setInputFiles({ name: 'ship.png', mimeType: 'image/png', buffer: picture });
    await answered(page);
    expect(relativeError(Float32Array.from(await logits(page)), await expectedLogits(dense, picture))).toBeLessThan(1e-5);
    expect(await page.locator('#runtime').textContent()).toMatch(
      isolated && cpus().length > 1 ? /^onnxruntime-web 1\.\S+ \d threads\./ : /^onnxruntime-web 1\.\S+ 1 thread\./,
    );
    expect(heard).toEqual([]);
    await context.close();
    await server.close();
  });

  test.each([
    { title: 'on a desk', how: desk },
    { title: 'on a phone of 320 pixels, in the dark', how: { ...phone, colorScheme: 'dark' as const } },
  ])('$title: accessible by the rules of axe, and nothing sticks out', async ({ how }) => {
    const { page, close } = await open(how);
    await network(page, 1);
    await answered(page);
    await page.locator('#check-run').click();
    await page.locator('.verdict').waitFor();
    await page.locator('#knows-title').click();
    for (const name of ['Picture', 'Draw']) {
      await mode(page, name);
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => (globalThis as unknown as { axe: Axe }).axe.run());
      expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)).toEqual([]);
      const [wide, window] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
      expect(wide).toBe(window);
    }
    await close();
  });

  test('with the keyboard alone: another network, another sample', async () => {
    const { page, close } = await open();
    await page.keyboard.press('Tab');
    expect(await page.evaluate(() => (document.activeElement as HTMLInputElement).name)).toBe('network');
    await page.keyboard.press('ArrowRight');
    await expect.poll(() => page.locator('#seen-size').textContent(), soon).toBe('28 × 28 pixels, grey');
    await answered(page);
    await page.locator('#samples button').nth(1).focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => best(page), soon).toBe('Trouser');
    await close();
  });

  test('no motion for those who want none', async () => {
    const { page, close } = await open({ reducedMotion: 'reduce' });
    const moving = await page.evaluate(
      () =>
        [...document.querySelectorAll('*')].filter((e) =>
          ['', '::before', '::after'].some((part) => !/^0s(, 0s)*$/.test(getComputedStyle(e, part || null).transitionDuration)),
        ).length,
    );
    expect(moving).toBe(0);
    await close();
  });
});

test.skipIf(!executablePath || process.arch !== 'x64')('a browser without SIMD is told which have it', async () => {
  const { files } = await buildSite([await shipped('cifar-10-wrn-20-1')], { ...options, offline: false });
  const server = await serveFiles(files, 0);
  const browser = await chromium.launch({ executablePath: executablePath as string, args: [...flags, '--js-flags=--no-enable-sse4-1'] });
  const page = await browser.newPage();
  await page.goto(server.url);
  await expect.poll(() => page.locator('#fatal').textContent(), soon).toMatch(/^This browser has no WebAssembly SIMD.*Safari from 16\.4/);
  await browser.close();
  await server.close();
});

/** Keeps the logits of the last answer of a worker: the page shows rounded shares only. */
function keepLogits(): void {
  const Original = Worker;
  globalThis.Worker = class extends Original {
    constructor(url: string | URL, options?: WorkerOptions) {
      super(url, options);
      this.addEventListener('message', ({ data }) => {
        if (data?.value?.logits) Object.assign(globalThis, { logits: [...data.value.logits] });
      });
    }
  };
}

/** The images of a check, read by hand: an 8-byte length, a JSON header, then the tensors as they are. */
async function excerptOf({ facts, files }: Site, index: number): Promise<{ images: Uint8Array; labels: number[] }> {
  const bytes = Buffer.from(files.get(facts.networks[index]?.check?.images as string) as Uint8Array);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const { images, labels } = JSON.parse(bytes.subarray(8, start).toString());
  const [from, to] = labels.data_offsets as [number, number];
  const count = (to - from) / 4;
  return {
    images: bytes.subarray(start + images.data_offsets[0], start + images.data_offsets[1]),
    labels: Array.from({ length: count }, (_, i) => bytes.readInt32LE(start + from + 4 * i)),
  };
}

/** The part of axe-core that is used here. */
interface Axe {
  run(): Promise<{ readonly violations: { id: string; nodes: { html: string }[] }[] }>;
}

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
