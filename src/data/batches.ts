/** Batches of a data set: read ahead, across several files, or spread over the set. */
import { UsageError } from '../errors.ts';
import type { ImageBatch, ImageSet } from './dataset.ts';

/**
 * Fills `imagesNCHW` ([count, channels, height, width]) and `labels` with images `offset` to `offset + count`.
 * The caller waits for the promise before the next call, so a loader may reuse its buffers.
 */
export type Load = (offset: number, count: number, imagesNCHW: Uint8Array, labels: Int32Array) => Promise<void>;

/** Like `Load`, for images `first` to `first + count` of one part. */
export type LoadPart = (part: number, first: number, count: number, imagesNCHW: Uint8Array, labels: Int32Array) => Promise<void>;

/** Loads a range that can span several parts. `counts` is the number of images in each part. */
export function acrossParts(counts: readonly number[], imageBytes: number, loadPart: LoadPart): Load {
  return async (offset, count, images, labels) => {
    let done = 0;
    let start = 0;
    for (const [part, inPart] of counts.entries()) {
      const first = offset + done - start;
      const take = Math.min(count - done, inPart - first);
      if (take > 0) {
        const piece = images.subarray(done * imageBytes, (done + take) * imageBytes);
        await loadPart(part, first, take, piece, labels.subarray(done, done + take));
        done += take;
      }
      start += inPart;
    }
  };
}

/** Images `from` to `to`, `size` at a time. */
export interface BatchRange {
  readonly size: number;
  readonly from: number;
  readonly to: number;
}

/**
 * Yields batches and reads one ahead. Memory use is two buffers, filled in turn.
 * @param imageBytes channels * height * width
 */
export async function* readAhead(
  load: Load,
  imageBytes: number,
  { size, from, to }: BatchRange,
): AsyncGenerator<ImageBatch, void, undefined> {
  const largest = Math.min(size, to - from);
  const buffers = [0, 1].map(() => ({ images: new Uint8Array(largest * imageBytes), labels: new Int32Array(largest) })) as [
    Buffers,
    Buffers,
  ];
  const fill = async (offset: number, { images, labels }: Buffers): Promise<ImageBatch> => {
    const count = Math.min(size, to - offset);
    const batch = { offset, count, imagesNCHW: images.subarray(0, count * imageBytes), labels: labels.subarray(0, count) };
    await load(offset, count, batch.imagesNCHW, batch.labels);
    return batch;
  };
  let [current, other] = buffers;
  let next = from < to ? fill(from, current) : undefined;
  try {
    while (next) {
      const batch = await next;
      const following = batch.offset + batch.count;
      [current, other] = [other, current];
      next = following < to ? fill(following, current) : undefined;
      next?.catch(() => {}); // reported when the batch is requested
      yield batch;
    }
  } finally {
    await next?.catch(() => {}); // the caller may close the files right after the loop
  }
}

interface Buffers {
  readonly images: Uint8Array;
  readonly labels: Int32Array;
}

/**
 * Checks the arguments of `batches` against the number of images.
 * @throws UsageError
 */
export function range(length: number, size: number, from = 0, to = length): BatchRange {
  if (!Number.isInteger(size) || size < 1) throw new UsageError(`batch size: expected a positive integer, got ${size}`);
  if (!Number.isInteger(from) || !Number.isInteger(to) || from < 0 || to < from || to > length) {
    throw new UsageError(`images: expected a range within 0 to ${length}, got ${from} to ${to}`);
  }
  return { size, from, to };
}

/**
 * Batches with a sample of `count` images, spread evenly over the set, because image folders are sorted by class.
 * The sample is the same every time.
 * @param count at most the number of images in the set
 */
export async function* spread(data: ImageSet, size: number, count: number): AsyncGenerator<ImageBatch, void, undefined> {
  for (let done = 0; done < count; done += size) {
    const from = Math.floor((done / count) * data.length);
    const take = Math.min(size, count - done);
    yield* data.batches(take, from, from + take);
  }
}
