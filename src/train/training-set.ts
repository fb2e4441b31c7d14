/** A training set in memory, and the batches that are drawn from it: each a pure function of (seed, number). */
import type { ImageSet, ImageShape } from '../data/image-set.ts';
import { UsageError } from '../errors.ts';
import { type Augmentation, augment } from './augment.ts';
import { permutation, randomStream } from './random.ts';

export interface TrainingSet extends ImageShape {
  readonly name: string;
  readonly classes: number;
  readonly classLabels: readonly string[] | undefined;
  readonly length: number;
  /** Raw pixels, shape [length, channels, height, width], in memory that threads share. */
  readonly imagesNCHW: Uint8Array;
  readonly labels: Int32Array;
}

/** Names the random streams of a run. */
const PURPOSE = { order: 1, augmentation: 2 } as const;
const READ_BATCH = 1000;

/** Largest set that is kept in memory, in bytes: leaves most of a usual machine to the training itself. */
export const MAX_BYTES = 8 * 2 ** 30;

/**
 * Reads a whole set into memory.
 * @throws UsageError when it is larger than MAX_BYTES.
 */
export async function readAll(set: ImageSet): Promise<TrainingSet> {
  const { name, classes, classLabels, channels, height, width, length } = set;
  const imageBytes = channels * height * width;
  if (length * imageBytes > MAX_BYTES)
    throw new UsageError(
      `data ${name}: expected at most ${MAX_BYTES} bytes of pixels, which are kept in memory, got ${length * imageBytes}`,
    );
  const imagesNCHW = new Uint8Array(new SharedArrayBuffer(length * imageBytes));
  const labels = new Int32Array(new SharedArrayBuffer(length * Int32Array.BYTES_PER_ELEMENT));
  for await (const batch of set.batches(READ_BATCH)) {
    imagesNCHW.set(batch.imagesNCHW, batch.offset * imageBytes);
    labels.set(batch.labels, batch.offset);
  }
  return { name, classes, classLabels, channels, height, width, length, imagesNCHW, labels };
}

/** Batches of an epoch: whole ones, what is left over waits for another shuffle. */
export function batchesPerEpoch(set: Pick<TrainingSet, 'length'>, batch: number): number {
  return Math.floor(set.length / batch);
}

export interface Draw {
  readonly seed: number;
  /** Images a batch. */
  readonly batch: number;
  readonly augmentation: Augmentation;
}

/**
 * Draws batches of a shuffled, augmented set. Batch `number` is the same whenever and wherever it is drawn.
 * @returns a function that fills `imagesNHWC` (shape [batch, height, width, channels], values 0..255) and `labels` with batch `number`.
 */
export function drawer(set: TrainingSet, { seed, batch, augmentation }: Draw) {
  const size = set.channels * set.height * set.width;
  const perEpoch = batchesPerEpoch(set, batch);
  let shuffled: { epoch: number; order: Uint32Array } = { epoch: -1, order: new Uint32Array() };
  return (number: number, imagesNHWC: Float32Array, labels: Int32Array): void => {
    const epoch = Math.floor(number / perEpoch);
    if (shuffled.epoch !== epoch) shuffled = { epoch, order: permutation(set.length, randomStream(seed, PURPOSE.order, epoch)) };
    const random = randomStream(seed, PURPOSE.augmentation, number);
    const first = (number % perEpoch) * batch;
    for (let i = 0; i < batch; i++) {
      const index = shuffled.order[first + i] as number;
      const image = set.imagesNCHW.subarray(index * size, (index + 1) * size);
      augment(image, set, augmentation, random, imagesNHWC.subarray(i * size, (i + 1) * size));
      labels[i] = set.labels[index] as number;
    }
  };
}
