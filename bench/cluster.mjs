// What a cluster costs and what it survives, on a real Slurm of this machine with four nodes of one slot each:
//   node bench/cluster.mjs overhead MODEL DATA LIMIT ROUNDS   eval --on slurm beside the same shards in a plain array job
//   node bench/cluster.mjs thousand MODEL DATA                1,000 shards planned and merged: time and memory
//   node bench/cluster.mjs kills KILLS SEED MODEL DATA LIMIT  random kills in one evaluation and in one sweep of 4 runs
// Needs slurm-wlm and munge, and the build (npm run build).
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { randomStream } from '../dist/src/data/random.js';
import { startSlurm } from '../test/cluster/slurm.mjs';

const cli = fileURLToPath(new URL('../dist/node/cli.js', import.meta.url));
const root = mkdtempSync(join(tmpdir(), 'wrn-cluster-bench-'));
const at = (name) => join(root, name);
const threads = { TF_NUM_INTRAOP_THREADS: '1', TF_NUM_INTEROP_THREADS: '1' };
const MEMORY = {
  NODE_OPTIONS: `--import "data:text/javascript,process.on('exit',()=>console.error('peak',process.resourceUsage().maxRSS))"`,
};

/** Runs a command line to its end. */
function run(args, env = {}, { program = process.execPath, input } = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, program === process.execPath ? [cli, ...args] : args, { env: { ...process.env, ...threads, ...env } });
    const said = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'])
      child[name].on('data', (chunk) => {
        said[name] += chunk;
      });
    child.stdin.end(input);
    child.once('close', (status) => resolve({ status, ...said }));
  });
}

async function timed(action) {
  const start = performance.now();
  const result = await action();
  return [(performance.now() - start) / 1000, result];
}

function requireDone({ status, stderr }) {
  if (status !== 0) throw new Error(`exit code ${status}: ${stderr}`);
}

const [mode, ...args] = process.argv.slice(2);
try {
  await { overhead, thousand, kills }[mode](...args);
} finally {
  rmSync(root, { recursive: true, force: true });
}

async function overhead(model, data, limit, rounds) {
  const shards = 8;
  const evaluation = ['eval', model, '--data', data, '--limit', limit, '--threads', '1'];
  const slurm = await startSlurm(4);
  console.log(`${shards} shards of ${limit} images on 4 nodes of one slot; seconds`);
  const ratios = [];
  try {
    for (let round = 0; round < Number(rounds); round++) {
      mkdirSync(at(`plain-${round}`));
      const script = `#!/bin/bash\n#SBATCH --array=1-${shards}\n#SBATCH --output=/dev/null\nexec ${process.execPath} ${cli} ${evaluation.join(' ')} --shard "$SLURM_ARRAY_TASK_ID"/${shards} --format json > ${at(`plain-${round}`)}/"$SLURM_ARRAY_TASK_ID".json\n`;
      const [plain] = await timed(async () => {
        requireDone(await run(['--wait'], slurm.env, { program: 'sbatch', input: script }));
        requireDone(await run(['merge', at(`plain-${round}`)]));
      });
      const [ours] = await timed(async () =>
        requireDone(await run([...evaluation, '--shards', String(shards), '--on', 'slurm', '-o', at(`ours-${round}`)], slurm.env)),
      );
      ratios.push(ours / plain);
      console.log(`  plain array job with --wait, then merge: ${plain.toFixed(2)}; eval --on slurm: ${ours.toFixed(2)}`);
    }
  } finally {
    await slurm.stop();
  }
  console.log(`  ${ratios.sort((a, b) => a - b)[ratios.length >> 1].toFixed(3)} of it (median)`);
}

async function thousand(model, data) {
  const images = 1000;
  const evaluation = ['eval', model, '--data', data, '--limit', String(images), '--batch', '1', '--threads', '1'];
  const part = await run([...evaluation, '--shard', `1/${images}`, '--format', 'json']);
  requireDone(part);
  const report = JSON.parse(part.stdout);
  const show = (what, [seconds, { stderr }]) =>
    console.log(`${what}: ${seconds.toFixed(2)} s, ${Math.round(Number(/peak (\d+)/.exec(stderr)?.[1]) / 1000)} MB`);
  for (const count of [10, images]) {
    const folder = at(`of-${count}`);
    const plan = [
      ...evaluation.map((word, i) => (evaluation[i - 1] === '--limit' ? String(count) : word)),
      '--shards',
      String(count),
      '--on',
      'slurm',
      '--dry-run',
      '-o',
      folder,
    ];
    show(`${count} shards planned`, await timed(() => run(plan, MEMORY)));
    // a real part of one image, with the numbers of the others
    for (let index = 1; index <= count; index++) {
      const other = { ...report, total: count, shard: { index, count } };
      writeFileSync(join(folder, `parts/${index}.json`), JSON.stringify(other));
    }
    show(`${count} shards found done`, await timed(() => run(plan, MEMORY)));
    show(`${count} shards merged`, await timed(() => run(['merge', join(folder, 'parts'), '-o', folder], MEMORY)));
  }
}

