/**
 * Kernels on several threads over one shared memory. The caller's thread takes part; the others wait in workers. Each
 * takes its share of every call's tiles, and nobody begins a call before all have ended the one before.
 *
 * Workers are made from a text, so that no bundler has to know of them. A page whose content security policy says
 * `worker-src` has to allow `blob:`.
 */
import { DeviceError } from '../errors.ts';
import type { Engine } from './engine.ts';
import type { Kernel, KernelName } from './kernel.ts';
import type { Call, Plan } from './plan.ts';

/** What a worker is told. */
interface Share {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly calls: readonly Call[];
  /** Six words that the threads agree by: runs begun, images of the run, calls ended, threads that ended this call, stop, failure. */
  readonly agreed: Int32Array<SharedArrayBuffer>;
  readonly thread: number;
  readonly threads: number;
  readonly scratch: number;
}

/** Runs the calls once. It goes to the workers as text: it refers to nothing outside of itself. */
function runShare(
  kernels: Readonly<Record<KernelName, Kernel>>,
  { calls, agreed, thread, threads, scratch }: Share,
  blocking: boolean,
  times?: Float64Array,
): void {
  const SPINS = 4000; // some 20 microseconds: longer than most calls differ, shorter than waking a thread
  const images = Atomics.load(agreed, 1);
  for (const [i, { kernel, block, tiles }] of calls.entries()) {
    const start = times ? performance.now() : 0;
    const all = images * tiles;
    const ended = Atomics.load(agreed, 2);
    const [from, to] = [Math.floor((all * thread) / threads), Math.floor((all * (thread + 1)) / threads)];
    if (from < to) kernels[kernel](block, from, to, scratch);
    if (Atomics.add(agreed, 3, 1) === threads - 1) {
      Atomics.store(agreed, 3, 0);
      Atomics.add(agreed, 2, 1);
      Atomics.notify(agreed, 2);
    }
    for (let spin = 0; Atomics.load(agreed, 2) === ended; spin++) {
      if (Atomics.load(agreed, 5) !== 0) throw new Error('a thread of the network failed');
      if (blocking && spin > SPINS) Atomics.wait(agreed, 2, ended, 1000);
    }
    if (times) times[i] = (times[i] as number) + performance.now() - start;
  }
}

/** What a worker does. It goes there as text, too. */
function serve(run: typeof runShare, share: Share): void {
  const { module, memory, agreed } = share;
  try {
    const kernels = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Record<KernelName, Kernel>;
    for (let begun = 0; ; begun++) {
      while (Atomics.load(agreed, 0) === begun) Atomics.wait(agreed, 0, begun);
      if (Atomics.load(agreed, 4) !== 0) return;
      run(kernels, share, true);
    }
  } catch {
    Atomics.store(agreed, 5, 1);
    Atomics.notify(agreed, 2);
  }
}

/** A worker of a page, of Node, Deno or Bun. */
interface Helper {
  /** Settles when it stands ready for the first run. */
  readonly ready: Promise<void>;
  terminate(): void;
}

const BODY = `const run = ${runShare}; const serve = ${serve};`;

function webHelper(share: Share): Helper {
  const text = `${BODY} onmessage = ({ data }) => { postMessage('ready'); serve(run, data); };`;
  const url = URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
  const worker = new Worker(url, { type: 'module' });
  const ready = new Promise<void>((resolve, reject) => {
    worker.onmessage = () => resolve();
    worker.onerror = (event) => reject(new Error(event.message ?? 'no worker from a blob'));
  }).finally(() => URL.revokeObjectURL(url));
  worker.postMessage(share);
  return { ready, terminate: () => worker.terminate() };
}

async function nodeHelper(share: Share): Promise<Helper> {
  const name = 'node:worker_threads'; // in a variable, so that bundlers for pages do not look for it
  const threads: typeof import('node:worker_threads') = await import(/* @vite-ignore */ /* webpackIgnore: true */ name);
  const text = `${BODY} const { parentPort, workerData } = require('node:worker_threads'); parentPort.postMessage('ready'); serve(run, workerData);`;
  const worker = new threads.Worker(text, { eval: true, workerData: share, execArgv: [] });
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
export async function threadedEngine(plan: Plan, memory: WebAssembly.Memory, module: WebAssembly.Module, threads: number): Promise<Engine> {
  plan.fill(memory.buffer);
  const agreed = new Int32Array(new SharedArrayBuffer(6 * 4));
  const shareOf = (thread: number): Share => ({
    module,
    memory,
    calls: plan.calls,
    agreed,
    thread,
    threads,
    scratch: plan.scratch(thread),
  });
  const others = Array.from({ length: threads - 1 }, (_, i) => shareOf(i + 1));
  const helpers: Helper[] = [];
  const release = () => {
    Atomics.store(agreed, 4, 1);
    Atomics.add(agreed, 0, 1);
    Atomics.notify(agreed, 0);
    for (const helper of helpers) helper.terminate();
  };
  try {
    for (const share of others) helpers.push(typeof Worker === 'function' ? webHelper(share) : await nodeHelper(share));
    await Promise.all(helpers.map(({ ready }) => ready));
  } catch (error) {
    release();
    const reason = error instanceof Error ? error.message : String(error);
    throw new DeviceError(`threads: expected workers, got ${reason}. Allow them (worker-src blob:), or ask for one thread`);
  }
  const instance = await WebAssembly.instantiate(module, { env: { memory } });
  const kernels = instance.exports as unknown as Record<KernelName, Kernel>;
  const own = shareOf(0);
  const blocking = mayBlock(agreed);
  return {
    memory: memory.buffer,
    threads,
    run(count, times) {
      Atomics.store(agreed, 1, count);
      Atomics.add(agreed, 0, 1);
      Atomics.notify(agreed, 0);
      runShare(kernels, own, blocking, times);
    },
    release,
  };
}
