// A training step of ours and of PyTorch, in turns on the same cores: node bench/train-step.mjs WIDTH SECONDS [PYTHON[:MODE]...]
// MODE is compile (torch.compile), bf16 (autocast), or compile+bf16.
// Every contestant is a process of its own, with the same initial weights and the same batch of 125 images of 32x32. It makes
// one step per turn, and steps of the same turn are compared. Turns in which other processes used the CPU are left out.
// Needs the build and tfjs-node (npm run build, npm run setup:tfjs), and PyTorch in each PYTHON.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import Table from 'cli-table3';
import { quartiles } from '../dist/eval/tally/quartiles.js';
import { randomStream } from '../dist/src/data/random.js';
import { defaultConfig } from '../dist/src/network/config.js';
import { trainingBatches } from '../dist/src/train/batches/batches.js';
import { bf16Instructions } from '../dist/src/train/network/cpu-flags.js';
import { shapeInFile, toOIHW } from '../dist/src/train/network/kernel-layout.js';
import { Learner, trainingStep } from '../dist/src/train/network/step.js';
import { initialWeights, learned } from '../dist/src/train/network/variables.js';
import { presets } from '../dist/src/train/recipe.js';
import { loadTensorFlow } from '../dist/src/train/tf/tensorflow.js';

const BATCH = 125;
const CLASSES = 10;
const RATE = 0.01;
const DESCENT = { momentum: 0.9, weightDecay: 5e-4 };
const WARM_UP = 3;
/** Share of the cores' time that other processes may take in a turn that counts. */
const OTHERS = 0.05;
const PROFILED_STEPS = 3;
const SHAPE = [BATCH, 32, 32, 3];

const [mode, ...rest] = process.argv.slice(2);
if (mode === 'step' || mode === 'fed-step') await serve(mode === 'fed-step', ...rest);
else if (mode === 'profile') await profile(...rest);
else await compare(Number(mode), Number(rest[0]), rest.slice(1));

// ---- the contestants

/** Loads the job in tfjs-node. */
function prepare(file, math) {
  const job = JSON.parse(readFileSync(file, 'utf8'));
  const config = { ...defaultConfig, width: job.width, classes: CLASSES, input: { channels: 3, height: 32, width: 32 } };
  const weights = initialWeights(learned(config), randomStream(1));
  return { tf: loadTensorFlow(math), config, weights, images: floats(job.images), labels: new Int32Array(floats(job.labels).buffer) };
}

/** One step per line on stdin. With `fed`, a worker draws the batches meanwhile, as in training. */
async function serve(fed, file, math) {
  const { tf, config, weights, images, labels } = prepare(file, math);
  const momenta = weights.map(({ length }) => new Float32Array(length));
  const learner = new Learner(tf, config, DESCENT, weights, momenta);
  const batches = fed ? drawn() : held({ imagesNHWC: images, labels });
  console.log(JSON.stringify({ runtime: `TensorFlow ${tf.backend().binding.TF_Version} ${math}, Node ${process.versions.node}` }));
  for await (const _ of createInterface({ input: process.stdin })) {
    const [start, used] = [performance.now(), process.cpuUsage()];
    const { imagesNHWC, labels } = (await batches.next()).value;
    const { loss } = learner.step(imagesNHWC, SHAPE, labels, RATE);
    const { user, system } = process.cpuUsage(used);
    const memory = process.resourceUsage().maxRSS / 1000;
    console.log(JSON.stringify({ ms: performance.now() - start, cpu: (user + system) / 1000, loss, memory }));
  }
  await batches.return?.();
}

async function* held(batch) {
  for (;;) yield batch;
}

/** Batches with full augmentation, from a set of noise as large as CIFAR-10. */
function drawn() {
  const length = 50_000;
  const images = new Uint8Array(new SharedArrayBuffer(length * 3072)).map((_, i) => i * 7919);
  const set = { name: 'noise', classes: CLASSES, length, channels: 3, height: 32, width: 32, images, labels: new Int32Array(length) };
  const { augmentation } = presets['cifar10-cutout'].recipe;
  return trainingBatches(set, { seed: 1, batch: BATCH, augmentation }, 0, 1e6);
}

