/** The thread that renews a lock while its process lives, even if the main thread is busy. It ends when the lock is lost. */
import { writeFileSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';

const { path, interval } = workerData as { readonly path: string; readonly interval: number };
let renewals = 0;

const timer = setInterval(() => {
  try {
    writeFileSync(path, String(++renewals), { flag: 'r+' }); // never creates the file again
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code !== 'ENOENT' && code !== 'ESTALE') return; // other codes: a file server that is briefly unavailable
    clearInterval(timer);
    parentPort?.postMessage('lost');
  }
}, interval);
