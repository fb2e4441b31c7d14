/** Batches drawn in a worker thread, a few ahead of the training step. */
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { InputError } from '../errors.ts';
import type { Drawn, Failure, WorkerData } from './batch-worker.ts';
import type { Draw, TrainingSet } from './training-set.ts';
import { workerFile } from './worker-file.ts';

/** Batches being drawn or waiting: one in use, one ready, one in the making. */
const BUFFERS = 3;

/**
 * Batches number `from` to `to` in order. A batch is valid until the next one is asked for.
 * Leaving the loop ends the thread. Between batches the event loop runs, so that signals are seen however busy the caller is.
 * @throws InputError at the first batch with an image that cannot be read.
 */
export async function* drawBatches(set: TrainingSet, draw: Draw, from: number, to: number): AsyncGenerator<Drawn, void, undefined> {
  const worker = new Worker(workerFile('batch-worker'), { workerData: { set, draw } satisfies WorkerData });
  const ready: Drawn[] = [];
  let failure: unknown;
  let wake = () => {};
  worker.on('message', (answer: Drawn | Failure) => {
    if ('problem' in answer) failure ??= new InputError(answer.format, answer.where, answer.problem);
    else ready.push(answer);
    wake();
  });
  worker.on('error', (error) => {
    failure = error;
    wake();
  });
  let asked = from;
  const ask = (buffers: Omit<Drawn, 'number'>) => {
    if (asked === to) return;
    worker.postMessage({ number: asked++, ...buffers }, [buffers.imagesNHWC.buffer, buffers.labels.buffer]);
  };
  try {
    const size = draw.batch * set.channels * set.height * set.width;
    for (let i = 0; i < BUFFERS; i++) ask({ imagesNHWC: new Float32Array(size), labels: new Int32Array(draw.batch) });
    for (let number = from; number < to; number++) {
      while (ready.length === 0 && failure === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      const drawn = ready.shift();
      if (drawn?.number !== number) throw failure; // batches after the failed one may be there
      await setImmediate();
      yield drawn;
      ask({ imagesNHWC: drawn.imagesNHWC, labels: drawn.labels });
    }
  } finally {
    await worker.terminate();
  }
}
