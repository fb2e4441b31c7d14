/** Shards of real images add up to what one run finds, bit for bit; parts that do not belong together are refused. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { toOnnx } from '../../converters/onnx/write.ts';
import { evaluate } from '../../eval/evaluate.ts';
import { mergeParts, readPart } from '../../eval/merge.ts';
import type { Report } from '../../eval/report.ts';
import { type Shard, shardRange } from '../../eval/shard.ts';
import type { ImageSet } from '../../src/data/dataset.ts';
import { openImageSet } from '../../src/data/open.ts';
import { InputError } from '../../src/errors.ts';
import { readModelFile } from '../../src/network/model-file.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** Five batches, the last of five images. */
const LIMIT = 37;
let model: Uint8Array;
let data: ImageSet;
let whole: Report;
let thirds: Report[];
beforeAll(async () => {
  const source = readModelFile(await readFile(`${root}models/fashion-mnist-wrn-20-1/model.safetensors`));
  model = toOnnx(source, { form: 'packed', input: 'nchw-float' });
  data = await openImageSet(`${root}examples/fashion-mnist`, { split: 'test' });
  whole = await evaluateShard();
  thirds = await shards(3);
});
afterAll(() => data.close());

function evaluateShard(shard?: Shard): Promise<Report> {
  return evaluate(model, { modelName: 'a.onnx', data, backends: ['wasm', 'cpu'], limit: LIMIT, shard, backendOptions: { batch: 8 } });
}

async function shards(count: number): Promise<Report[]> {
  const reports: Report[] = [];
  for (let index = 1; index <= count; index++) reports.push(await evaluateShard({ index, count }));
  return reports;
}

const encode = (report: unknown) => new TextEncoder().encode(JSON.stringify(report));
const merge = (reports: readonly unknown[]) => mergeParts(reports.map((report, i) => readPart(encode(report), `part-${i + 1}`)));

/** All that is claimed to be exact, to the last bit of every sum. */
function exact({ results, ...subject }: Report): string {
  const rows = results.map(({ seconds, runtimeSeconds, imagesPerSecond, loadSeconds, peakMemoryBytes, ...row }) => row);
  return JSON.stringify({ ...subject, results: rows });
}

test.each([
  { count: 1, images: [37] },
  { count: 2, images: [16, 21] },
  { count: 3, images: [8, 16, 13] },
  { count: 7, images: [0, 8, 8, 0, 8, 8, 5] },
])('$count shards are the whole, bit for bit', async ({ count, images }) => {
  const parts = count === 3 ? thirds : await shards(count);
  expect(parts.map((part) => part.images)).toEqual(images);
  expect(whole.results[1]?.relError).toBeGreaterThan(0); // there is a difference whose digits could be lost
  expect(exact(merge(parts))).toBe(exact(whole));
  expect(exact(merge([...parts].reverse()))).toBe(exact(whole));
});

test('speed is that of all images in all seconds; load time and memory are the largest', () => {
  const [merged] = merge(thirds).results;
  const wasm = thirds.map(({ results: [row] }) => row as Report['results'][number]);
  const seconds = wasm.reduce((sum, row) => sum + row.seconds, 0);
  expect(merged?.imagesPerSecond).toBeCloseTo(LIMIT / seconds, 9);
  expect(merged?.loadSeconds).toBe(Math.max(...wasm.map((row) => row.loadSeconds)));
  expect(merged?.peakMemoryBytes).toBe(Math.max(...wasm.map((row) => row.peakMemoryBytes ?? 0)));
});

test('the images of the shards are all images once, in whole batches', () => {
  fc.assert(
    fc.property(fc.nat(5000), fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 40 }), (total, batch, count) => {
      let next = 0;
      for (let index = 1; index <= count; index++) {
        const { from, to } = shardRange(total, batch, { index, count });
        expect(from).toBe(next);
        expect(to === total || to % batch === 0).toBe(true);
        next = to;
      }
      expect(next).toBe(total);
    }),
  );
});

/** The first part with some fields changed, between the other two. */
const changed = (fields: (part: Report) => object) => [thirds[1], { ...(thirds[0] as Report), ...fields(thirds[0] as Report) }, thirds[2]];
const rows = ({ results }: Report, change: object) => results.map((row) => ({ ...row, ...change }));