/** Time by op in eager mode: the same kernels one after another, without the fusions of the graph. */
async function profile(file, math) {
  const { tf, config, weights, images, labels } = prepare(file, math);
  const backend = tf.backend();
  const ops = {};
  for (const execute of ['executeSingleOutput', 'executeMultipleOutputs']) {
    const native = backend[execute];
    backend[execute] = (op, ...args) => {
      const start = performance.now();
      const result = native.call(backend, op, ...args);
      ops[op] = (ops[op] ?? 0) + (performance.now() - start) / PROFILED_STEPS;
      return result;
    };
  }
  const state = [...weights, ...weights.map(({ length }) => new Float32Array(length))];
  const variables = learned(config);
  const tensors = state.map((values, i) => tf.tensor(values, variables[i % variables.length].shape, 'float32'));
  const inputs = [tf.tensor(images, SHAPE, 'float32'), tf.tensor(labels, [BATCH], 'int32'), tf.scalar(RATE)];
  const step = trainingStep(tf, config, DESCENT);
  const run = () => tf.tidy(() => void step(...inputs, ...tensors)[0].dataSync());
  run();
  for (const op in ops) ops[op] = 0;
  for (let i = 0; i < PROFILED_STEPS; i++) run();
  console.log(JSON.stringify(ops));
}

// ---- the comparison

async function compare(width, seconds, interpreters) {
  const folder = mkdtempSync(join(tmpdir(), 'wrn-onnx-bench-'));
  const job = writeJob(folder, width);
  const self = fileURLToPath(import.meta.url);
  const twin = fileURLToPath(new URL('train_step.py', import.meta.url));
  const maths = ['float32', ...(bf16Instructions() ? ['bf16'] : [])];
  const ours = (kind, math) => [process.execPath, self, kind, job, math];
  const commands = [
    ...maths.map((math) => ours('step', math)),
    ours('fed-step', 'float32'),
    ...interpreters.map((named) => {
      const [, python, modes] = /^(.*?)(?::([a-z0-9+]+))?$/.exec(named);
      return [python, twin, job, ...(modes ? [modes] : [])];
    }),
  ];
  const contestants = commands.map(start);
  try {
    for (const contestant of contestants) {
      contestant.runtime = (await contestant.line()).runtime;
      for (let i = 0; i < WARM_UP; i++) contestant.losses.push((await contestant.step()).loss);
    }
    const end = performance.now() + 1000 * seconds;
    let turns = 0;
    for (; performance.now() < end; turns++) {
      const steps = new Map();
      const before = busyMs();
      let own = 0;
      const start = performance.now();
      for (let i = 0; i < contestants.length; i++) {
        const contestant = contestants[(i + turns) % contestants.length];
        const step = await contestant.step();
        own += step.cpu;
        steps.set(contestant, step);
      }
      const others = (busyMs() - before - own) / (cpus().length * (performance.now() - start));
      if (others < OTHERS) for (const [contestant, step] of steps) contestant.steps.push(step);
    }
    for (const { process } of contestants) process.stdin.end();
    if (contestants[0].steps.length === 0) throw new Error(`other processes ran in all of ${turns} turns: measure when they have ended`);
    report(width, contestants, turns);
    const byOp = [
      ...maths.map((math) => [`ours, ${math}, eager`, ours('profile', math)]),
      ...interpreters.filter((named) => !named.includes(':')).map((python) => [python, [python, twin, job, 'profile']]),
    ];
    for (const [name, [file, ...args]] of byOp) {
      const output = execFileSync(file, args, { stdio: ['ignore', 'pipe', 'ignore'], encoding: 'utf8' });
      reportOps(name, JSON.parse(output.trim().split('\n').at(-1)));
    }
  } finally {
    for (const { process } of contestants) process.kill();
    rmSync(folder, { recursive: true });
  }
}

