/** The thread that draws batches beside the training step. It gets the set once, then one number a batch. */
import { parentPort, workerData } from 'node:worker_threads';
import { type Draw, drawer, type TrainingSet } from './training-set.ts';

export interface WorkerData {
  readonly set: TrainingSet;
  readonly draw: Draw;
}

/** A batch to draw, with the buffers to draw it into; the answer is the same object. */
export interface Drawn {
  readonly number: number;
  /** Shape [batch, height, width, channels], values 0..255. */
  readonly imagesNHWC: Float32Array<ArrayBuffer>;
  readonly labels: Int32Array<ArrayBuffer>;
}

const { set, draw } = workerData as WorkerData;
const fill = drawer(set, draw);

parentPort?.on('message', (request: Drawn) => {
  fill(request.number, request.imagesNHWC, request.labels);
  parentPort?.postMessage(request, [request.imagesNHWC.buffer, request.labels.buffer]);
});
