/** Batches drawn in a worker thread, a few ahead of the training step. */
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { InputError } from '../../errors.ts';
import { builtFile } from '../../package-files.ts';
import type { Batch, Failure, WorkerData } from './batch-worker.ts';
import type { SoftTargets } from './teacher.ts';
import type { BatchOptions, TrainingSet } from './training-set.ts';

/** Batches in flight: one in use, one ready, one being drawn. */
const BUFFERS = 3;

/** A batch, with the teacher's answers if there is a teacher. */
export interface TaughtBatch extends Batch {
  readonly targets: SoftTargets | undefined;
}

/**
 * Batches `from` to `to` in order. A batch is valid until the next one is requested. Leaving the loop ends the thread.
 * The event loop runs between batches, so that signals are handled even if the caller is busy.
 * @param teach asks the teacher. It is called as soon as a batch is drawn, and runs while earlier batches are in use
 * @throws InputError at the first batch with an image that cannot be read
 */
export async function* trainingBatches(
  set: TrainingSet,
  options: BatchOptions,
  from: number,
  to: number,
  teach?: (batch: Batch) => Promise<SoftTargets>,
): AsyncGenerator<TaughtBatch, void, undefined> {
  const worker = new Worker(builtFile('node/batch-worker.js'), { workerData: { set, options } satisfies WorkerData });
  const ready: { readonly batch: Batch; readonly targets: Promise<SoftTargets> | undefined }[] = [];
  let failure: unknown;
  let wake = () => {};
  worker.on('message', (answer: Batch | Failure) => {
    if ('problem' in answer) failure ??= new InputError(answer.format, answer.where, answer.problem);
    else {
      const targets = teach?.(answer);
      targets?.catch(() => {}); // reported when the batch is used
      ready.push({ batch: answer, targets });
    }
    wake();
  });
  worker.on('error', (error) => {
    failure = error;
    wake();
  });
  let asked = from;
  const ask = (buffers: Omit<Batch, 'number'>) => {
    if (asked === to) return;
    worker.postMessage({ number: asked++, ...buffers }, [buffers.imagesNHWC.buffer, buffers.labels.buffer]);
  };
  try {
    const size = options.batch * set.channels * set.height * set.width;
    for (let i = 0; i < BUFFERS; i++) ask({ imagesNHWC: new Float32Array(size), labels: new Int32Array(options.batch) });
    for (let number = from; number < to; number++) {
      while (ready.length === 0 && failure === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      const next = ready.shift();
      if (next?.batch.number !== number) throw failure; // batches after the failed one may have arrived
      const { batch } = next;
      const targets = await next.targets;
      await setImmediate();
      yield { ...batch, targets };
      ask({ imagesNHWC: batch.imagesNHWC, labels: batch.labels });
    }
  } finally {
    await worker.terminate();
  }
}
