/**
 * HDF5 in Node: a thread decodes it, since a damaged file can send the library into an endless loop or crash it, and its
 * memory never shrinks. The thread then ends, and the next file gets a new one.
 */
import { Worker } from 'node:worker_threads';
import type { Decoded, decodeHdf5 as decode } from './library.ts';

export type { Decoded } from './library.ts';

export interface Request {
  readonly bytes: Uint8Array;
  readonly skipped: RegExp | undefined;
}

/** A whole file of 100 MB takes a second. */
const SECONDS = 10;
const BYTES_PER_SECOND = 2 ** 20;
/** A thread that has read a larger file is not kept, since it keeps the memory. */
const LARGE_BYTES = 2 ** 24;
/** Memory for texts and lists; numbers are bounded by `library.ts`. */
const HEAP_MB = 512;

/** The thread that waits for the next file. */
let idle: Worker | undefined;
let last: Promise<unknown> = Promise.resolve();

export const decodeHdf5: typeof decode = (bytes, skipped) => {
  const result = last.then(() => decodeNext({ bytes, skipped }));
  last = result.catch(() => {});
  return result;
};

async function decodeNext(request: Request): Promise<Decoded> {
  const worker = idle ?? start();
  idle = undefined;
  worker.ref();
  const result = await answerOf(worker, request);
  if (('problem' in result && result.crashed) || request.bytes.length > LARGE_BYTES) await worker.terminate();
  else idle = worker;
  worker.unref(); // a program may end while the thread waits
  return result;
}

function start(): Worker {
  return new Worker(new URL('./worker.js', import.meta.url), { execArgv: [], resourceLimits: { maxOldGenerationSizeMb: HEAP_MB } });
}

async function answerOf(worker: Worker, request: Request): Promise<Decoded> {
  const seconds = SECONDS + Math.ceil(request.bytes.length / BYTES_PER_SECOND);
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise<Decoded>((resolve, reject) => {
      const damaged = (expected: string, got: string) =>
        resolve({ where: 'file', problem: `expected a file that ${expected}, got one that takes ${got}. It is damaged`, crashed: true });
      worker.once('message', resolve);
      worker.once('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'ERR_WORKER_OUT_OF_MEMORY') damaged(`is read within ${HEAP_MB} MB`, 'more');
        else reject(error);
      });
      const late = () => damaged(`is read within ${seconds} s`, 'longer');
      timer = setTimeout(setImmediate, 1000 * seconds, late); // the caller may have kept the answer waiting: it comes first
      const bytes = new Uint8Array(request.bytes); // a view would take all that it looks at along
      worker.postMessage({ ...request, bytes }, [bytes.buffer]);
    });
  } finally {
    clearTimeout(timer);
    worker.removeAllListeners('message').removeAllListeners('error');
  }
}
