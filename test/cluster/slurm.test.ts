/** Evaluations and sweeps on a real Slurm of this machine: shards, crashes, interruptions, and what is refused. */
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Report } from '../../eval/report.ts';
import { type Run, run } from '../cli/run.ts';
import { smallData, smallNetwork } from '../train/run.ts';
import { hasTensorFlow } from '../train/tensorflow.ts';
import { canHide, missing, type Slurm, startSlurm } from './slurm.mjs';

/** Of a test that waits for jobs on a machine that computes other things, too. */
const TIMEOUT = 400_000;

const images = fileURLToPath(new URL('../../examples/fashion-mnist', import.meta.url));
const root = mkdtempSync(join(tmpdir(), 'wrn-cluster-'));
const at = (name: string) => join(root, name);
const hidden = at('hidden');
let slurm: Slurm;

/** The commands find this cluster, and each training has one thread, so that sums have one order. */
const env = () => ({ ...slurm.env, TF_NUM_INTRAOP_THREADS: '1', TF_NUM_INTEROP_THREADS: '1' });
const network = ['fashion-mnist-wrn-20-1', '--data', images, '--limit', '64', '--batch', '16', '--threads', '1'];
const evaluation = (folder: string, ...more: string[]) => ['eval', ...network, '--shards', '4', '--on', 'slurm', '-o', folder, ...more];

const withSlurm = (name: string, body: () => Promise<void>, needs?: string) => {
  const lacking = missing ?? needs;
  if (lacking === undefined) test(name, body, TIMEOUT);
  else test.skip(`${name} [needs ${lacking}]`, () => {});
};

beforeAll(async () => {
  mkdirSync(hidden);
  if (missing === undefined) slurm = await startSlurm(3, canHide ? hidden : undefined);
});
afterAll(async () => {
  await slurm?.stop();
  rmSync(root, { recursive: true, force: true });
});

/** All of a report but what a clock or the memory decides, to the last bit. */
function exact({ results, ...subject }: Report): string {
  const { date: _, machine: __, command: ___, ...rest } = subject as typeof subject & Record<'date' | 'machine' | 'command', string>;
  const rows = results.map(({ seconds, runtimeSeconds, imagesPerSecond, loadSeconds, peakMemoryBytes, ...row }) => row);
  return JSON.stringify({ ...rest, results: rows });
}

const jobs = () => slurm.command('squeue', '--noheader', '--format=%i').trim();

/** Polls until it holds. */
async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    if (tries > 600) throw new Error('waited in vain');
    await sleep(100);
  }
}

/** Runs a command that follows jobs; those that wait after a crash are started at once. */
async function followed(args: readonly string[]): Promise<Run> {
  const timer = setInterval(() => slurm.hurry(), 500);
  try {
    return await run(args, { env: env() });
  } finally {
    clearInterval(timer);
  }
}

