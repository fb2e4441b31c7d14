/** The picture of the errors of a training, drawn from the log of the shipped network. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { runNames } from '../../src/cli/train/curve.ts';
import { InputError } from '../../src/errors.ts';
import { curveChart } from '../../src/train/curve.ts';
import { readLog } from '../../src/train/run/log.ts';
import { run } from '../cli/run.ts';
import { folderWith } from '../data/crafted.ts';

const shipped = fileURLToPath(new URL('../../models/fashion-mnist-wrn-20-1', import.meta.url));
const log = readLog(readFileSync(join(shipped, 'log.jsonl'), 'utf8'), 'log.jsonl');

/** Horizontal places of the points that are drawn with this radius. */
function places(svg: string, radius: number): number[] {
  return [...svg.matchAll(new RegExp(`<circle cx="([\\d.]+)" cy="[\\d.]+" r="${radius}"`, 'g'))].map(([, x]) => Number(x));
}

test('a point for each epoch and each end of a cycle, with the error beside it, on an axis of doublings', () => {
  const svg = curveChart([{ name: 'shipped', log }]);
  const tests = log.filter(({ kind }) => kind === 'test');
  expect(tests.map(({ epoch }) => epoch)).toEqual([2, 6, 14]);
  for (const text of ['11.15', '8.34', '7.21', 'shipped', 'epochs', 'error, %', '>2<', '>6<', '>14<']) expect(svg).toContain(text);
  for (const [radius, epochs] of [
    [4, [2, 6, 14]],
    [2, Array.from({ length: 14 }, (_, i) => i + 1)],
  ] as const) {
    const x = places(svg, radius);
    const [first, last] = [epochs[0] as number, epochs.at(-1) as number];
    const span = ((x.at(-1) as number) - (x[0] as number)) / Math.log2(last / first);
    expect(x).toHaveLength(epochs.length);
    for (const [i, epoch] of epochs.entries()) expect(x[i]).toBeCloseTo((x[0] as number) + span * Math.log2(epoch / first), 1);
  }
});

test('no value covers a point or another value', () => {
  const logs = [1, 1.02, 1.04, 1.06].map((factor) =>
    log.map((entry) =>
      entry.kind === 'test' ? { ...entry, testError: entry.testError * factor } : { ...entry, trainError: entry.trainError * factor },
    ),
  );
  const svg = curveChart(logs.map((log, i) => ({ name: `run ${i}`, log })));
  const values = [...svg.matchAll(/<text x="([\d.]+)" y="([\d.]+)" text-anchor="middle" fill="[^"]*">\d+\.\d\d</g)].map(
    ([, x, y]) => [Number(x), Number(y)] as const,
  );
  expect(values).toHaveLength(12);
  const points = [...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)" r="4"/g)].map(([, x, y]) => [Number(x), Number(y)] as const);
  expect(points).toHaveLength(12);
  for (const [i, [x, y]] of values.entries()) {
    for (const [other, at] of values.entries())
      expect(i === other || Math.abs(x - at[0]) > 24 || Math.abs(y - at[1]) > 10, `${i} ${other}`).toBe(true);
    // a digit is 9 high; the middle of the text is 4 above its baseline
    for (const at of points) expect(Math.abs(x - at[0]) > 12 || Math.abs(y - 4 - at[1]) > 6).toBe(true);
  }
});

test('curve draws runs side by side, from folders and logs, and replaces nothing unasked', async () => {
  const folder = await folderWith();
  const at = join(folder, 'errors');
  const { status, stdout } = await run(['curve', shipped, join(shipped, 'log.jsonl'), '-o', at]);
  expect({ status, stdout }).toEqual({ status: 0, stdout: `${at}.svg\n${at}.png\n` });
  expect(readFileSync(`${at}.svg`, 'utf8')).toContain('>WRN-20-1, 1 bit, fashion-mnist (fashion-mnist-wrn-20-1)<'); // twice the same run
  expect((await run(['curve', shipped, `${shipped}-float`, '-o', join(folder, 'two')])).status).toBe(0);
  const two = readFileSync(join(folder, 'two.svg'), 'utf8');
  for (const name of ['>WRN-20-1, 1 bit, fashion-mnist<', '>WRN-20-1, 32 bits, fashion-mnist<']) expect(two).toContain(name);
  const { width, height, channels } = await sharp(`${at}.png`)
    .stats()
    .then(async () => sharp(`${at}.png`).metadata());
  expect(width).toBe(1720);
  expect(readFileSync(`${at}.svg`, 'utf8')).toContain(`height="${height / 2}"`);
  expect(channels).toBeGreaterThanOrEqual(3);
  expect((await run(['curve', shipped, '-o', at])).status).toBe(2);
  expect((await run(['curve', '/nowhere', '-o', join(folder, 'x')])).status).toBe(3);
  expect((await run(['curve', `${at}.svg`, '-o', join(folder, 'x')])).stderr).toContain(
    'errors.svg line 1: expected a log entry (kind epoch or test)',
  );
});

test.each([
  { logs: ['a/run/log.jsonl'], names: ['run'] },
  { logs: ['a/run/log.jsonl', 'b/run/log.jsonl', 'c/other/log.jsonl'], names: ['a/run', 'b/run', 'other'] },
  { logs: ['/run/log.jsonl', '/a/run/log.jsonl'], names: ['/run', 'a/run'] },
  { logs: ['logs/one.jsonl', 'logs/two.jsonl'], names: ['one.jsonl', 'two.jsonl'] },
  { logs: ['a/run/log.jsonl', './a/run/log.jsonl'], names: ['run', 'run'] },
])('runs of $logs are $names', ({ logs, names }) => {
  expect(runNames(logs)).toEqual(names);
});

test.each(['nonsense', 'null', '{"kind":"other"}', '{"kind":"test","epoch":1}', '[]'])('%s is no line of a log', (line) => {
  expect(() => readLog(`${line}\n`, 'x')).toThrow(InputError);
  expect(() => readLog(`\n\r\n${line}\n`, 'x')).toThrow('x line 3:'); // as an editor counts
});
