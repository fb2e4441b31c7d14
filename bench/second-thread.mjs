// What a second thread can gain on this machine at all: a WebAssembly loop of vector additions in registers, and one of vector
// loads from the first cache, alone and beside the same loop on another thread, in turns.
//
//     node bench/second-thread.mjs [rounds]
import { setTimeout } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { compile, exportsOf } from './assembly.mjs';

const TURNS = 6000;
const [RUNNING, DONE] = [1, 2];

if (isMainThread) await measure(Number(process.argv[2] ?? 40));
else serve(workerData);

async function measure(rounds) {
  const binary = await compileLoops();
  const state = new Int32Array(new SharedArrayBuffer(8)); // which loop the other thread shall begin, and how far it is
  const other = new Worker(new URL(import.meta.url), { workerData: { binary, state } });
  await new Promise((resolve) => other.once('message', resolve));
  const loops = Object.values(loopsOf(binary));
  const times = loops.map(() => []);
  for (const loop of loops) for (let i = 0; i < 20; i++) loop(TURNS);
  for (let round = 0; round < rounds; round++)
    for (const [i, loop] of loops.entries()) {
      const alone = milliseconds(loop);
      Atomics.store(state, 0, i + 1);
      Atomics.notify(state, 0);
      while (Atomics.load(state, 1) !== RUNNING);
      const beside = milliseconds(loop);
      while (Atomics.load(state, 1) !== DONE);
      times[i].push((2 * alone) / beside);
      await setTimeout(2);
    }
  for (const [i, name] of ['additions', 'loads'].entries()) {
    const sorted = times[i].sort((a, b) => a - b);
    const [low, median, high] = [0.25, 0.5, 0.75].map((share) => sorted[Math.floor(share * (rounds - 1))].toFixed(2));
    console.log(`${name.padEnd(9)} two threads do ${median} times as much as one (quartiles ${low} and ${high}, ${rounds} rounds)`);
  }
  await other.terminate();
}

/** Runs a loop twice as long as the main thread does, so that it goes on until that one is done. */
function serve({ binary, state }) {
  const loops = Object.values(loopsOf(binary));
  for (const loop of loops) for (let i = 0; i < 20; i++) loop(TURNS);
  parentPort.postMessage('ready');
  for (;;) {
    Atomics.wait(state, 0, 0);
    const loop = loops[Atomics.exchange(state, 0, 0) - 1];
    Atomics.store(state, 1, RUNNING);
    loop(2 * TURNS);
    Atomics.store(state, 1, DONE);
  }
}

function milliseconds(loop) {
  const start = performance.now();
  loop(TURNS);
  return performance.now() - start;
}

function loopsOf(binary) {
  const { additions, loads } = exportsOf(binary);
  return { additions, loads };
}

function compileLoops() {
  const registers = Array.from({ length: 8 }, (_, i) => i);
  const loop = (name, operand) => `export function ${name}(turns: i32): i32 {
    const s = i16x8.splat(<i16>turns);
    ${registers.map((i) => `let r${i} = i16x8.splat(${i});`).join(' ')}
    for (let t = 0; t < turns; t++) for (let p: usize = 1024; p < 17408; p += 128) {
      ${registers.map((i) => `r${i} = i16x8.add(r${i}, ${operand(i)});`).join(' ')}
    }
    return i16x8.extract_lane_s(${registers.map((i) => `r${i}`).reduce((a, b) => `i16x8.add(${a}, ${b})`)}, 0);
  }`;
  return compile(loop('additions', () => 's') + loop('loads', (i) => `v128.load(p, ${16 * i})`));
}
