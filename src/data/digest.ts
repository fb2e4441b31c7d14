import { createHash } from 'node:crypto';
import { InputError } from '../errors.ts';
import type { ImageSet } from './dataset.ts';

/** Few, because some sets are read from their start to reach an image. */
const SAMPLES = 8;

/**
 * SHA-256 of images spread over the first `total` of a set, with their labels and the names of the classes. It tells apart sets of
 * one name and size, also where a process reads only a part of the set.
 * @returns undefined when one of them cannot be read: evaluating it says so
 */
export async function sampleDigest(data: ImageSet, total: number): Promise<string | undefined> {
  const hash = createHash('sha256').update(JSON.stringify(data.classLabels ?? null));
  const indices = new Set(Array.from({ length: SAMPLES }, (_, i) => Math.floor((i * (total - 1)) / (SAMPLES - 1))));
  try {
    for (const index of total > 0 ? indices : [])
      for await (const { imagesNCHW, labels } of data.batches(1, index, index + 1))
        hash.update(imagesNCHW).update(JSON.stringify([index, ...labels]));
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
  return hash.digest('hex');
}
