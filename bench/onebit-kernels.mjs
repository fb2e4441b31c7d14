// One-bit 3x3 convolutions of wide residual networks, layer by layer, on one thread: multiply-adds per second, and the share
// of this machine's peak rate of vector loads. Every output needs one vector load and one addition per look-up. The peak rate is
// measured in the same alternating rounds, over tables as large as those of the kernels.
//
//     npm run build && node bench/onebit-kernels.mjs [seconds]
import { Arena } from '../dist/src/onebit/arena.js';
import { Block } from '../dist/src/onebit/block.js';
import { kernels } from '../dist/src/onebit/generated/kernels.js';
import { scratchLength, tilesOf } from '../dist/src/onebit/kernel.js';
import { ROWS } from '../dist/src/onebit/tile.js';
import { channelsPerTable, prepareSigns, signsLength } from '../dist/src/onebit/weights.js';
import * as w from '../dist/src/onebit/words.js';
import { compile, exportsOf } from './assembly.mjs';

const PAGE = 65536;
const seconds = Number(process.argv[2] ?? 10);
const layers = [
  [160, 160, 32, 1],
  [160, 320, 32, 2],
  [320, 320, 16, 1],
  [640, 640, 8, 1],
  [64, 64, 32, 1],
  [16, 16, 32, 1],
  [32, 32, 16, 1],
];

/** Prepares a kernel with random weights and pixels; `run` calls it once. */
function layer(kernel, [inputs, outputs, size, stride]) {
  const arena = new Arena(1);
  const block = new Block(arena);
  const bytes = kernel === 'signsByte' ? 1 : 4;
  const side = size / stride;
  block.tensor(w.INPUT, arena.place({ shape: [inputs, size, size], border: 1, size: bytes, fill: 0 }), -1, -1);
  block.tensor(w.ACTIVE, arena.place({ shape: [outputs, side, side], border: 1, size: bytes, fill: 0 }));
  const numbers = [w.INPUT_CHANNELS, inputs, w.CHANNELS, outputs, w.HEIGHT, side, w.WIDTH, side, w.STRIDE, stride, w.PARTS, 1, w.DIRECT, 1];
  for (let i = 0; i < numbers.length; i += 2) block.integer(numbers[i], numbers[i + 1]);
  for (const word of [w.SCALE, w.FACTOR]) block.constants(word, new Float32Array(outputs).fill(0.01));
  for (const word of [w.BIAS, w.SHIFT]) block.constants(word, new Int32Array(outputs));
  const bits = Uint8Array.from({ length: Math.ceil((inputs * outputs * 9) / 8) }, () => Math.random() * 256);
  const length = signsLength(outputs, inputs);
  block.weights(length, (memory, at) => prepareSigns(bits, outputs, inputs, stride, new Uint8Array(memory, at, length)));
  const scratch = arena.take(scratchLength(kernel, block.words));
  const memory = new WebAssembly.Memory({ initial: Math.ceil(arena.bytes / PAGE) });
  arena.fill(memory.buffer);
  const module = new WebAssembly.Module(Buffer.from(kernels.plain, 'base64'));
  const run = new WebAssembly.Instance(module, { env: { memory } }).exports[kernel];
  const tiles = tilesOf(kernel, block.words);
  const lookUps = Math.ceil(inputs / channelsPerTable(outputs)) * 3;
  return {
    name: `${kernel.padEnd(10)} ${`${inputs} to ${outputs}, ${size}x${size}${stride === 2 ? ' by 2' : ''}`.padEnd(22)}`,
    work: inputs * outputs * 9 * side * side,
    loads: tiles * outputs * lookUps * ROWS,
    run: () => run(block.address, 0, tiles, scratch),
    best: Number.POSITIVE_INFINITY,
  };
}

/** Loads and adds all vectors of a table of this size, line by line. */
async function loads(bytes) {
  const adds = Array.from({ length: 16 }, (_, i) => `r${i % 4} = i16x8.add(r${i % 4}, v128.load(p, ${16 * i}));`).join('\n');
  const source = `export function run(turns: i32): i32 {
    let r0 = i16x8.splat(0), r1 = r0, r2 = r0, r3 = r0;
    for (let t = 0; t < turns; t++) for (let p: usize = 1024; p < ${1024 + bytes}; p += 256) { ${adds} }
    return i16x8.extract_lane_s(i16x8.add(i16x8.add(r0, r1), i16x8.add(r2, r3)), 0);
  }`;
  const { run } = exportsOf(await compile(source));
  const turns = Math.ceil(2e6 / bytes);
  return { work: (turns * bytes) / 16, run: () => run(turns), best: Number.POSITIVE_INFINITY };
}

const limit = await loads(24576);
const rows = ['signsByte', 'signsFloat'].flatMap((kernel) => layers.map((shape) => layer(kernel, shape)));
const all = [limit, ...rows];
const end = performance.now() + seconds * 1000;
do {
  for (const row of all) {
    for (const until = performance.now() + 10; performance.now() < until; ) {
      const start = performance.now();
      row.run();
      row.best = Math.min(row.best, performance.now() - start);
    }
  }
} while (performance.now() < end);

const perNanosecond = limit.work / limit.best / 1e6;
console.log(`vector loads and additions: ${perNanosecond.toFixed(2)} per nanosecond, from tables of 24 kB`);
for (const { name, work, loads, best } of rows) {
  const share = loads / best / 1e6 / perNanosecond;
  console.log(
    `${name} ${(work / best / 1e6).toFixed(0).padStart(5)} G multiply-adds/s, look-ups ${(100 * share).toFixed(0).padStart(3)} %`,
  );
}