test.each<{ title: string; parts: () => unknown[]; message: string }>([
  { title: 'a part is missing', parts: () => [thirds[0], thirds[2]], message: 'report parts: expected all 3 shards, got 2. Missing: 2' },
  {
    title: 'a part is there twice',
    parts: () => [...thirds, thirds[1]],
    message: 'report part-4: expected every shard once, got shard 2 here and in part-2',
  },
  {
    title: 'another file',
    parts: () => changed(() => ({ sha256: 'abc' })),
    message: 'report part-1: expected a file of SHA-256: abc, as in part-2, got ',
  },
  {
    title: 'another data set',
    parts: () => changed(() => ({ data: 'mnist test' })),
    message: 'report part-1: expected the data set: mnist test, as in part-2, got fashion-mnist test',
  },
  {
    title: 'a data set of the same name with other images',
    parts: () => changed(() => ({ dataImages: 38 })),
    message: 'report part-1: expected images in the data set: 38, as in part-2, got ',
  },
  {
    title: 'other thresholds',
    parts: () => changed(({ thresholds }) => ({ thresholds: { ...thresholds, relError: 1 } })),
    message: 'expected thresholds: 1 and 1, as in part-2, got 1 and 0.0001',
  },
  {
    title: 'another runtime',
    parts: () => changed((part) => ({ results: rows(part, { detail: 'onnxruntime 9' }) })),
    message: 'expected backends: wasm (onnxruntime 9), cpu (onnxruntime 9), as in part-2, got wasm (onnxruntime-web',
  },
  { title: 'another reference', parts: () => changed(() => ({ reference: 'cpu' })), message: 'expected the reference: cpu' },
  {
    title: 'another version',
    parts: () => changed(() => ({ version: '0.0.1' })),
    message: 'report part-2 version: expected 0.1.0, the one that merges, got "0.0.1"',
  },
  {
    title: 'an interrupted evaluation',
    parts: () => changed(() => ({ complete: false })),
    message: 'report part-2: expected a complete evaluation, got an interrupted one. Run it again',
  },
  {
    title: 'more images than the shard has',
    parts: () => changed((part) => ({ results: rows(part, { tally: { ...part.results[0]?.tally.toJSON(), images: 9 } }) })),
    message: 'report part-2 results[0].tally.images: expected the 8 images of the shard, got 9',
  },
  {
    title: 'more right answers than images',
    parts: () => changed((part) => ({ results: rows(part, { tally: { ...part.results[0]?.tally.toJSON(), top1: 9 } }) })),
    message: 'report part-2 results[0].tally.top1: expected an integer from 0 to 8, got 9',
  },
  {
    title: 'other classes',
    parts: () => changed((part) => ({ results: rows(part, { tally: { ...part.results[0]?.tally.toJSON(), classes: 11 } }) })),
    message: 'expected classes: 11, 11, as in part-2, got 10, 10',
  },
  {
    title: 'a name that steers the terminal',
    parts: () => changed(() => ({ model: '\u001b[2J' })),
    message: 'report part-2 model: expected a line of text, got "\\u001b[2J"',
  },
  { title: 'no parts', parts: () => [], message: 'report parts: expected reports of shards, got none' },
  { title: 'JSON of something else', parts: () => [[]], message: 'report part-1 root: expected an object, got []' },
])('$title: refused in a line', ({ parts, message }) => {
  expect(() => merge(parts())).toThrow(InputError);
  expect(() => merge(parts())).toThrow(message);
});

test('parts of other images under the same name are refused; parts of earlier versions have no digest and are merged', async () => {
  const scratch = await mkdtemp(join(tmpdir(), 'wrn-merge-'));
  const folder = join(scratch, 'fashion-mnist');
  const unpacked = async (name: string) => gunzipSync(await readFile(`${root}examples/fashion-mnist/${name}.gz`));
  /** The first training images and labels, as many as there are test images, after the header of the test file. */
  const replaced = async (file: string, header: number) => {
    const [test, train] = [await unpacked(`t10k-${file}`), await unpacked(`train-${file}`)];
    await writeFile(join(folder, `t10k-${file}`), Buffer.concat([test.subarray(0, header), train.subarray(header, test.length)]));
  };
  try {
    await mkdir(folder);
    await replaced('images-idx3-ubyte', 16);
    await replaced('labels-idx1-ubyte', 8);
    await using others = await openImageSet(folder, { split: 'test' });
    const options = { modelName: 'a.onnx', backends: ['wasm', 'cpu'], limit: LIMIT, backendOptions: { batch: 8 } } as const;
    const second = await evaluate(model, { ...options, data: others, shard: { index: 2, count: 3 } });
    expect(() => merge([thirds[0], second, thirds[2]])).toThrow(
      'report part-2: expected the images of part-1, got other ones of the same name, fashion-mnist test. Evaluate every shard on the same data',
    );
    const { dataDigest, ...earlier } = second;
    expect(dataDigest).toMatch(/^[0-9a-f]{64}$/);
    expect(merge([thirds[0], earlier, thirds[2]]).images).toBe(LIMIT);
  } finally {
    await rm(scratch, { recursive: true });
  }
});

test('a part that ends early is refused, wherever it ends', () => {
  const bytes = encode(thirds[0]);
  for (let length = 0; length < bytes.length; length += 7) {
    expect(() => readPart(bytes.subarray(0, length), 'part')).toThrow(
      'report part: expected the JSON of eval --format json, got something else or a truncated file',
    );
  }
});

/** Every object in a value, with the path of keys that leads to it. */
function objects(value: unknown): Record<string, unknown>[] {
  if (typeof value !== 'object' || value === null) return [];
  return [value as Record<string, unknown>, ...Object.values(value).flatMap(objects)];
}

test('whatever stands in a field, a part is read or refused', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.nat(), fc.nat(), (value, o, k) => {
      const part = JSON.parse(JSON.stringify(thirds[0])) as unknown;
      const all = objects(part);
      const object = all[o % all.length] as Record<string, unknown>;
      const keys = Object.keys(object);
      if (keys.length) object[keys[k % keys.length] as string] = value;
      try {
        merge([part, thirds[1], thirds[2]]);
      } catch (error) {
        expect(error).toBeInstanceOf(InputError);
      }
    }),
    { numRuns: 500 },
  );
});

test('a merged verdict that fails is that of the whole', () => {
  const strict = thirds.map((part) => ({ ...part, thresholds: { agreement: 1, relError: 1e-12 } }));
  expect(merge(thirds)).toMatchObject({ verdict: 'pass', results: [{ verdict: 'reference' }, { verdict: 'pass' }] });
  expect(merge(strict)).toMatchObject({ verdict: 'fail', results: [{ verdict: 'reference' }, { verdict: 'fail' }] });
});
