// Load time, run time and memory of every form, and of other ONNX files of the network, side by side:
// node bench/forms.mjs SOURCE [ROUNDS [FILE...]]
// Each measurement is a process of its own. The forms take turns, so that a busy machine disturbs all alike.
// CPU time is steadier than elapsed time when something else runs. Needs the build (npm run build).
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Table from 'cli-table3';

const IMAGES = 12;
/** First argument of a child process; the second is its file. */
const MEASURE = '--measure';
const [source, rounds = '10', ...files] = process.argv.slice(2);

if (source === MEASURE) await measure(process.argv[3]);
else await compare();

/** In the child process: loads a file, runs images one by one, prints milliseconds and megabytes. */
async function measure(file) {
  const { InferenceSession, Tensor } = await (await import('../dist/src/packages.js')).loadPackage('onnxruntime-node');
  const { peakMemory } = await import('../dist/eval/backends/peak-memory.js');
  const bytes = readFileSync(file);
  const [started, used] = [performance.now(), process.cpuUsage()];
  const session = await InferenceSession.create(bytes);
  const load = performance.now() - started;
  const { user, system } = process.cpuUsage(used);
  const [, channels, height, width] = session.inputMetadata[0].shape;
  const data = Float32Array.from({ length: channels * height * width }, (_, i) => (i * 7919) % 256);
  const images = new Tensor('float32', data, [1, channels, height, width]);
  const runs = [];
  for (let i = 0; i < IMAGES; i++) {
    const begin = performance.now();
    await session.run({ images });
    runs.push(performance.now() - begin);
  }
  const loadCpu = (user + system) / 1000;
  console.log(
    JSON.stringify({
      load,
      loadCpu,
      first: runs[0],
      run: median(runs.slice(1)),
      memory: (peakMemory(process.pid) ?? process.resourceUsage().maxRSS * 1024) / 1e6,
    }),
  );
}

async function compare() {
  const { forms, readModel, toOnnx } = await import('../dist/src/index.js');
  const model = readModel(readFileSync(source));
  const folder = mkdtempSync(join(tmpdir(), 'wrn-onnx-bench-'));
  try {
    const paths = new Map(Object.keys(forms).map((form) => [form, join(folder, form)]));
    for (const [form, path] of paths) writeFileSync(path, toOnnx(model, { form, input: 'nchw-float' }));
    for (const file of files) paths.set(basename(file), file);
    const names = [...paths.keys()];
    const results = new Map(names.map((form) => [form, []]));
    for (let round = 0; round < Number(rounds); round++) {
      for (const form of names) {
        const output = execFileSync(process.execPath, [fileURLToPath(import.meta.url), MEASURE, paths.get(form)]);
        results.get(form).push(JSON.parse(output.toString()));
      }
    }
    const columns = ['load', 'loadCpu', 'first', 'run', 'memory'];
    const middle = (form, column) => median(results.get(form).map((result) => result[column]));
    const table = new Table({
      head: ['form', 'bytes', 'load ms', 'load CPU ms', 'first run ms', 'run ms', 'peak MB'],
      style: { head: [], border: [] },
    });
    for (const form of names) {
      const cells = columns.map((c) => `${middle(form, c).toFixed(1)} (${(middle(form, c) / middle('dense', c)).toFixed(2)})`);
      table.push([form, statSync(paths.get(form)).size.toLocaleString('en-US'), ...cells]);
    }
    console.log(`${table}\nMedians of ${rounds} processes per form; in brackets the ratio to dense.`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
