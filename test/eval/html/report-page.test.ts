/** The page of a report, on real images, as a browser shows it: on a phone, on a desk, in the dark and in print. */
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { reportPage } from '../../../eval/html/report-page.ts';
import { type BackendRun, type Report, type Subject, toReport } from '../../../eval/report.ts';
import { whole } from '../../../eval/shard.ts';
import { Tally } from '../../../eval/tally/tally.ts';
import { defaultThresholds } from '../../../eval/tally/thresholds.ts';
import type { Bisection } from '../../../eval/verify/bisect.ts';
import { openImageSet } from '../../../src/data/open.ts';
import { beyond, decode, desk, executablePath, expectAccessible, faintChartTexts, launch, open, paper, phone } from './in-browser.ts';

const IMAGES = 60;
const SHAPE = { channels: 1, height: 28, width: 28 };
const HOSTILE = `</style><script>document.title='taken'</script><img src="//example.com/x.png" onerror='alert(1)'>&amp;`;
const LABELS = ['T-shirt', 'Trouser', 'Pullover', 'Dress', 'Coat', HOSTILE, 'Shirt', 'Sneaker', 'Bag', 'Ankle boot'];
/** Images that one backend decides differently, and how sure it and the reference are. */
const FLIPS = [3, 17, 20, 41];
const [SURE, UNSURE] = [0.625, 0.375];

const inBrowser = executablePath ? describe : describe.skip;
const record = { date: '2026-11-27T22:31:05.000Z', machine: 'two cores', command: 'wrn-onnx eval' };
let pixels: Uint8Array;
let labels: Int32Array;
let report: Report;
let page: string;
let browser: Browser;

beforeAll(async () => {
  const data = await openImageSet(fileURLToPath(new URL('../../../examples/fashion-mnist', import.meta.url)), { split: 'test' });
  for await (const batch of data.batches(IMAGES, 0, IMAGES)) [pixels, labels] = [batch.imagesNCHW.slice(), batch.labels.slice()];
  await data.close();
  report = toReport(subject({}), [run('cpu', decided, 400), run('wasm', decided, 100), run('browser-webgl', otherwise, 50)]);
  const small = toReport(subject({ model: 'int8.onnx', bytes: 100_000 }), [run('cpu', decided, 800)]);
  page = await reportPage(report, { ...record, command: `wrn-onnx eval '${HOSTILE}'`, others: [small], bisection });
  if (executablePath) browser = await launch();
});
afterAll(() => browser?.close());

/** Every seventh image is taken for the next class. */
const decided = (image: number) => ((labels[image] as number) + (image % 7 === 0 ? 1 : 0)) % 10;
const otherwise = (image: number) => (decided(image) + (FLIPS.includes(image) ? 3 : 0)) % 10;

/** Logits of which the softmax is `p` for one class and equal for the others. */
function logits(decide: (image: number) => number, p: (image: number) => number): Float32Array {
  return Float32Array.from({ length: IMAGES * 10 }, (_, i) => {
    const image = Math.floor(i / 10);
    return i % 10 === decide(image) ? Math.log((9 * p(image)) / (1 - p(image))) : 0;
  });
}

function run(backend: BackendRun['backend'], decide: (image: number) => number, imagesPerSecond: number): BackendRun {
  const tally = new Tally(10);
  const reference = backend === 'cpu' ? undefined : logits(decided, () => SURE);
  const sure = (image: number) => (decide(image) === decided(image) ? SURE : UNSURE);
  tally.add({ offset: 0, shape: SHAPE, imagesNCHW: pixels, labels, logits: logits(decide, sure), reference });
  return {
    backend,
    detail: `runtime of ${backend}`,
    tally,
    seconds: IMAGES / imagesPerSecond,
    runtimeSeconds: 0,
    loadSeconds: 0.25,
    peakMemoryBytes: 2e8,
  };
}

