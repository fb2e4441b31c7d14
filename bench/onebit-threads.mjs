// The gain of a second thread: one-bit networks on one and on two threads, a few images each in turns, so that changes in the
// processor's speed do not look like a gain.
//
//     npm run build && node bench/onebit-threads.mjs SECONDS FILE...
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { loadOneBit } from '../dist/src/onebit.js';

const [seconds, ...files] = process.argv.slice(2);
const RUNS = 3; // in a row: the first wakes the thread

for (const file of files) {
  const networks = await Promise.all([1, 2].map((threads) => loadOneBit(readFileSync(file), { threads })));
  const { channels, height, width } = networks[0].input;
  const pixels = Uint8Array.from({ length: channels * height * width }, (_, i) => (i * 7919) % 251);
  const timed = async (network) => {
    for (let run = 0; run < RUNS; run++) await network.run(pixels);
    const start = performance.now();
    for (let run = 0; run < RUNS; run++) await network.run(pixels);
    return (performance.now() - start) / RUNS;
  };
  for (let round = 0; round < 5; round++) for (const network of networks) await timed(network);
  const rounds = [];
  for (const end = performance.now() + seconds * 1000; performance.now() < end; await setTimeout(2)) {
    const [one, two] = [await timed(networks[0]), await timed(networks[1])];
    rounds.push({ one, two, gain: one / two });
  }
  const at = (key, share) => rounds.map((round) => round[key]).sort((a, b) => a - b)[Math.floor(share * (rounds.length - 1))];
  const milliseconds = (key) => `${at(key, 0.5).toFixed(2)} ms (best ${at(key, 0).toFixed(2)})`;
  const gains = [0.25, 0.5, 0.75].map((share) => at('gain', share).toFixed(2));
  console.log(
    `${basename(file)}: one thread ${milliseconds('one')}, two ${milliseconds('two')}; ` +
      `gain of neighbours ${gains[1]} (quartiles ${gains[0]} and ${gains[2]}, ${rounds.length} rounds)`,
  );
  for (const network of networks) network.release();
}
