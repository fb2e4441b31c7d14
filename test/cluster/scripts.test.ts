/** Scripts and manifests as an engine gets them, held to files that people can read; words survive a real shell. */
import { execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readStatus } from '../../src/cluster/kubernetes.ts';
import { checkManifest, manifest } from '../../src/cluster/kubernetes-manifest.ts';
import { local } from '../../src/cluster/local.ts';
import { ranges, shellCommand } from '../../src/cluster/shell.ts';
import { checkSlurmText, submitScript } from '../../src/cluster/slurm-script.ts';
import { TASK, type Work } from '../../src/cluster/work.ts';

const golden = (name: string) => fileURLToPath(new URL(`golden/${name}`, import.meta.url));

const folder = `/shared/it's a "result", 100%`;
const evaluation: Work = {
  name: 'wrn-eval-0123456789ab',
  folder,
  program: ['/opt/node/bin/node', '/opt/wrn-onnx/main.js'],
  user: { uid: 1000, gid: 100 },
  environment: { WRN_ONNX_DATA: '/shared/data sets' },
  cwd: '/shared/home/me',
  reads: ['/shared/net $1.onnx'],
  count: 64,
  tasks: [3, 17, 18, 19, 20, 64],
  task: ['eval', '../../net $1.onnx', '--data', 'imagenet', '--threads', '4', '--shard', `${TASK}/64`, '-o', folder],
  last: ['merge', `${folder}/parts`, '-o', folder],
  resumes: false,
  cpus: 4,
  memoryBytes: 1.5 * 2 ** 30,
};
const sweep: Work = {
  name: 'wrn-sweep-0123456789ab',
  folder: '/shared/cifar',
  program: evaluation.program,
  environment: {},
  cwd: '/shared/home/me',
  reads: [],
  count: 4,
  tasks: [1, 2, 3, 4],
  task: ['sweep', '--run', TASK, '-o', '/shared/cifar'],
  resumes: true,
  cpus: 1,
};

test.each([
  ['slurm-eval.sh', submitScript(evaluation, { retries: 2, partition: 'gpu', time: '30:00', sbatch: '--mem=4G --constraint="avx512&ib"' })],
  ['slurm-sweep.sh', submitScript(sweep, { retries: 0 })],
  [
    'kubernetes.yaml',
    manifest(evaluation, { retries: 2, image: 'registry.example.org/wrn-onnx:0.1.0', volume: ['shared:/shared', 'scratch:/scratch'] }),
  ],
  ['local.sh', local.render({ ...evaluation, tasks: [3, 4] }, { retries: 2 })],
])('%s', async (name, rendered) => {
  await expect(rendered).toMatchFileSnapshot(golden(name));
});

test('a claim whose name YAML reads as a boolean is text', () => {
  const yaml = manifest(evaluation, { retries: 0, image: 'null', volume: ['no:/shared', 'on-disk:/b'] });
  expect(yaml).toContain('persistentVolumeClaim: { claimName: "no" }');
  expect(yaml).toContain('image: "null"\n');
  expect(yaml).toContain('persistentVolumeClaim: { claimName: on-disk }');
});

test('golden shell scripts are scripts', () => {
  for (const name of ['slurm-eval.sh', 'slurm-sweep.sh', 'local.sh']) execFileSync('sh', ['-n', golden(name)]);
});

test('a shell gets exactly the words, whatever is in them', () => {
  const word = fc.string({ unit: 'binary' }).filter((text) => !/[\0\ud800-\udfff]/.test(text));
  const words = ['', "it's", '"$HOME"', '`id`', '\\', 'a\nb', '-n', '*', ...fc.sample(word, { numRuns: 300, seed: 1 })];
  const { stdout } = spawnSync('sh', ['-c', `printf '%s\\0' ${shellCommand(words)}`], { encoding: 'utf8' });
  expect(stdout.split('\0').slice(0, -1)).toEqual(words);
});

test('the number of the task is filled in by the shell', () => {
  const script = `N=7; printf '%s|' ${shellCommand([`${TASK}/8`, `it's ${TASK}`, TASK], '"$N"')}`;
  expect(spawnSync('sh', ['-c', script], { encoding: 'utf8' }).stdout).toBe("7/8|it's 7|7|");
});

test.each([
  [[], ''],
  [[5], '5'],
  [[1, 2, 3, 7, 9, 10], '1-3,7,9-10'],
])('tasks %j are %s', (numbers, text) => expect(ranges(numbers)).toBe(text));

test.each([
  ['no image', { volume: ['shared:/shared'] }, '--on kubernetes needs --image'],
  ['no volume', { image: 'a' }, `${folder}: expected it on a volume of the cluster`],
  ['a volume elsewhere', { image: 'a', volume: ['shared:/share'] }, `${folder}: expected it on a volume`],
  ['a volume without a path', { image: 'a', volume: ['shared'] }, '--volume shared: expected CLAIM:PATH'],
])('kubernetes: %s', (_, options, message) => expect(() => checkManifest(evaluation, { retries: 0, ...options })).toThrow(message));

test.each([
  ['--sbatch of two lines', evaluation, { sbatch: '--mem=4G\nrm -rf /' }, '--sbatch: expected one line'],
  ['a backslash in the folder', { ...evaluation, folder: '/a\\b' }, {}, 'Slurm takes no folder with a backslash'],
])('slurm: %s', (_, work, options, message) => expect(() => checkSlurmText(work, { retries: 0, ...options })).toThrow(message));

test('the status of an indexed Job', () => {
  // as in the documentation: https://kubernetes.io/docs/tasks/job/job-backoff-limit-per-index/
  const status = { active: 3, ready: 2, failedIndexes: '1,3-4', conditions: [{ type: 'FailureTarget', status: 'True' }] };
  expect(readStatus(JSON.stringify({ status }))).toEqual({ active: 2, waiting: 1, over: false, failed: [2, 4, 5] });
  const over = { failedIndexes: '0', conditions: [{ type: 'Failed', status: 'True' }] };
  expect(readStatus(JSON.stringify({ status: over }))).toEqual({ active: 0, waiting: 0, over: true, failed: [1] });
  expect(readStatus('{}')).toEqual({ active: 0, waiting: 0, over: false, failed: [] });
});