/** Weights, images and labels as raw numbers, and the job that names them as test/train/reference.py reads it. */
function writeJob(folder, width) {
  const config = { ...defaultConfig, width, classes: CLASSES, input: { channels: 3, height: 32, width: 32 } };
  const variables = learned(config);
  const random = randomStream(2);
  const kernels = initialWeights(variables, randomStream(1)).map((values, i) => Buffer.from(toOIHW(values, variables[i].shape).buffer));
  const images = Float32Array.from({ length: SHAPE.reduce((a, b) => a * b) }, () => random.integer(256));
  const labels = Int32Array.from({ length: BATCH }, () => random.integer(CLASSES));
  const contents = { weights: Buffer.concat(kernels), images: Buffer.from(images.buffer), labels: Buffer.from(labels.buffer) };
  for (const [name, bytes] of Object.entries(contents)) writeFileSync(join(folder, name), bytes);
  const job = {
    ...Object.fromEntries(Object.keys(contents).map((name) => [name, join(folder, name)])),
    images_shape: SHAPE,
    weight_shapes: variables.map(({ shape }) => shapeInFile(shape)),
    width,
    blocks: (config.depth - 2) / 6,
    bits: config.bits,
    scale: config.scale,
    residual: config.residual,
    input_relu: config.inputRelu,
    learned_norm: false,
    shifted_relu: false,
    logits_divisor: config.logitsDivisor,
    rate: RATE,
  };
  const file = join(folder, 'job.json');
  writeFileSync(file, JSON.stringify(job));
  return file;
}

function start([file, ...args]) {
  const process = spawn(file, args, { stdio: ['pipe', 'pipe', 'ignore'] });
  const lines = createInterface({ input: process.stdout })[Symbol.asyncIterator]();
  const line = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${file} ${args.join(' ')} ended: run it alone to see why`);
    return JSON.parse(value);
  };
  const step = () => {
    process.stdin.write('\n');
    return line();
  };
  return { process, line, step, losses: [], steps: [] };
}

function report(width, contestants, turns) {
  const own = contestants.filter(({ runtime }) => runtime.startsWith('TensorFlow'));
  const [ours] = own;
  const best = own.at(-2); // in bfloat16 where the processor has it
  const table = new Table({
    head: [
      '',
      'runtime',
      'ms per step: quartiles',
      'CPU ms',
      'images/s',
      'ours / it: quartiles',
      'ours, best / it',
      'peak MB',
      'first losses',
    ],
    style: { head: [], border: [] },
  });
  for (const contestant of contestants) {
    const { runtime, steps, losses } = contestant;
    const name = contestant === own.at(-1) ? 'ours, augmenting beside' : own.includes(contestant) ? 'ours' : 'PyTorch, channels_last';
    const ms = quartiles(steps.map(({ ms }) => ms));
    const ratios = (to) => quartiles(steps.map(({ ms }, turn) => to.steps[turn].ms / ms));
    table.push([
      name,
      runtime,
      inWords(ms, 0),
      quartiles(steps.map(({ cpu }) => cpu)).median.toFixed(0),
      ((1000 * BATCH) / ms.median).toFixed(0),
      inWords(ratios(ours), 2),
      inWords(ratios(best), 2),
      steps.at(-1).memory.toFixed(0),
      losses.map((loss) => loss.toFixed(4)).join(' '),
    ]);
  }
  const machine = `${cpus().length} x ${cpus()[0].model}`;
  console.log(`WRN-20-${width}, 1 bit, batch ${BATCH}, 32x32, ${machine}, ${ours.steps.length} of ${turns} turns\n${table}`);
}

function inWords({ low, median, high }, digits) {
  return [low, median, high].map((value) => value.toFixed(digits)).join(' ');
}

/** The ops that take 95 % of the time. */
function reportOps(name, ops) {
  const total = Object.values(ops).reduce((sum, ms) => sum + ms, 0);
  let sum = 0;
  const cells = [];
  for (const [op, ms] of Object.entries(ops).sort(([, a], [, b]) => b - a)) {
    if (sum > 0.95 * total) break;
    sum += ms;
    cells.push(`${op} ${ms.toFixed(1)}`);
  }
  console.log(`\nms per step by op, ${name}, ${total.toFixed(0)} in all:\n  ${cells.join(', ')}, the rest ${(total - sum).toFixed(1)}`);
}

/** CPU time of all processes since the machine's start. */
function busyMs() {
  return cpus().reduce((sum, { times: { user, nice, sys } }) => sum + user + nice + sys, 0);
}

function floats(file) {
  return new Float32Array(Uint8Array.from(readFileSync(file)).buffer);
}
