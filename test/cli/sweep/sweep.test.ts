/** Sweeps: what a file stands for, what is refused, the table; and one on this machine. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { readSweep } from '../../../src/cli/sweep/sweep-file.ts';
import { groupsOf, spreadOf, sweepTable } from '../../../src/cli/sweep/table.ts';
import { publishedError } from '../../../src/train/published.ts';
import { smallData, smallNetwork } from '../../train/run.ts';
import { hasTensorFlow } from '../../train/tensorflow.ts';
import { run } from '../run.ts';

const root = mkdtempSync(join(tmpdir(), 'wrn-sweep-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const at = (name: string) => join(root, name);
const read = (json: unknown) => readSweep(Buffer.from(typeof json === 'string' ? json : JSON.stringify(json)), 's.json');

test('lists are products, entries are rows, `all` is in every one', () => {
  const { runs } = read({ all: { preset: 'cifar10', seed: [1, 2] }, runs: [{ width: [4, 10], flip: false }, { depth: 26 }] });
  expect(runs.map(({ words }) => words.join(' '))).toEqual([
    '--preset cifar10 --seed 1 --width 4 --no-flip',
    '--preset cifar10 --seed 1 --width 10 --no-flip',
    '--preset cifar10 --seed 2 --width 4 --no-flip',
    '--preset cifar10 --seed 2 --width 10 --no-flip',
    '--preset cifar10 --seed 1 --depth 26',
    '--preset cifar10 --seed 2 --depth 26',
  ]);
  expect(runs.map(({ name }) => name)).toEqual([
    'cifar10-seed-1-width-4-no-flip',
    'cifar10-seed-1-width-10-no-flip',
    'cifar10-seed-2-width-4-no-flip',
    'cifar10-seed-2-width-10-no-flip',
    'cifar10-seed-1-depth-26',
    'cifar10-seed-2-depth-26',
  ]);
  expect(runs.map(({ epochs }) => epochs)).toEqual([62, 62, 62, 62, 62, 62]);
  expect(runs.map(({ published }) => published)).toEqual([null, null, null, null, 0.0446, 0.0446]); // without flips it is not the paper's
});

test('false leaves an option out that has no --no- form, and is refused for an unknown one', () => {
  const { runs } = read({ runs: [{ preset: 'mnist', plain: [true, false] }] });
  expect(runs.map(({ words }) => words.join(' '))).toEqual(['--preset mnist --plain', '--preset mnist']);
  expect(() => read({ runs: [{ preset: 'mnist', plane: false }] })).toThrow("unknown option '--no-plane'");
});

test.each([
  ['no JSON', 'sweep s.json: expected JSON', '{'],
  ['no runs', 'sweep s.json runs: expected at least one run', { runs: [] }],
  ['an unknown field', 'sweep s.json root.run: expected no such field', { run: [] }],
  ['an unknown preset', 'expected one of mnist', { runs: [{ preset: 'cifar11' }] }],
  ['an unknown option', "unknown option '--widht'", { runs: [{ preset: 'mnist', widht: 1 }] }],
  ['an option of the sweep', 'expected no output: the sweep sets it', { runs: [{ preset: 'mnist', output: 'x' }] }],
  ['no data', 'expected preset or data, got neither', { runs: [{ width: 1 }] }],
  ['options that do not fit', '--scale applies to 1-bit weights', { runs: [{ preset: 'mnist', bits: 32, scale: 'he' }] }],
  ['a depth that no network has', 'depth', { runs: [{ preset: 'mnist', depth: 21 }] }],
  ['one run twice', 'expected different runs', { runs: [{ preset: 'mnist' }, { preset: 'mnist' }] }],
  ['an object as a value', 'sweep s.json runs[0].width: expected text, a number', { runs: [{ preset: 'mnist', width: {} }] }],
  [
    'too many',
    'fewer than 10000 runs',
    { runs: [{ preset: 'mnist', seed: Array.from({ length: 200 }, (_, i) => i), width: Array.from({ length: 200 }, (_, i) => i + 1) }] },
  ],
])('refused: %s', (_, message, json) => expect(() => read(json)).toThrow(message));

test.each([
  [{ data: 'cifar-10', depth: 20, width: 4, bits: 1, cutout: false, epochs: 62 }, 0.0613],
  [{ data: 'cifar-100', depth: 26, width: 10, bits: 32, cutout: true, epochs: 254 }, 0.1722],
  [{ data: 'mnist', depth: 20, width: 4, bits: 1, cutout: false, epochs: 6 }, 0.0036],
  [{ data: 'mnist', depth: 20, width: 4, bits: 1, cutout: false, epochs: 7 }, undefined],
  [{ data: 'mnist', depth: 20, width: 4, bits: 32, cutout: false, epochs: 14 }, undefined],
  [{ data: 'cifar-10', depth: 20, width: 1, bits: 1, cutout: false, epochs: 62 }, undefined],
] as const)('the paper has of %j %s', (experiment, error) => expect(publishedError(experiment)).toBe(error));

test('the spread over seeds is the standard deviation of a sample', () => {
  expect(spreadOf([])).toEqual({ error: null, deviation: null });
  expect(spreadOf([0.05])).toEqual({ error: 0.05, deviation: null });
  const { error, deviation } = spreadOf([0.04, 0.05, 0.09]); // mean 0.06; squares 4e-4 + 1e-4 + 9e-4, over 2
  expect(error).toBeCloseTo(0.06, 12);
  expect(deviation).toBeCloseTo(Math.sqrt(7e-4), 12);
});

test('the best run of a group has parity', () => {
  const of = (name: string, testError: number, parity: boolean) => ({
    name,
    group: 'g',
    words: [],
    epochs: 2,
    published: 0.05,
    trained: 2,
    testError,
    parity,
  });
  const groups = groupsOf([of('a', 0.06, true), of('b', 0.04, false), of('c', 0.05, true)]);
  expect(groups).toMatchObject([{ runs: 3, finished: 3, best: 'c', published: 0.05 }]);
  expect(sweepTable(groups)).toContain('│ g    │ 2      │ 3        │ 5.00 ± 1.00 % │ 5.00 % │');
});

test('every sweep of the repository is one that train takes, and all its figures are the paper’s', () => {
  const folder = fileURLToPath(new URL('../../../sweeps', import.meta.url));
  const published = readdirSync(folder).flatMap((name) => {
    const { runs, about } = readSweep(readFileSync(join(folder, name)), name);
    expect(about).not.toBe('');
    return runs.filter(({ published }) => published === null).map((one) => `${name} ${one.group}`);
  });
  expect([...new Set(published)]).toEqual(['mnist.json mnist-bits-32-epochs-14']);
});

const local = 'a sweep on this machine, gone on with by the same command';
if (!hasTensorFlow) test.skip(`${local} [needs tfjs-node: npm run setup:tfjs]`, () => {});
else
  test(local, async () => {
    const options = Object.fromEntries(
      smallNetwork.flatMap((word, i) => (i % 2 === 0 ? [[word.slice(2), Number(smallNetwork[i + 1])]] : [])),
    );
    const data = await smallData(80);
    writeFileSync(at('s.json'), JSON.stringify({ about: 'two', all: { data, epochs: 1, ...options }, runs: [{ seed: [1, 2] }] }));
    const args = ['sweep', at('s.json'), '--on', 'local', '--jobs', '2', '-o', at('sweep')];
    const first = await run(args);
    expect(first).toMatchObject({ status: 0 });
    expect(readdirSync(at('sweep/best/run')).sort()).toEqual(['model.onnx', 'model.safetensors', 'parity.txt', 'report.html']);
    rmSync(at('sweep/runs/seed-2'), { recursive: true });
    expect((await run(['sweep', '--status', at('sweep')])).stdout).toMatch(/│ run +│ 1 +│ 1 of 2, 50 % │/);
    const again = await run(args);
    expect(again).toMatchObject({ status: 0, stdout: first.stdout });
    expect(again.stderr).toContain('this machine: 1 of 2 runs\n');
    mkdirSync(at('curves'));
    expect(await run(['curve', at('sweep'), '-o', at('curves/c')])).toMatchObject({ status: 0 });
    expect(readFileSync(at('curves/c.svg'), 'utf8')).toContain('seed-2');
    writeFileSync(at('s.json'), JSON.stringify({ all: { data, epochs: 2, ...options }, runs: [{ seed: [1, 2] }] }));
    const other = await run(args);
    expect(other.status).toBe(2);
    expect(other.stderr).toMatch(/holds another sweep: its run 1 is .*--epochs 1.* instead of .*--epochs 2.*\. Choose another folder\n$/);
  }, 400_000);
