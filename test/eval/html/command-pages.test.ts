/** `predict --report` and `bench --report`, from the command line to a browser. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { benchPage } from '../../../eval/html/bench-page.ts';
import { predictPage } from '../../../eval/html/predict-page.ts';
import { run } from '../../cli/run.ts';
import { beyond, decode, desk, executablePath, expectAccessible, faintChartTexts, launch, open, phone } from './in-browser.ts';

const folder = mkdtempSync(join(tmpdir(), 'wrn-pages-'));
const at = (name: string) => join(folder, name);
const ship = fileURLToPath(new URL('../../../examples/ship.png', import.meta.url));
const [HOSTILE, RED] = ['<script>alert(1)<', at('red & <b>.png')];
const inBrowser = executablePath ? describe : describe.skip;
const dark = { ...desk, colorScheme: 'dark' as const };

interface Predicted {
  readonly results: readonly { readonly classes: readonly { readonly label: string; readonly probability: number }[] }[];
}
interface Measured {
  readonly date: string;
  readonly machine: string;
  readonly command: string;
  readonly measurements: readonly { readonly imagesPerSecond: number; readonly speedup: number }[];
}

let browser: Browser;
let predicted: Predicted;
let measured: Measured;

beforeAll(async () => {
  await sharp({ create: { width: 32, height: 32, channels: 3, background: '#e01020' } })
    .png()
    .toFile(RED);
  const commands = [
    ['export', 'cifar-10-wrn-20-1', '-o', at('packed.onnx')],
    ['export', 'cifar-10-wrn-20-1', '--form', 'inline', '-o', at('a-name-that-is-longer-than-a-phone-is-wide-inline.onnx')],
    ['predict', at('packed.onnx'), ship, RED, '--report', at('predict.html'), '--format', 'json'],
    [
      'bench',
      at('packed.onnx'),
      at('a-name-that-is-longer-than-a-phone-is-wide-inline.onnx'),
      '--runs',
      '2',
      '--batch',
      '1,2',
      '--profile',
    ],
  ];
  const more = [[], [], [], ['--report', at('bench.html'), '--format', 'json']];
  const outputs: string[] = [];
  for (const [i, command] of commands.entries()) {
    const { status, stdout, stderr } = await run([...command, ...(more[i] as string[])]);
    expect({ status, stderr }).toMatchObject({ status: 0 });
    outputs.push(stdout);
  }
  [predicted, measured] = outputs.slice(2).map((text) => JSON.parse(text) as unknown) as [Predicted, Measured];
  if (executablePath) browser = await launch();
}, 120_000);
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await browser?.close();
});

const page = (name: string) => readFileSync(at(`${name}.html`), 'utf8');

test('a page that exists is kept, unless --force is given', async () => {
  const before = page('predict');
  for (const command of [
    ['predict', at('packed.onnx'), ship],
    ['bench', at('packed.onnx')],
  ]) {
    const { status, stderr } = await run([...command, '--report', at('predict.html')]);
    expect([status, stderr]).toEqual([2, `wrn-onnx: ${at('predict.html')} exists. Use --force to replace it\n`]);
  }
  expect(page('predict')).toBe(before);
});

test('the JSON of bench says when, where and by which command', () => {
  expect(Math.abs(Date.parse(measured.date) - Date.now())).toBeLessThan(600_000);
  expect(measured.machine).toContain(process.version);
  expect(measured.command).toContain(`bench ${at('packed.onnx')}`);
});

test('hostile names are text', () => {
  const record = { date: '2026-11-27T22:31:05.000Z', machine: HOSTILE, command: HOSTILE };
  const file = { model: HOSTILE, sha256: 'ab', bytes: 1, network: null, form: null, bitsPerWeight: null };
  const content = { files: [file], measurements: [], profiles: [], version: '0' };
  for (const text of [predictPage({ file, backend: HOSTILE, images: [], version: '0' }, record), benchPage(content, record)]) {
    expect(text).not.toContain('<script');
    expect(text).toContain('&#60;script&#62;alert(1)&#60;');
  }
});

inBrowser(`in a browser${executablePath ? '' : ' [needs a browser]'}`, () => {
  test.each(['predict', 'bench'])('%s: nothing sticks out, all can be read, on a phone, on a desk, in the dark', async (name) => {
    for (const options of [phone, desk, dark]) {
      const tab = await open(browser, options, page(name));
      const picture = await decode(await tab.screenshot({ fullPage: true }));
      expect(picture.width).toBe(options.viewport.width);
      expect(await beyond(tab)).toEqual([]);
      expect(await faintChartTexts(tab)).toEqual([]);
      if (options !== desk) await expectAccessible(tab, ['color-contrast', name === 'predict' ? 'image-alt' : 'role-img-alt']);
      await tab.close();
    }
  });

  test('predict: each image with its pixels and its classes; a bar is as long as its probability', async () => {
    const tab = await open(browser, desk, page('predict'));
    const cards = tab.locator('.images li');
    expect(await cards.count()).toBe(2);
    const screen = await decode(await tab.screenshot({ fullPage: true }));
    const scaled = await decode(await sharp(ship).resize(32, 32, { fit: 'cover' }).png().toBuffer());
    const box = async (image: number) => cards.nth(image).locator('img').boundingBox();
    const [first, second] = [await box(0), await box(1)];
    for (const [x, y] of [
      [0, 0],
      [31, 0],
      [9, 20],
      [31, 31],
    ] as const)
      expect(screen.at(Math.round(first?.x ?? 0) + 4 * x + 2, Math.round(first?.y ?? 0) + 4 * y + 2)).toEqual(scaled.at(x, y));
    expect(screen.at(Math.round(second?.x ?? 0) + 64, Math.round(second?.y ?? 0) + 64)).toEqual([0xe0, 0x10, 0x20]);
    expect(await cards.nth(1).locator('h3 small').textContent()).toBe(RED);
    for (const [i, { classes }] of predicted.results.entries()) {
      const texts = classes.flatMap(({ label, probability }) => [label, `${(100 * probability).toFixed(1)}\u00a0%`]);
      expect(await cards.nth(i).locator('dt, dd').allTextContents()).toEqual(texts);
    }
    const bar = await cards.nth(0).locator('dd').first().boundingBox();
    const share = (predicted.results[0]?.classes[0]?.probability ?? 0) * (bar?.width ?? 0);
    const y = Math.round((bar?.y ?? 0) + (bar?.height ?? 0)) - 3;
    const [filled, empty] = [share - 4, share + 4].map((x) => screen.at(Math.round((bar?.x ?? 0) + x), y));
    expect(filled).toEqual([0x1f, 0x5f, 0xc4]);
    expect(empty).toEqual([0xd5, 0xda, 0xe1]);
    await tab.close();
  });

  test('bench: bars are as long as their numbers are large, and each layer has its row', async () => {
    const tab = await open(browser, desk, page('bench'));
    const widths = await tab
      .locator('.on-desk svg rect[fill^="var(--file"][height="20"]')
      .evaluateAll((all) => all.map((bar) => Number(bar.getAttribute('width'))));
    const speeds = measured.measurements.map(({ imagesPerSecond }) => imagesPerSecond);
    const most = Math.max(...speeds);
    expect(widths.length).toBe(4);
    for (const [i, width] of widths.entries()) expect(width / Math.max(...widths)).toBeCloseTo((speeds[i] as number) / most, 2);
    const cells = await tab.locator('.cards td[data-label="speed"]').allTextContents();
    expect(cells).toEqual(measured.measurements.map(({ speedup }) => `${speedup.toFixed(2)}x`));
    const tables = tab.locator('.scroll table');
    expect(await tables.count()).toBe(2);
    expect(await tables.nth(0).locator('th[scope=row]').count()).toBeGreaterThan(19); // a row per convolution at least
    await tab.close();
  });
});
