/**
 * Kernels on several threads over one shared memory. The caller's thread takes part; the others wait in workers. Each
 * call's tiles are shared out, and a thread that is done with its own takes what others have not begun: a core that is
 * busy with something else delays the rest by one piece of work only. Nobody begins a call before all tiles of the one
 * before are computed, whoever did it; a worker that wakes late finds its share done and catches up.
 *
 * Workers are made from a text, so that no bundler has to know of them. A page whose content security policy says
 * `worker-src` has to allow `blob:`.
 */
import { DeviceError } from '../errors.ts';
import type { Engine } from './engine.ts';
import { instantiate, type Kernels } from './kernel.ts';
import type { Call, Plan } from './plan.ts';

/** What a thread knows. */
interface Share {
  readonly calls: readonly Call[];
  /** Words that the threads agree by: runs begun, images of the run, whether it is open to helpers, helpers in it, stop, failure. */
  readonly agreed: Int32Array<SharedArrayBuffer>;
  /** Of each call: tiles computed, and tiles taken of each thread's share. */
  readonly progress: Int32Array<SharedArrayBuffer>;
  readonly thread: number;
  readonly threads: number;
  readonly scratch: number;
}

/** What a worker is told. */
interface Help {
  readonly modules: readonly WebAssembly.Module[];
  readonly memory: WebAssembly.Memory;
  readonly share: Share;
}

/** Runs the calls once. It goes to the workers as text: it refers to nothing outside of itself. */
function runShare(
  kernels: Kernels,
  { calls, agreed, progress, thread, threads, scratch }: Share,
  blocking: boolean,
  times?: Float64Array,
): void {
  const PIECES = 8; // of a thread's share of a call
  const SPINS = 20000; // some 100 microseconds: longer than a piece takes in most calls, and than waking a thread
  const images = Atomics.load(agreed, 1);
  for (const [i, { kernel, block, tiles }] of calls.entries()) {
    const start = times ? performance.now() : 0;
    const done = i * (threads + 1);
    const all = images * tiles;
    for (let turn = 0; turn < threads; turn++) {
      const owner = (thread + turn) % threads;
      const [first, end] = [Math.floor((all * owner) / threads), Math.floor((all * (owner + 1)) / threads)];
      const piece = Math.ceil((end - first) / PIECES);
      let from = first;
      while (from < end) {
        from = first + Atomics.add(progress, done + 1 + owner, piece);
        const count = Math.min(piece, end - from);
        if (count <= 0) break;
        kernels[kernel](block, from, from + count, scratch);
        if (Atomics.add(progress, done, count) + count === all) Atomics.notify(progress, done);
      }
    }
    for (let spin = 0; ; spin++) {
      const computed = Atomics.load(progress, done);
      if (computed === all) break;
      if (Atomics.load(agreed, 5) !== 0) throw new Error('a thread of the network failed');
      if (blocking && spin > SPINS) Atomics.wait(progress, done, computed, 1000);
    }
    if (times) times[i] = (times[i] as number) + performance.now() - start;
  }
}

/** What a worker does. It goes there as text, too. */
async function serve(load: typeof instantiate, run: typeof runShare, { modules, memory, share }: Help): Promise<void> {
  const SPINS = 100000; // some 500 microseconds: the next images of a batch are there by then
  const { agreed, progress } = share;
  try {
    const kernels = await load(modules, memory);
    for (let begun = 0; ; ) {
      for (let spin = 0; spin < SPINS && Atomics.load(agreed, 0) === begun; spin++);
      Atomics.wait(agreed, 0, begun);
      begun = Atomics.load(agreed, 0);
      if (Atomics.load(agreed, 4) !== 0) return;
      Atomics.add(agreed, 3, 1);
      if (Atomics.load(agreed, 2) !== 0) run(kernels, share, true);
      Atomics.sub(agreed, 3, 1);
    }
  } catch {
    Atomics.store(agreed, 5, 1);
    for (let i = 0; i < progress.length; i++) Atomics.notify(progress, i);
  }
}

/** A worker of a page, of Node, Deno or Bun. */
interface Helper {
  /** Settles when it stands ready for the first run. */
  readonly ready: Promise<void>;
  terminate(): void;
}

