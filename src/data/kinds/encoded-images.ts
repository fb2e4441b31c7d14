/** Data sets whose images are image files, on disk or in a container: decoded, scaled and cropped when they are read. */
import { join } from 'node:path';
import { InputError, UsageError } from '../../errors.ts';
import { range, readAhead } from '../batches.ts';
import { type ImageFiles, type ImageSet, type ImageShape, requireCover } from '../dataset.ts';
import { type Crop, decodeImage } from '../files/decode-image.ts';
import { randomStream } from '../random.ts';
import type { OpenOptions } from './dataset-format.ts';

/** An image file that is not decoded yet. */
export interface EncodedImage {
  /** Path, or content. */
  readonly image: string | Uint8Array;
  /** For errors. */
  readonly name: string;
  readonly label: number;
}

/** Image files in order. */
export interface EncodedImages {
  readonly length: number;
  /** Images `from` to `to`. */
  read(from: number, to: number): AsyncIterable<EncodedImage>;
}

type About = Omit<ImageSet, 'length' | 'batches' | 'crops' | 'isEncoded'>;

/** Key of the random stream for crop positions. */
const CROPS = 25;

/**
 * Checks how images are to be scaled.
 * @throws UsageError when the scales do not cover the shape, or crops have no scale
 */
export function checkScales({ shorterSides = [], crops }: OpenOptions, shape: ImageShape): void {
  for (const shorterSide of shorterSides) requireCover(shorterSide, shape);
  if (crops !== undefined && shorterSides.length === 0)
    throw new UsageError('crops: expected a shorter side to scale images to, got none. Set --shorter-side');
}

/** A set of these images, scaled and cropped as the options say. */
export function encodedSet(about: About, images: EncodedImages, options: OpenOptions): ImageSet {
  const shape = { channels: about.channels, height: about.height, width: about.width };
  checkScales(options, shape);
  const crops = Math.max(1, (options.shorterSides?.length ?? 0) * (options.crops ?? 1));
  const imageBytes = shape.channels * shape.height * shape.width;
  async function* read(asked: ReturnType<typeof range>) {
    const reader = images.read(asked.from, asked.to)[Symbol.asyncIterator]();
    const load = async (offset: number, count: number, imagesNCHW: Uint8Array, labels: Int32Array) => {
      const taken: EncodedImage[] = [];
      while (taken.length < count) {
        const next = await reader.next();
        if (next.done) throw new InputError('data', about.name, `expected ${images.length} images, got ${offset + taken.length}`);
        taken.push(next.value);
      }
      labels.set(taken.map(({ label }) => label));
      await Promise.all(
        taken.flatMap(({ image, name }, i) =>
          cropsOf(offset + i, options).map(async (crop, c) => {
            imagesNCHW.set(await decodeImage(image, shape, name, crop), (i * crops + c) * imageBytes);
          }),
        ),
      );
    };
    try {
      yield* readAhead(load, crops * imageBytes, asked);
    } finally {
      await reader.return?.();
    }
  }
  return {
    ...about,
    name: about.name + cropsName(options),
    isEncoded: true,
    length: images.length,
    crops,
    batches: (size, from, to) => read(range(images.length, size, from, to)),
  };
}

/** The crops of an image; undefined scales it to cover the shape. Random positions depend only on the image's index, so all shards agree. */
function cropsOf(index: number, { shorterSides, crops }: OpenOptions): (Crop | undefined)[] {
  if (!shorterSides) return [undefined];
  if (crops === undefined) return shorterSides.map((shorterSide) => ({ shorterSide, top: 0.5, left: 0.5 }));
  const random = randomStream(CROPS, index);
  return shorterSides.flatMap((shorterSide) =>
    Array.from({ length: crops }, () => ({ shorterSide, top: random.uniform(), left: random.uniform() })),
  );
}

/** Suffix for the set's name, so that results from different crops are not mixed up. */
function cropsName({ shorterSides, crops }: OpenOptions): string {
  if (!shorterSides) return '';
  const sides = `shorter side ${shorterSides.join(', ')}`;
  return crops === undefined ? ` (${sides})` : ` (${sides}, ${crops} random crops)`;
}

/** Images decoded in parallel, about the number of cores of a usual machine. */
const AT_ONCE = 8;

/**
 * Decodes every image once, to find those that cannot be decoded.
 * @param say gets the name of each of them and the reason
 * @returns their indices
 */
export async function findBroken(
  images: AsyncIterable<EncodedImage>,
  shape: ImageShape,
  say: NonNullable<OpenOptions['skipBroken']>,
): Promise<Set<number>> {
  const broken = new Set<number>();
  const check = async ({ image, name }: EncodedImage, index: number) => {
    await decodeImage(image, shape, name).catch((error: unknown) => {
      if (!(error instanceof InputError)) throw error;
      broken.add(index);
      say(name, error.problem);
    });
  };
  let waiting: EncodedImage[] = [];
  let done = 0;
  const checkWaiting = async () => {
    await Promise.all(waiting.map((image, i) => check(image, done + i)));
    done += waiting.length;
    waiting = [];
  };
  for await (const image of images) if (waiting.push(image) === AT_ONCE) await checkWaiting();
  await checkWaiting();
  return broken;
}

/**
 * Leaves out the images that cannot be decoded.
 * @param say gets the name of each of them and the reason
 * @throws InputError when none is left
 */
export async function withoutBroken(
  images: EncodedImages,
  shape: ImageShape,
  say: NonNullable<OpenOptions['skipBroken']>,
): Promise<EncodedImages> {
  const broken = await findBroken(images.read(0, images.length), shape, say);
  if (broken.size === 0) return images;
  const kept = Uint32Array.from({ length: images.length }, (_, i) => i).filter((i) => !broken.has(i));
  if (kept.length === 0) throw new InputError('data', 'images', 'expected one that can be decoded, got none');
  return {
    length: kept.length,
    async *read(from, to) {
      let index = kept[from] ?? 0;
      for await (const image of images.read(index, (kept[to - 1] ?? -1) + 1)) if (!broken.has(index++)) yield image;
    },
  };
}

/** Characters of names to join before they become bytes: 1.3 million small buffers would take several times as much memory. */
const MAX_PIECE = 1 << 16;

/** The files of `ImageSet.listFiles`, from the paths within a folder, class by class or in any order. */
export function imageFiles(folder: string, entries: Iterable<readonly [path: string, label: number]>): ImageFiles {
  const pieces: Buffer[] = [];
  const ends: number[] = [];
  const labels: number[] = [];
  let [text, end] = ['', 0];
  for (const [path, label] of entries) {
    text += path;
    end += Buffer.byteLength(path);
    ends.push(end);
    labels.push(label);
    if (text.length < MAX_PIECE) continue;
    pieces.push(Buffer.from(text));
    text = '';
  }
  pieces.push(Buffer.from(text));
  const files = {
    folder,
    names: new Uint8Array(new SharedArrayBuffer(end)),
    ends: new Uint32Array(new SharedArrayBuffer(ends.length * Uint32Array.BYTES_PER_ELEMENT)),
    labels: new Int32Array(new SharedArrayBuffer(labels.length * Int32Array.BYTES_PER_ELEMENT)),
  };
  files.names.set(Buffer.concat(pieces));
  files.ends.set(ends);
  files.labels.set(labels);
  return files;
}

/** Full path of an image file. */
export function pathOf({ folder, names, ends }: ImageFiles, index: number): string {
  return join(folder, Buffer.from(names.subarray(ends[index - 1] ?? 0, ends[index])).toString());
}
