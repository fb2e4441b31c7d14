/** Copies a part of a data set to this machine's own disk. */
import { range, readAhead } from './batches.ts';
import type { ImageSet } from './dataset.ts';
import { openTemporary, temporaryFileError } from './files/temporary-file.ts';

/** Bytes per copied piece, rounded down to whole images, at least one. */
const COPY_BYTES = 2 ** 24;

/**
 * Copies images `from` to `to`, decoded, into a temporary file, so that each is read and decoded only once. Other images still
 * come from the set.
 * @param onProgress gets the number of images copied so far
 * @returns the same set; `close` also closes the original
 * @throws InputError as `data.batches`; UsageError when the temporary folder cannot hold them
 */
export async function stageImages(data: ImageSet, from: number, to: number, onProgress?: (images: number) => void): Promise<ImageSet> {
  const imageBytes = (data.crops ?? 1) * data.channels * data.height * data.width;
  const labels = new Int32Array(to - from);
  let file: Awaited<ReturnType<typeof openTemporary>> | undefined;
  try {
    file = await openTemporary();
    for await (const batch of data.batches(Math.max(1, Math.floor(COPY_BYTES / imageBytes)), from, to)) {
      await file.writeFile(batch.imagesNCHW);
      labels.set(batch.labels, batch.offset - from);
      onProgress?.(batch.offset + batch.count - from);
    }
  } catch (error) {
    await file?.close();
    throw temporaryFileError(`${data.name}: cannot be copied`, 'Leave out --stage', error);
  }
  const staged = file;
  const load = async (offset: number, count: number, imagesNCHW: Uint8Array, classes: Int32Array) => {
    for (let done = 0; done < imagesNCHW.length; ) {
      const { bytesRead } = await staged.read(imagesNCHW, done, imagesNCHW.length - done, (offset - from) * imageBytes + done);
      if (bytesRead === 0) throw new RangeError(`image ${offset}: the copy ends at byte ${done}`);
      done += bytesRead;
    }
    classes.set(labels.subarray(offset - from, offset - from + count));
  };
  return {
    ...data,
    batches: (size, first = 0, end = data.length) =>
      first >= from && end <= to ? readAhead(load, imageBytes, range(data.length, size, first, end)) : data.batches(size, first, end),
    async close() {
      await staged.close();
      await data.close();
    },
  };
}
