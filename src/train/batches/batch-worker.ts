/** The thread that draws batches in parallel with the training step. It gets the set once, then one batch number at a time. */
import { parentPort, workerData } from 'node:worker_threads';
import { InputError } from '../../errors.ts';
import { type BatchOptions, batchMaker, type TrainingSet } from './training-set.ts';

export interface WorkerData {
  readonly set: TrainingSet;
  readonly options: BatchOptions;
}

/** A batch to draw, with its buffers. The answer is the same object. */
export interface Batch {
  readonly number: number;
  /** Shape [batch, height, width, channels], values 0..255. */
  readonly imagesNHWC: Float32Array<ArrayBuffer>;
  readonly labels: Int32Array<ArrayBuffer>;
}

/** An image that cannot be read: the fields of its InputError, because an error loses its class between threads. */
export type Failure = Pick<InputError, 'format' | 'where' | 'problem'>;

const { set, options } = workerData as WorkerData;
const fill = batchMaker(set, options);
let last = Promise.resolve();

parentPort?.on('message', (request: Batch) => {
  last = last.then(() => answer(request)); // one batch at a time, in order
});

async function answer(request: Batch): Promise<void> {
  try {
    await fill(request.number, request.imagesNHWC, request.labels);
    parentPort?.postMessage(request, [request.imagesNHWC.buffer, request.labels.buffer]);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const { format, where, problem } = error;
    parentPort?.postMessage({ format, where, problem } satisfies Failure);
  }
}
