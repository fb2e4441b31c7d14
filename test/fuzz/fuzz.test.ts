/**
 * Every reader on damaged files: a result or an error of ours, in bounded time and memory. `npm run fuzz -- --minutes 30` does
 * it for longer; what it finds is found again by the seed, target and number that the failure names.
 */
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, describe, expect, test } from 'vitest';
import { WrnError } from '../../src/errors.ts';
import { mutant, randomFrom } from './mutate.ts';
import { targets } from './targets.ts';

const { WRN_FUZZ_MINUTES, WRN_FUZZ_INPUTS, WRN_FUZZ_SEED = '1', WRN_FUZZ_TARGET, WRN_FUZZ_INPUT } = process.env;
const chosen = Object.entries(targets).filter(([name]) => WRN_FUZZ_TARGET === undefined || name === WRN_FUZZ_TARGET);
/** In the suite a slice of a few seconds; the number of inputs is then what decides, so that every run is the same. */
const inputs = Number(WRN_FUZZ_INPUTS ?? (WRN_FUZZ_MINUTES === undefined ? 60 : Number.POSITIVE_INFINITY));
const milliseconds = (Number(WRN_FUZZ_MINUTES ?? (WRN_FUZZ_INPUTS === undefined ? 10 : 60 * 24)) * 60_000) / chosen.length;
const long = WRN_FUZZ_MINUTES !== undefined || WRN_FUZZ_INPUTS !== undefined;

const HANG_SECONDS = 20;
/** Most that reading files of some kilobytes may add to this process. */
const MAX_GROWTH_BYTES = 700 * 2 ** 20;

const root = mkdtempSync(join(tmpdir(), 'wrn-fuzz-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Ends this process when one input takes too long: a loop that never ends leaves no other way. */
const beat = new BigInt64Array(new SharedArrayBuffer(16));
const watchdog = new Worker(
  `const { workerData: beat } = require('node:worker_threads');
   let [last, looks] = [0n, 0];
   setInterval(() => {
     const now = Atomics.load(beat, 0);
     looks = now === last && now !== 0n ? looks + 1 : 0;
     last = now;
     if (looks < ${HANG_SECONDS}) return;
     require('node:fs').writeSync(2, 'fuzz: an input hangs: target ' + Atomics.load(beat, 1) + ', input ' + (now - 1n) + '\\n');
     process.kill(process.pid, 'SIGKILL');
   }, 1000).unref();`,
  { eval: true, workerData: beat },
);
watchdog.unref();
afterAll(() => watchdog.terminate());

/** Files that this process has open in the fuzzed folder or under no name; undefined where the system does not list them. */
function openFiles(): number | undefined {
  if (process.platform !== 'linux') return undefined;
  const handles = readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return []; // the handle of this listing
    }
  });
  return handles.filter((path) => path.startsWith(root) || path.includes('(deleted)')).length;
}

const prototype = Object.getOwnPropertyNames(Object.prototype);

describe.each(chosen)('%s', (name, { seeds, read, wrap = (bytes) => bytes }) => {
  const folder = mkdtempSync(join(root, 'target-'));

  test('reads the undamaged files', async () => {
    for (const seed of await seeds()) await read(wrap(seed), folder);
  });

  test(
    'survives damage',
    async () => {
      const whole = await seeds();
      const index = Object.keys(targets).indexOf(name);
      const before = process.memoryUsage().rss;
      const open = openFiles();
      const start = performance.now();
      const end = start + milliseconds;
      let peak = before;
      const first = Number(WRN_FUZZ_INPUT ?? 0);
      const last = WRN_FUZZ_INPUT === undefined ? inputs : first + 1;
      Atomics.store(beat, 1, BigInt(index));
      let i = first;
      for (; i < last && performance.now() < end; i++) {
        Atomics.store(beat, 0, BigInt(i + 1));
        const bytes = wrap(mutant(whole, randomFrom(Math.imul(Number(WRN_FUZZ_SEED), 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b) ^ i)));
        try {
          await read(bytes, folder);
        } catch (error) {
          if (!(error instanceof WrnError)) {
            const kept = join(tmpdir(), `wrn-fuzz-${WRN_FUZZ_SEED}-${index}-${i}`);
            writeFileSync(kept, bytes);
            throw new Error(
              `an error that is none of ours. Again: npm run fuzz -- --seed ${WRN_FUZZ_SEED} --target '${name}' --input ${i}; the file is ${kept}`,
              {
                cause: error,
              },
            );
          }
          expect(error.message).not.toMatch(/[\p{Cc}\p{Cf}]/u);
        }
        peak = Math.max(peak, process.memoryUsage.rss());
      }
      Atomics.store(beat, 0, 0n);
      const [count, seconds] = [i - first, (performance.now() - start) / 1000];
      if (long)
        console.log(
          `fuzz: ${name}: ${count.toLocaleString('en-US')} inputs, ${Math.round(count / seconds)} per second, seed ${WRN_FUZZ_SEED}`,
        );
      await new Promise((resolve) => setTimeout(resolve, 50)); // streams close after they have failed
      expect(openFiles()).toBe(open);
      expect(peak - before).toBeLessThan(MAX_GROWTH_BYTES);
      expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(prototype);
    },
    milliseconds + 120_000,
  );
});
