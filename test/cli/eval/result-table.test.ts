/** What is said of parity, and what passes for it. */
import { expect, test } from 'vitest';
import type { BackendName } from '../../../eval/backends/table.ts';
import { type Report, toReport } from '../../../eval/report.ts';
import { whole } from '../../../eval/shard.ts';
import { Tally } from '../../../eval/tally/tally.ts';
import { defaultThresholds } from '../../../eval/tally/thresholds.ts';
import { requireParity, resultTable } from '../../../src/cli/eval/result-table.ts';

/** A report of as many backends as are asked for, of which those that `ran` gave the same logits for that many images. */
function report(backends: readonly BackendName[], ran: readonly BackendName[], images: number): Report {
  const runs = ran.map((backend, i) => {
    const tally = new Tally(2);
    const logits = new Float32Array(2 * images).fill(1);
    const shape = { channels: 1, height: 1, width: 1 };
    const imagesNCHW = new Uint8Array(images);
    tally.add({ offset: 0, shape, imagesNCHW, labels: new Int32Array(images), logits, reference: i === 0 ? undefined : logits });
    return { backend, detail: '', tally, seconds: 1, runtimeSeconds: 1, loadSeconds: 1, peakMemoryBytes: null };
  });
  const subject = {
    version: '0',
    model: 'a.onnx',
    sha256: '',
    bytes: 1,
    network: null,
    form: null,
    bitsPerWeight: null,
    classLabels: null,
  };
  const course = { data: 'mnist test', total: 4, batch: 1, shard: whole, reference: 'cpu' as const, thresholds: defaultThresholds };
  return toReport({ ...subject, ...course, backends }, runs);
}

test.each<{
  title: string;
  asked: BackendName[];
  ran: BackendName[];
  images: number;
  verdict: string | null;
  says: string;
  error?: string;
}>([
  { title: 'two that agree', asked: ['cpu', 'wasm'], ran: ['cpu', 'wasm'], images: 4, verdict: 'pass', says: 'parity with cpu: pass' },
  { title: 'one backend', asked: ['cpu'], ran: ['cpu'], images: 4, verdict: null, says: 'one backend: nothing to compare with' },
  {
    title: 'an end while the second loads',
    asked: ['cpu', 'wasm'],
    ran: ['cpu'],
    images: 4,
    verdict: null,
    says: 'parity with cpu: not compared on all images: wasm',
    error: 'parity not shown: wasm not compared on all images',
  },
  {
    title: 'an end while the third loads',
    asked: ['cpu', 'wasm', 'browser-wasm'],
    ran: ['cpu', 'wasm'],
    images: 4,
    verdict: null,
    says: 'parity with cpu: not compared on all images: browser-wasm',
    error: 'parity not shown: browser-wasm not compared on all images',
  },
  {
    title: 'an end while the second runs',
    asked: ['cpu', 'wasm'],
    ran: ['cpu', 'wasm'],
    images: 3,
    verdict: null,
    says: 'parity with cpu: not compared on all images: wasm',
    error: 'parity not shown: wasm not compared on all images',
  },
  {
    title: 'no image',
    asked: ['cpu', 'wasm'],
    ran: ['cpu', 'wasm'],
    images: 0,
    verdict: null,
    says: 'parity with cpu: not compared on all images: wasm',
    error: 'parity not shown: wasm not compared on all images',
  },
])('$title: verdict $verdict', ({ asked, ran, images, verdict, says, error }) => {
  const made = report(asked, ran, images);
  expect(made.verdict).toBe(verdict);
  expect(resultTable(made)).toContain(says);
  if (error === undefined) requireParity(made);
  else expect(() => requireParity(made)).toThrow(error);
});

test.each([
  { title: 'all of a set', total: 10_000, images: 10_000, shard: whole, scope: '10,000 images of mnist test' },
  { title: 'the first of a set', total: 16, images: 16, shard: whole, scope: 'the first 16 of 10,000 images of mnist test' },
  {
    title: 'a shard of the first',
    total: 16,
    images: 8,
    shard: { index: 2, count: 2 },
    scope: '8 of the first 16 of 10,000 images of mnist test, shard 2 of 2',
  },
  { title: 'an interruption', total: 10_000, images: 640, shard: whole, scope: '640 of 10,000 images of mnist test' },
])('$title is named', ({ total, images, shard, scope }) => {
  const made = report(['cpu'], ['cpu'], 4);
  expect(resultTable({ ...made, total, images, shard, dataImages: 10_000 })).toContain(`a.onnx on ${scope}\n`);
});

// Wilson intervals of R: prop.test(4, 4, correct = FALSE) and prop.test(1000, 1000, correct = FALSE)
test.each([
  { images: 4, caution: 'Caution: 4 images are few: the 95 % interval of the accuracy is 51.0 to 100.0 %.' },
  { images: 1000, caution: undefined },
])('$images images, all right: $caution', ({ images, caution }) => {
  const table = resultTable(report(['cpu'], ['cpu'], images));
  if (caution === undefined) expect(table).not.toContain('Caution');
  else expect(table).toContain(`${caution}\n`);
});
