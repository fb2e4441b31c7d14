/** Data sets in several parts. Each part is an array of pixel bytes with its labels. */
import { acrossParts, range, readAhead } from '../batches.ts';
import type { ImageSet } from '../dataset.ts';
import { inFile } from '../files/file-error.ts';
import type { RandomAccess } from '../files/random-access.ts';
import type { DataSource } from '../files/source.ts';

export interface ImagePart {
  /** Class index of each image. */
  readonly labels: Int32Array;
  /** Opens the pixels for one reader, which closes them. */
  open(): RandomAccess;
  /** Offset of the first image in the opened file. */
  readonly offset: number;
}

/**
 * Opens a set whose parts are these files, in order.
 * @param readPart locates images and labels in a file. Its errors need not name the file; openParts adds the name
 * @param arrange converts the pixels of images to NCHW, in place
 * @throws InputError when a file is missing or invalid
 */
export async function openParts(
  about: Omit<ImageSet, 'length' | 'batches' | 'close'>,
  source: DataSource,
  names: readonly string[],
  readPart: (file: RandomAccess) => Promise<ImagePart>,
  arrange: (images: Uint8Array) => void = () => {},
): Promise<ImageSet> {
  const files: RandomAccess[] = [];
  const close = async () => {
    for (const file of files) await file.close();
  };
  try {
    const parts: ImagePart[] = [];
    for (const name of names) {
      const file = await source.open(name);
      files.push(file);
      try {
        parts.push(await readPart(file));
      } catch (error) {
        throw inFile(file.path, error);
      }
    }
    return overParts(about, parts, arrange, close);
  } catch (error) {
    await close();
    throw error;
  }
}

function overParts(
  about: Omit<ImageSet, 'length' | 'batches' | 'close'>,
  parts: readonly ImagePart[],
  arrange: (images: Uint8Array) => void,
  close: () => Promise<void>,
): ImageSet {
  const imageBytes = about.channels * about.height * about.width;
  const counts = parts.map(({ labels }) => labels.length);
  const length = counts.reduce((sum, count) => sum + count, 0);
  async function* read(asked: ReturnType<typeof range>) {
    const opened = parts.map((part) => part.open());
    const load = acrossParts(counts, imageBytes, async (part, first, count, images, labels) => {
      const { offset, labels: all } = parts[part] as ImagePart;
      await (opened[part] as RandomAccess).read(images, offset + first * imageBytes);
      arrange(images);
      labels.set(all.subarray(first, first + count));
    });
    try {
      yield* readAhead(load, imageBytes, asked);
    } finally {
      for (const reader of opened) await reader.close();
    }
  }
  return { ...about, length, batches: (size, from, to) => read(range(length, size, from, to)), close };
}
