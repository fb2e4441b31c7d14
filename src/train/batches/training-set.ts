/** A training set in memory or in files, and its batches. A batch is a pure function of (seed, number). */

import { constants } from 'node:buffer';
import { sha256 } from '#builtin';
import { type ImageFiles, type ImageSet, type ImageShape, requireCover, requireImageFiles } from '../../data/dataset.ts';
import { decodeImage } from '../../data/files/decode-image.ts';
import { pathOf } from '../../data/kinds/encoded-images.ts';
import { permutation, type Random, randomStream } from '../../data/random.ts';
import { UsageError } from '../../errors.ts';
import { asBytes } from '../../formats/typed-array.ts';
import { type Augmentation, augment } from './augment.ts';

export interface TrainingSet extends ImageShape {
  readonly name: string;
  readonly classes: number;
  readonly classLabels: readonly string[] | undefined;
  readonly length: number;
  /** Files, decoded again in each epoch, or raw pixels, shape [length, channels, height, width]. Both are in shared memory. */
  readonly images: ImageFiles | Uint8Array;
  readonly labels: Int32Array;
}

/** Keys of the random streams of a run. */
const PURPOSE = { order: 1, augmentation: 2 } as const;
const READ_BATCH = 1000;

/** Largest set to keep in memory, in bytes. Leaves most of a usual machine to training itself, and Node 20 limits arrays to 4 GiB. */
export const MAX_BYTES = Math.min(8 * 2 ** 30, constants.MAX_LENGTH);

/** Bytes of pixels to keep in memory: all, or 0 if they are too many or every epoch scales the images again. */
export function bytesInMemory({ channels, height, width, length }: ImageSet, { shorterSide }: Augmentation): number {
  const bytes = length * channels * height * width;
  return shorterSide || bytes > MAX_BYTES ? 0 : bytes;
}

/**
 * Reads a set into memory, or lists its files if they are too large for that or every epoch scales them again.
 * @throws UsageError when it is larger than MAX_BYTES, or must be scaled, and has no image files; `signal.reason` when it is aborted
 */
export async function trainingSet(set: ImageSet, augmentation: Augmentation, signal?: AbortSignal): Promise<TrainingSet> {
  const { shorterSide } = augmentation;
  const { name, classes, classLabels, channels, height, width, length } = set;
  const about = { name, classes, classLabels, channels, height, width, length };
  if (shorterSide) requireCover(shorterSide[0], set);
  const imageBytes = channels * height * width;
  if (bytesInMemory(set, augmentation) === 0) {
    if (set.listFiles) {
      const images = await set.listFiles();
      return { ...about, images, labels: images.labels };
    }
    if (shorterSide) {
      requireImageFiles(set);
      throw new UsageError(
        `data ${name}: expected a folder of image files to scale at random (shorter side), got a container. Unpack it, or use --no-shorter-side`,
      );
    }
    const advice = set.isEncoded ? '. Unpack it into a folder of image files' : '';
    throw new UsageError(
      `data ${name}: expected at most ${MAX_BYTES} bytes of pixels to keep in memory, got ${length * imageBytes}${advice}`,
    );
  }
  const images = new Uint8Array(new SharedArrayBuffer(length * imageBytes));
  const labels = new Int32Array(new SharedArrayBuffer(length * Int32Array.BYTES_PER_ELEMENT));
  for await (const batch of set.batches(READ_BATCH)) {
    signal?.throwIfAborted();
    images.set(batch.imagesNCHW, batch.offset * imageBytes);
    labels.set(batch.labels, batch.offset);
  }
  return { ...about, images, labels };
}

/** Identity of a training set, independent of its location. */
export interface SetIdentity {
  readonly name: string;
  readonly length: number;
  /** SHA-256 of the class names and the labels in order. */
  readonly sha256: string;
}

export function identify({ name, length, classLabels = [], labels }: TrainingSet): SetIdentity {
  return { name, length, sha256: sha256(JSON.stringify(classLabels), asBytes(labels)) };
}

/** Full batches per epoch. Leftover images wait for the next shuffle. */
export function batchesPerEpoch(set: Pick<TrainingSet, 'length'>, batch: number): number {
  return Math.floor(set.length / batch);
}

export interface BatchOptions {
  readonly seed: number;
  /** Batch size. */
  readonly batch: number;
  readonly augmentation: Augmentation;
}

/**
 * Draws batches of a shuffled, augmented set. Batch `number` is always the same, whenever and wherever it is drawn.
 * @returns a function that fills `imagesNHWC` (shape [batch, height, width, channels], values 0..255) and `labels` with batch `number`
 */
export function batchMaker(set: TrainingSet, { seed, batch, augmentation }: BatchOptions) {
  const size = set.channels * set.height * set.width;
  const perEpoch = batchesPerEpoch(set, batch);
  const load = loader(set, augmentation);
  let shuffled: { epoch: number; order: Uint32Array } = { epoch: -1, order: new Uint32Array() };
  return async (number: number, imagesNHWC: Float32Array, labels: Int32Array): Promise<void> => {
    const epoch = Math.floor(number / perEpoch);
    if (shuffled.epoch !== epoch) shuffled = { epoch, order: permutation(set.length, randomStream(seed, PURPOSE.order, epoch)) };
    const first = (number % perEpoch) * batch;
    const chosen = shuffled.order.subarray(first, first + batch);
    const draw = async (index: number, i: number) => {
      const random = randomStream(seed, PURPOSE.augmentation, number, i); // one stream per image, because files arrive in any order
      augment(await load(index, random), set, augmentation, random, imagesNHWC.subarray(i * size, (i + 1) * size));
      labels[i] = set.labels[index] as number;
    };
    await Promise.all(Array.from(chosen, draw));
  };
}

/** Returns an image, shape [channels, height, width], from memory or decoded with a random scale and crop. */
function loader(set: TrainingSet, { shorterSide }: Augmentation): (index: number, random: Random) => Promise<Uint8Array> | Uint8Array {
  const { images } = set;
  const size = set.channels * set.height * set.width;
  if (images instanceof Uint8Array) return (index) => images.subarray(index * size, (index + 1) * size);
  return (index, random) => {
    const path = pathOf(images, index);
    if (!shorterSide) return decodeImage(path, set, path);
    const [low, high] = shorterSide;
    const crop = { shorterSide: low + random.integer(high - low + 1), top: random.uniform(), left: random.uniform() };
    return decodeImage(path, set, path, crop);
  };
}
