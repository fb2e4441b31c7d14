/** Logits in a temporary file come back as they were; and memory stays where it is, however many images there are. */
import { readdirSync } from 'node:fs';
import { mkdtemp, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { Graph } from '../../../converters/onnx/graph.ts';
import { evaluate } from '../../../eval/evaluate.ts';
import { LogitSpool } from '../../../eval/tally/logit-spool.ts';
import { DataType, encodeModel } from '../../../proto/onnx.ts';
import { openImageSet } from '../../../src/data/open.ts';
import { UsageError } from '../../../src/errors.ts';
import { bigEndian, folderWith } from '../../data/crafted.ts';

const temporary = process.env['TMPDIR'];
afterEach(() => {
  if (temporary === undefined) delete process.env['TMPDIR'];
  else process.env['TMPDIR'] = temporary;
});

test('logits come back in any order, from a file that no folder names', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'wrn-spool-'));
  process.env['TMPDIR'] = folder;
  const spool = await LogitSpool.open(3, 100);
  const rows = (offset: number, images: number) => Float32Array.from({ length: images * 3 }, (_, i) => Math.fround((offset * 3 + i) / 7));
  spool.write(104, rows(104, 3));
  spool.write(100, rows(100, 4));
  expect(readdirSync(folder)).toEqual([]);
  expect(spool.read(103, 2)).toEqual(rows(103, 2));
  expect(Buffer.concat([...spool.pieces(7)])).toEqual(Buffer.from(rows(100, 7).buffer));
  expect(() => spool.read(106, 2)).toThrow(RangeError);
  await spool.close();
  await rm(folder, { recursive: true });
});

test('a temporary folder that is not there is one line', async () => {
  process.env['TMPDIR'] = '/nowhere';
  const attempt = LogitSpool.open(3, 0);
  await expect(attempt).rejects.toThrow(UsageError);
  await expect(attempt).rejects.toThrow(
    'logits: cannot be written into /nowhere, the folder does not exist. Evaluate in shards, or set TMPDIR to another',
  );
});

const CLASSES = 1000;

/** A network of one product, whose logits are most of what an evaluation could keep. */
function tinyNetwork(): Uint8Array {
  const graph = new Graph();
  const value = (name: string, sizes: number[]) => ({
    name,
    type: {
      tensor_type: { elem_type: DataType.FLOAT, shape: { dim: [{ dim_param: 'batch' }, ...sizes.map((dim_value) => ({ dim_value }))] } },
    },
  });
  graph.node('Flatten', ['images'], 'flat', { axis: 1 });
  graph.node('MatMul', ['flat', graph.floats('weights', [64, CLASSES], new Float32Array(64 * CLASSES).fill(0.5))], 'logits');
  return encodeModel({
    ir_version: 8,
    opset_import: [{ domain: '', version: 17 }],
    graph: {
      name: 'tiny',
      node: graph.nodes,
      initializer: graph.initializers,
      input: [value('images', [1, 8, 8])],
      output: [value('logits', [CLASSES])],
    },
  });
}

test('memory of 50,000 images of 1,000 classes is that of 1,000 images, in this process and in the backends', async () => {
  const count = 50_000; // 200 MB of logits
  const folder = await folderWith({
    't10k-images-idx3-ubyte': bigEndian(0x803, count, 8, 8),
    't10k-labels-idx1-ubyte': bigEndian(0x801, count),
  });
  await truncate(join(folder, 't10k-images-idx3-ubyte'), 16 + count * 64); // a hole: takes no disk and reads as zeros
  await truncate(join(folder, 't10k-labels-idx1-ubyte'), 8 + count);
  const data = await openImageSet(folder, { split: 'test', classes: CLASSES });
  const model = tinyNetwork();
  let highest = 0;
  const peaks = async (limit: number) => {
    highest = 0;
    const { results } = await evaluate(model, {
      modelName: 'tiny',
      data,
      backends: ['cpu', 'wasm'],
      limit,
      backendOptions: { batch: 100 },
      onProgress: () => {
        highest = Math.max(highest, process.memoryUsage().rss);
      },
    });
    expect(results.map(({ images, flips }) => [images, flips])).toEqual([
      [limit, null],
      [limit, 0],
    ]);
    return [highest, ...results.map(({ peakMemoryBytes }) => peakMemoryBytes as number)];
  };
  const few = await peaks(1000);
  const many = await peaks(count);
  for (const [i, bytes] of many.entries()) expect(bytes - (few[i] as number)).toBeLessThan(100e6);
  await data.close();
});