async function kills(count, seed, model, data, limit) {
  const random = randomStream(Number(seed), 0);
  const slurm = await startSlurm(4);
  try {
    const evaluation = ['eval', model, '--data', data, '--limit', limit, '--threads', '1', '--batch', '32'];
    const alone = JSON.parse((await run([...evaluation, '--format', 'json'])).stdout);
    const shards = [...evaluation, '--shards', '24', '--on', 'slurm', '--retries', '20', '-o', at('result')];
    await attack(slurm, random, Number(count), 1000, shards);
    const exact = ({ results, date, machine, command, ...subject }) =>
      JSON.stringify({
        ...subject,
        results: results.map(({ seconds, runtimeSeconds, imagesPerSecond, loadSeconds, peakMemoryBytes, ...row }) => row),
      });
    console.log(
      `evaluation: ${exact(JSON.parse(readFileSync(at('result/result.json'), 'utf8'))) === exact(alone) ? 'bit-identical' : 'DIFFERENT'}`,
    );

    const options = { data: smallData(), depth: 8, width: 0.25, batch: 20, crop: 1, epochs: 30 };
    writeFileSync(at('sweep.json'), JSON.stringify({ all: options, runs: [{ bits: [1, 32], seed: [1, 2] }] }));
    const sweep = (folder) => ['sweep', at('sweep.json'), '--on', 'slurm', '--retries', '20', '-o', at(folder)];
    requireDone(await run(sweep('undisturbed'), slurm.env));
    await attack(slurm, random, Number(count), 1500, sweep('killed'));
    const digest = (path) =>
      createHash('sha256')
        .update(readFileSync(at(path)))
        .digest('hex');
    for (const name of ['bits-1-seed-1', 'bits-1-seed-2', 'bits-32-seed-1', 'bits-32-seed-2']) {
      const [a, b] = ['undisturbed', 'killed'].map((folder) => digest(`${folder}/runs/${name}/model.safetensors`));
      console.log(`run ${name}: ${a === b ? 'bit-identical' : 'DIFFERENT'}`);
    }
  } finally {
    await slurm.stop();
  }
}

/** Runs a command again and again until it succeeds, and kills what it started until `count` kills are done. */
async function attack(slurm, random, count, wait, command) {
  const done = { daemon: 0, step: 0, job: 0 };
  const total = () => Object.values(done).reduce((sum, one) => sum + one, 0);
  const pick = (list) => list[Math.floor(random.uniform() * list.length)];
  let commands = 0;
  let over = false;
  const following = (async () => {
    for (;;) {
      commands++;
      const { status } = await run(command, slurm.env);
      if (status === 0) break;
    }
    over = true;
  })();
  while (!over) {
    await sleep(wait * (0.3 + random.uniform()));
    slurm.hurry();
    if (over || total() >= count) continue;
    const node = pick(['n1', 'n2', 'n3', 'n4']);
    const kind = pick(['daemon', 'step', 'job']);
    if (kind === 'daemon') await slurm.restart(node);
    else if (kind === 'step') {
      const processes = slurm.processesOf(node).filter((pid) => existsSync(`/proc/${pid}`));
      if (processes.length === 0) continue;
      for (const pid of [pick(processes)]) if (spawnSync('kill', ['-KILL', String(pid)]).status !== 0) continue;
    } else {
      const jobs = slurm.command('squeue', '--noheader', '--states=RUNNING', '--format=%i').split('\n').filter(Boolean);
      if (jobs.length === 0) continue;
      spawnSync('scancel', [pick(jobs)], { env: { ...process.env, ...slurm.env } });
    }
    done[kind]++;
  }
  await following;
  const words = `${done.daemon} of slurmd, ${done.step} of a process of a job, ${done.job} of a job`;
  console.log(`${command[0]}: ${total()} kills (${words}), the command given ${commands} times`);
}

/** 600 images of 8x8 in 4 classes, in the layout of MNIST. */
function smallData() {
  mkdirSync(at('data'));
  const header = (...words) => Buffer.concat(words.map((word) => Buffer.from([word >>> 24, word >>> 16, word >>> 8, word])));
  for (const [split, count] of [
    ['train', 600],
    ['t10k', 200],
  ]) {
    const random = randomStream(count, 1);
    const pixels = Buffer.from(Array.from({ length: count * 64 }, (_, i) => Math.floor(random.uniform() * 64) + 48 * ((i >> 6) % 4)));
    writeFileSync(at(`data/${split}-images-idx3-ubyte`), Buffer.concat([header(0x803, count, 8, 8), pixels]));
    writeFileSync(
      at(`data/${split}-labels-idx1-ubyte`),
      Buffer.concat([header(0x801, count), Buffer.from(Array.from({ length: count }, (_, i) => i % 4))]),
    );
  }
  return at('data');
}