withSlurm('shards add up to one run, bit for bit, through a crash and Ctrl-C; what is done is not done again', async () => {
  const folder = at(`it's a "result", 100%`);
  const alone = await run(['eval', ...network, '--format', 'json']);
  const interrupted = await run(evaluation(folder), {
    env: env(),
    onStart: async (child) => {
      let found: number[] = [];
      const computing = (pid: number) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('--shard');
      await until(() => {
        found = slurm.processesOf('n1').filter(computing);
        return found.length > 0;
      });
      for (const pid of found) process.kill(pid, 'SIGKILL');
      child.kill('SIGINT');
    },
  });
  expect(interrupted.status).toBe(130);
  expect(interrupted.stderr).toMatch(
    /wrn-onnx: jobs \d+ and \d+ keep running\. To stop: scancel \d+ \d+\. Run the same command again to continue\n$/,
  );
  const { status, stdout, stderr } = await followed(evaluation(folder, '--format', 'json'));
  expect(stderr).toMatch(/^jobs \d+ and \d+: found, following\n/);
  expect(status).toBe(alone.status);
  expect(exact(JSON.parse(stdout))).toBe(exact(JSON.parse(alone.stdout)));
  expect(exact(JSON.parse(readFileSync(join(folder, 'result.json'), 'utf8')))).toBe(exact(JSON.parse(alone.stdout)));
  expect(readFileSync(join(folder, 'report.html'), 'utf8')).toContain('the first 64 of 1,000 images');
  expect(readdirSync(join(folder, 'parts')).sort()).toEqual(['1.json', '2.json', '3.json', '4.json']);
  expect(jobs()).toBe('');

  const again = await run(evaluation(folder), { env: env() });
  expect(again).toMatchObject({ status: 0, stderr: '' });
  expect(again.stdout).toContain('fashion-mnist-wrn-20-1 on the first 64 of 1,000 images');

  // one part is lost: only that shard runs
  rmSync(join(folder, 'parts/3.json'));
  rmSync(join(folder, 'result.json'));
  const parts = () => [1, 2, 4].map((index) => readFileSync(join(folder, `parts/${index}.json`), 'utf8'));
  const before = parts();
  const repaired = await followed(evaluation(folder, '--format', 'json'));
  expect(repaired.stderr).toContain(': 1 of 4 shards\n');
  expect(exact(JSON.parse(repaired.stdout))).toBe(exact(JSON.parse(alone.stdout)));
  expect(parts()).toEqual(before);

  const other = await run([...evaluation(folder), '--backend', 'wasm'], { env: env() });
  expect(other).toMatchObject({ status: 2, stdout: '' });
  expect(other.stderr).toContain('holds another evaluation: backends "cpu" instead of "wasm". Choose another folder');
  const plan = join(folder, 'evaluation.json');
  writeFileSync(plan, readFileSync(plan, 'utf8').replace('"version": "', '"version": "9'));
  expect((await run(evaluation(folder), { env: env() })).stderr).toMatch(/holds another evaluation: version "9/);
  writeFileSync(plan, readFileSync(plan, 'utf8').replace('"version": "9', '"version": "'));
  writeFileSync(join(folder, 'parts/2.json'), before[1]?.slice(0, 1000) ?? '');
  const half = await run(evaluation(folder), { env: env() });
  expect(half.status).toBe(2);
  expect(half.stderr).toContain('parts/2.json: expected the JSON of eval --format json, got something else or a truncated file. Remove it');
  expect(jobs()).toBe('');
});

withSlurm('a shard that fails by its input says so once and is not tried again; the others are kept', async () => {
  const picture = await sharp({ create: { width: 28, height: 28, channels: 3, background: 'grey' } })
    .greyscale()
    .png()
    .toBuffer();
  for (const label of 'abcdefghij') {
    mkdirSync(at(`letters/${label}`), { recursive: true });
    for (let i = 0; i < 4; i++) writeFileSync(at(`letters/${label}/${i}.png`), picture);
  }
  writeFileSync(at('letters/j/3.png'), picture.subarray(0, 40));
  const args = [
    'eval',
    'fashion-mnist-wrn-20-1',
    '--data',
    at('letters'),
    '--batch',
    '10',
    '--shards',
    '2',
    '--on',
    'slurm',
    '-o',
    at('broken'),
  ];
  const { status, stderr } = await run(args, { env: env() });
  expect(status).toBe(3);
  expect(stderr.match(/3\.png/g)).toHaveLength(1);
  expect(stderr).toMatch(
    /\nshard 2: .*letters\/j\/3\.png.*\nwrn-onnx: 1 of 2 shards are done\. Run the same command again to run only the others\n$/,
  );
  expect(readFileSync(at('broken/logs/2.txt'), 'utf8').match(/3\.png/g)).toHaveLength(1);
  writeFileSync(at('letters/j/3.png'), picture);
  expect((await run(args, { env: env() })).stderr).toContain(': 1 of 2 shards\n');
});

withSlurm('shards with the same complaint are told in one line', async () => {
  const args = evaluation(at('no-browser'), '--backend', 'browser-wasm', '--browser', '/nowhere', '--retries', '0');
  const { status, stderr } = await run(args, { env: env() });
  expect(status).toBe(4);
  expect(stderr.match(/\/nowhere/g)).toHaveLength(1);
  expect(stderr).toMatch(/\nshards 1, 2, 3, 4: /);
});

withSlurm(
  'a node that does not see the folder is named',
  async () => {
    const { status, stderr } = await run(evaluation(join(hidden, 'result'), '--sbatch', '--nodelist=n3'), { env: env() });
    expect(status).toBe(4);
    expect(stderr).toContain(`shards 1, 2, 3, 4: node n3 does not see ${hidden}/result. Use a folder on a disk that all nodes share\n`);
  },
  canHide ? undefined : 'unshare --mount',
);

withSlurm('what cannot be submitted is refused in a line', async () => {
  const refused = async (args: readonly string[], variables: Record<string, string> = {}) => run(args, { env: { ...env(), ...variables } });
  const partition = await refused(evaluation(at('p'), '--partition', 'nowhere'));
  expect(partition.status).toBe(2);
  expect(partition.stderr).toMatch(/^wrn-onnx: Slurm refuses the job: .*invalid partition.*nowhere.*\. Nothing was submitted\n$/i);
  expect(jobs()).toBe('');
  const programs = at('programs');
  mkdirSync(programs);
  cpSync(process.execPath, join(programs, 'node'));
  const none = await refused(evaluation(at('p')), { PATH: programs });
  expect(none.status).toBe(4);
  expect(none.stderr).toMatch(/^wrn-onnx: squeue: expected this program, got none\. .*\n$/);
  const conf = at('dead.conf');
  writeFileSync(
    conf,
    readFileSync(slurm.env['SLURM_CONF'] as string, 'utf8').replace(/SlurmctldPort=.*/, 'SlurmctldPort=1\nMessageTimeout=2'),
  );
  const dead = await refused(evaluation(at('p')), { SLURM_CONF: conf });
  expect(dead.status).toBe(4);
  expect(dead.stderr).toMatch(/^wrn-onnx: Slurm: expected a cluster, got .*\. Check with sinfo\n$/);
  for (const [args, message] of [
    [evaluation(at('p'), '--image', 'a'), '--image needs --on kubernetes'],
    [evaluation(at('p'), '--bisect'), 'leave out --bisect with -o'],
    [['eval', ...network, '--shards', '4'], '--shards and --on need each other'],
    [['eval', ...network, '-o', at('p')], '-o needs --shards and --on, or --shard'],
    [['eval', ...network, '--shard', '1/4', '-o', at('nothing')], 'expected the plan of eval --shards, got no such file on'],
  ] as const) {
    const { status, stderr } = await refused(args);
    expect(status).toBe(2);
    expect(stderr).toContain(message);
  }
});

withSlurm(
  'a sweep: a run that is warned writes a checkpoint, is queued again, and ends as if it had not been',
  async () => {
    const options = Object.fromEntries(
      smallNetwork.flatMap((word, i) => (i % 2 === 0 ? [[word.slice(2), Number(smallNetwork[i + 1])]] : [])),
    );
    const data = await smallData(400);
    writeFileSync(at('sweep.json'), JSON.stringify({ about: 'two', all: { data, epochs: 2, ...options }, runs: [{ seed: [1, 2] }] }));
    const args = ['sweep', at('sweep.json'), '--on', 'slurm', '-o', at('sweep')];
    let warned = false;
    const timer = setInterval(() => {
      if (warned || !existsSync(at('sweep/runs/seed-2/log.jsonl'))) return;
      warned = true;
      const [job] = slurm.command('squeue', '--noheader', '--states=RUNNING', '--format=%F').split('\n');
      slurm.command('scancel', '--batch', '--signal=USR1', `${job}_2`);
    }, 50);
    const { status, stdout, stderr } = await followed(args);
    clearInterval(timer);
    expect(status, stderr).toBe(0);
    expect(stdout).toMatch(/│ run +│ 2 +│ 2 +│ \d+\.\d\d ± \d+\.\d\d % │ - +│/);
    expect(readFileSync(at('sweep/logs/2.txt'), 'utf8')).toMatch(/interrupted after \d+ steps/);
    const whole = await run(['train', '--data', data, ...smallNetwork, '--epochs', '2', '--seed', '2', '-o', at('whole')], { env: env() });
    expect(whole.status).toBe(0);
    const digest = (path: string) =>
      createHash('sha256')
        .update(readFileSync(at(path)))
        .digest('hex');
    expect(digest('sweep/runs/seed-2/model.safetensors')).toBe(digest('whole/model.safetensors'));
    expect(existsSync(at('sweep/best/run/model.onnx'))).toBe(true);
  },
  hasTensorFlow ? undefined : 'tfjs-node: npm run setup:tfjs',
);