function subject(changes: Partial<Subject>): Subject {
  return {
    version: '0.0.0',
    model: `${HOSTILE}.onnx`,
    sha256: 'ab'.repeat(32),
    bytes: 400_000,
    network: 'WRN-20-1',
    form: 'packed',
    bitsPerWeight: 1.5,
    classLabels: LABELS,
    data: 'fashion-mnist test',
    total: IMAGES,
    batch: 16,
    shard: whole,
    backends: ['cpu', 'wasm', 'browser-webgl'],
    reference: 'cpu',
    thresholds: defaultThresholds,
    ...changes,
  };
}

const layers = Array.from({ length: 60 }, (_, i) => ({
  layer: `group${Math.floor(i / 20)}.conv${i}`,
  op: 'Conv',
  relError: i < 5 ? 0 : i < 30 ? 1e-7 : 2e-3,
  maxAbsDiff: 0.5,
  problem: null,
}));
const bisection: Bisection = { a: 'A', b: 'B', images: 2, tolerance: 1e-4, layers, first: layers[30] ?? null };

test('the same report is the same page, and hostile names are text in it', async () => {
  const options = { ...record, bisection };
  const again = await reportPage(report, options);
  expect(await reportPage(report, options)).toBe(again);
  expect(again).not.toMatch(/<script|<img src="\/\/|<\/style>.*<\/style>/s);
});

test('a page claims no parity for what was not compared', async () => {
  const partial = toReport(subject({}), [run('cpu', decided, 400), run('wasm', decided, 100)]);
  expect(await reportPage(partial, record)).toContain('<p class="verdict">Not compared with cpu on all images: browser-webgl</p>');
});

inBrowser(`in a browser${executablePath ? '' : ' [needs a browser]'}`, () => {
  test.each([
    { title: 'on a phone', options: phone, background: [255, 255, 255], rules: true },
    { title: 'on a desk', options: desk, background: [255, 255, 255], rules: false },
    { title: 'on a phone in the dark', options: { ...phone, colorScheme: 'dark' as const }, background: [19, 22, 27], rules: false },
    { title: 'on a desk in the dark', options: { ...desk, colorScheme: 'dark' as const }, background: [19, 22, 27], rules: true },
  ])('$title: nothing sticks out, all can be read', async ({ options, background, rules }) => {
    const tab = await open(browser, options, page);
    const picture = await decode(await tab.screenshot({ fullPage: true }));
    expect(picture.width).toBe(options.viewport.width); // a page that is too wide makes a wider picture
    expect(picture.at(2, 2)).toEqual(background);
    expect(picture.at(picture.width - 3, picture.height - 3)).toEqual(background);
    expect(await beyond(tab)).toEqual([]);
    expect(await faintChartTexts(tab)).toEqual([]);
    if (rules) await expectAccessible(tab, ['color-contrast', 'image-alt', 'role-img-alt', 'scrollable-region-focusable']);
    await tab.close();
  });

  test('in print: on white whatever the system likes, as wide as the paper, and lists that scroll are there in full', async () => {
    const tab = await open(browser, { ...paper, colorScheme: 'dark' }, page);
    const list = tab.locator('.scroll');
    expect((await list.boundingBox())?.height).toBeLessThan(500);
    await tab.emulateMedia({ media: 'print', colorScheme: 'dark' });
    const picture = await decode(await tab.screenshot({ fullPage: true }));
    expect([picture.width, picture.at(2, 2)]).toEqual([680, [255, 255, 255]]);
    expect(await beyond(tab)).toEqual([]);
    expect(await faintChartTexts(tab)).toEqual([]);
    expect((await list.boundingBox())?.height).toBeGreaterThan(layers.length * 10);
    for (const { layer } of layers) expect(await list.getByText(layer, { exact: false }).first().isVisible()).toBe(true);
    const hidden = await tab
      .locator('table, table :is(th, td):not(:empty), img, .on-desk')
      .evaluateAll((all) => all.filter((e) => !e.checkVisibility() || e.clientHeight === 0).length);
    expect(hidden).toBe(0);
    await tab.close();
  });

  test('the numbers: verdict, parity table and confusion matrix', async () => {
    const tab = await open(browser, desk, page);
    expect(await tab.title()).toBe(`${HOSTILE}.onnx on fashion-mnist test`);
    expect(await tab.locator('h1').textContent()).toBe(`${HOSTILE}.onnx`);
    expect(await tab.locator('.verdict').textContent()).toBe('✗ Parity with cpu fails: browser-webgl');
    const cells = await tab
      .locator('table.cards')
      .first()
      .locator('tbody tr')
      .evaluateAll((rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent)));
    const right = labels.filter((label, i) => label === decided(i)).length;
    const top1 = `${((100 * right) / IMAGES).toFixed(2)} %`;
    expect(cells.map((row) => [row[0], row[1], row[2], row[3], row[4], row.at(-1)])).toEqual([
      ['cpu', '60', top1, '–', '–', 'reference'],
      ['wasm', '60', top1, '100.00 %', '0', '✓ pass'],
      ['browser-webgl', '60', expect.any(String), '93.33 %', '4', '✗ fail'],
    ]);
    const matrix = await tab
      .locator('.matrix tbody tr')
      .evaluateAll((rows) => rows.map((row) => [...row.children].slice(1, 11).map((cell) => Number(cell.textContent))));
    const expected = LABELS.map(() => LABELS.map(() => 0));
    for (const [i, label] of labels.entries())
      (expected[label] as number[]).splice(decided(i), 1, (expected[label]?.[decided(i)] ?? 0) + 1);
    expect(matrix).toEqual(expected);
    await tab.close();
  });

  test('images decided differently are drawn with their very pixels, and with what each backend decides', async () => {
    const tab = await open(browser, desk, page);
    const cards = tab.locator('.images li');
    const screen = await decode(await tab.screenshot({ fullPage: true }));
    expect(await cards.count()).toBe(FLIPS.length);
    for (const [i, index] of FLIPS.entries()) {
      const card = cards.nth(i);
      const box = await card.locator('img').boundingBox();
      expect(box).toMatchObject({ width: 112, height: 112 });
      const [left, top] = [Math.round(box?.x ?? 0), Math.round(box?.y ?? 0)];
      const at = (x: number, y: number) => screen.at(left + x, top + y);
      const drawn = Array.from({ length: 784 }, (_, p) => at((p % 28) * 4 + 2, Math.floor(p / 28) * 4 + 2));
      expect(drawn).toEqual(Array.from(pixels.subarray(index * 784, (index + 1) * 784), (grey) => [grey, grey, grey]));
      const [edge, next] = [at(14 * 4 + 3, 58), at(15 * 4, 58)]; // crisp: no blur between pixels
      expect([edge, next]).toEqual([drawn[14 * 28 + 14], drawn[14 * 28 + 15]]);
      const truth = labels[index] as number;
      const line = (decision: number, p: string) => `${decision === truth ? '✓' : '✗'} ${short(decision)} ${p}\u00a0%`;
      expect(await card.locator('h3').textContent()).toBe(`${short(truth)} image ${index}`);
      expect(await card.locator('img').getAttribute('alt')).toBe(`Image ${index} of fashion-mnist test: ${short(truth)}`);
      expect(await card.locator('dt, dd').allTextContents()).toEqual([
        'cpu, wasm',
        line(decided(index), '62.5'),
        'browser-webgl',
        line(otherwise(index), '37.5'),
      ]);
    }
    await tab.close();
  });

  test('a colour image is drawn in its colours, planes as stored', async () => {
    const rgb = Uint8Array.of(255, 0, 0, 10, /**/ 0, 255, 0, 20, /**/ 0, 0, 255, 30); // 2 x 2: red, green; blue, nearly black
    const answers = { offset: 5, shape: { channels: 3, height: 2, width: 2 }, imagesNCHW: rgb, labels: Int32Array.of(2) };
    const tally = new Tally(10);
    tally.add({ ...answers, logits: Float32Array.of(1, ...Array(9).fill(0)), reference: Float32Array.of(0, 1, ...Array(8).fill(0)) });
    const colour = toReport(subject({}), [run('cpu', decided, 1), { ...run('wasm', decided, 1), tally }]);
    const tab = await open(browser, desk, await reportPage(colour, record));
    const box = await tab.locator('.images img').boundingBox();
    expect(box).toMatchObject({ width: 128, height: 128 });
    const screen = await decode(await tab.screenshot({ fullPage: true }));
    const at = (x: number, y: number) => screen.at(Math.round(box?.x ?? 0) + x, Math.round(box?.y ?? 0) + y);
    expect([at(32, 32), at(96, 32), at(32, 96), at(96, 96)]).toEqual([
      [255, 0, 0],
      [0, 255, 0],
      [0, 0, 255],
      [10, 20, 30],
    ]);
    await tab.close();
  });

  test('the charts: a bar is as long as its number is large, a layer stands where its error is', async () => {
    const tab = await open(browser, desk, page);
    const chart = tab.locator('section:has(h2:text("Accuracy and speed")) .on-desk svg');
    const widths = await chart.locator('rect[fill^="var(--file"]').evaluateAll((all) =>
      all
        .map((e) => (e as unknown as SVGGraphicsElement).getBBox())
        .filter(({ height }) => height === 16)
        .map(({ width }) => width),
    );
    const [first = 0] = widths;
    // by backend: both files on cpu, then the others; the speeds, then the sizes
    const ratios = widths.map((width) => width / first);
    for (const [i, ratio] of [1, 2, 0.25, 0.125].entries()) expect(ratios[i]).toBeCloseTo(ratio, 2);
    expect((widths[5] as number) / (widths[4] as number)).toBeCloseTo(0.25, 2);
    const layerChart = tab.locator('section:has(h2:text("Layer by layer")) .on-desk svg');
    const dots = layerChart.locator('circle, polygon');
    const places = await dots.evaluateAll((all) =>
      all.map((e) => (e as unknown as SVGGraphicsElement).getBoundingClientRect()).map(({ y, height }) => y + height / 2),
    );
    expect(places).toHaveLength(layers.length);
    const [zero, within, beyondIt] = [places[0], places[5], places[30]] as [number, number, number];
    expect(zero).toBeGreaterThan(within);
    // from 1e-8, the floor for zeros, to 1e-7 is a decade; to 2e-3 it is log10(2e5) of them
    const line = await layerChart.locator('line[stroke-dasharray]').boundingBox();
    expect((zero - (line?.y ?? 0)) / (zero - within)).toBeCloseTo(4, 1); // the tolerance
    expect((zero - beyondIt) / (zero - within)).toBeCloseTo(Math.log10(2e5), 2);
    await tab.close();
  });

  test('many classes are a picture, a square a cell', async () => {
    const classes = 40;
    const tally = new Tally(classes);
    const truth = Int32Array.from({ length: classes }, (_, i) => i);
    const decisions = truth.map((label) => (label === 7 ? 30 : label));
    const values = Float32Array.from({ length: classes ** 2 }, (_, i) => (i % classes === decisions[Math.floor(i / classes)] ? 1 : 0));
    tally.add({ offset: 0, shape: SHAPE, imagesNCHW: new Uint8Array(0), labels: truth, logits: values, reference: undefined });
    const one = toReport(subject({ backends: ['cpu'], classLabels: null }), [{ ...run('cpu', decided, 1), tally }]);
    const tab = await open(browser, desk, await reportPage(one, record));
    const picture = await decode(await tab.locator('svg.picture').screenshot());
    const at = (label: number, decision: number) =>
      picture.at(Math.round(((decision + 0.5) * picture.width) / classes), Math.round(((label + 0.5) * picture.height) / classes));
    const [hit, miss, none] = [at(3, 3), at(7, 30), at(7, 7)];
    expect(none).toEqual([255, 255, 255]);
    expect(hit[2]).toBeGreaterThan(hit[0] + 100); // blue
    expect(miss[0]).toBeGreaterThan(miss[2] + 100); // red
    expect(await tab.getByText('One backend ran: nothing to compare with.').count()).toBe(1);
    await tab.close();
  });
});

/** A label as the page shows it. */
const short = (label: number) => (LABELS[label] as string).slice(0, 59) + ((LABELS[label] as string).length > 60 ? '…' : '');