const BODY = `const load = ${instantiate}; const run = ${runShare}; const serve = ${serve};`;

function webHelper(help: Help): Helper {
  const text = `${BODY} onmessage = ({ data }) => { postMessage('ready'); serve(load, run, data); };`;
  const url = URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
  const worker = new Worker(url, { type: 'module' });
  const ready = new Promise<void>((resolve, reject) => {
    worker.onmessage = () => resolve();
    worker.onerror = (event) => reject(new Error(event.message ?? 'no worker from a blob'));
  }).finally(() => URL.revokeObjectURL(url));
  worker.postMessage(help);
  return { ready, terminate: () => worker.terminate() };
}

/** The name is a parameter, because bundlers for pages look for literal names. */
async function nodeHelper(help: Help, name = 'node:worker_threads'): Promise<Helper> {
  const threads: typeof import('node:worker_threads') = await import(/* @vite-ignore */ /* webpackIgnore: true */ name);
  const text = `${BODY} const { parentPort, workerData } = require('node:worker_threads'); parentPort.postMessage('ready'); serve(load, run, workerData);`;
  const worker = new threads.Worker(text, { eval: true, workerData: help, execArgv: [] });
  const ready = new Promise<void>((resolve, reject) => worker.once('message', () => resolve()).once('error', reject));
  void ready.then(() => worker.unref()).catch(() => {}); // a program may end without releasing its networks
  return { ready, terminate: () => void worker.terminate() };
}

/** Whether this thread may sleep until another wakes it: not the main thread of a page. */
function mayBlock(agreed: Int32Array<SharedArrayBuffer>): boolean {
  try {
    Atomics.wait(agreed, 0, -1, 0);
    return true;
  } catch {
    return false;
  }
}

/** Whether memory can be shared: in a page, when it is cross-origin isolated. */
export function canShare(): boolean {
  const { crossOriginIsolated } = globalThis as { crossOriginIsolated?: boolean };
  return typeof SharedArrayBuffer === 'function' && crossOriginIsolated !== false;
}

/**
 * @param memory shared
 * @throws DeviceError when there are no workers
 */
export async function threadedEngine(
  plan: Plan,
  memory: WebAssembly.Memory,
  modules: readonly WebAssembly.Module[],
  threads: number,
): Promise<Engine> {
  plan.fill(memory.buffer);
  const agreed = new Int32Array(new SharedArrayBuffer(6 * 4));
  const progress = new Int32Array(new SharedArrayBuffer(plan.calls.length * (threads + 1) * 4));
  const shareOf = (thread: number): Share => ({ calls: plan.calls, agreed, progress, thread, threads, scratch: plan.scratch(thread) });
  const others = Array.from({ length: threads - 1 }, (_, i) => ({ modules, memory, share: shareOf(i + 1) }));
  const helpers: Helper[] = [];
  const release = () => {
    Atomics.store(agreed, 4, 1);
    Atomics.add(agreed, 0, 1);
    Atomics.notify(agreed, 0);
    for (const helper of helpers) helper.terminate();
  };
  try {
    for (const help of others) helpers.push(typeof Worker === 'function' ? webHelper(help) : await nodeHelper(help));
    await Promise.all(helpers.map(({ ready }) => ready));
  } catch (error) {
    release();
    const reason = error instanceof Error ? error.message : String(error);
    throw new DeviceError(`threads: expected workers, got ${reason}. Allow them (worker-src blob:), or ask for one thread`);
  }
  const kernels = await instantiate(modules, memory);
  const own = shareOf(0);
  const blocking = mayBlock(agreed);
  return {
    memory: memory.buffer,
    threads,
    run(count, times) {
      // A helper that woke late may still be on its way out of the last run.
      while (Atomics.load(agreed, 3) !== 0) if (Atomics.load(agreed, 5) !== 0) throw new Error('a thread of the network failed');
      progress.fill(0);
      Atomics.store(agreed, 1, count);
      Atomics.store(agreed, 2, 1);
      Atomics.add(agreed, 0, 1);
      Atomics.notify(agreed, 0);
      runShare(kernels, own, blocking, times);
      Atomics.store(agreed, 2, 0);
    },
    release,
  };
}
