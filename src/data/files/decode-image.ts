/** Image files to pixels, with sharp. */
import { readFile } from 'node:fs/promises';
import type { Sharp } from 'sharp';
import { InputError, UsageError } from '../../errors.ts';
import { luma } from '../../network/luma.ts';
import { loadPackage } from '../../packages.ts';
import type { ImageShape } from '../dataset.ts';

/** 100 megapixels: more than any camera has, and decoding stays below half a gigabyte. */
const MAX_PIXELS = 1e8;

/** File names that `decodeImage` supports. */
export const IMAGE_FILE = /\.(png|jpe?g|jfif|webp|gif|tiff?|avif)$/i;
/** The same formats by name, for help and errors. */
export const IMAGE_FORMATS = 'PNG, JPEG, WebP, GIF, TIFF, AVIF';

/** Advice for a file whose name says an image format that sharp does not read; else an empty text. */
export function inOtherFormat(name: string): string {
  const [, extension] = /\.(bmp|dib|ppm|pgm|pbm|pnm|heic|heif|jxl|jp2|psd|svg|tga|ico)$/i.exec(name) ?? [];
  return extension === undefined ? '' : `. Convert ${extension.toUpperCase()} files to PNG first, which keeps every pixel`;
}

/** Background for transparent pixels. */
const BACKGROUND = '#ffffff';

/** A crop of a scaled image. */
export interface Crop {
  /** Shorter side of the scaled image in pixels, at least the sides of the crop. */
  readonly shorterSide: number;
  /** Position of the crop as fractions 0..1 of the possible offsets; 0.5 is the centre. Uniform fractions below 1 make all offsets equally likely. */
  readonly top: number;
  readonly left: number;
}

/**
 * Decodes an image file as a viewer shows it: rotated by its orientation tag, with white behind transparent pixels.
 * Without a crop, an image of the requested size keeps its pixels. Another is scaled to cover the size and centre-cropped.
 * A grey image fills three equal channels. A colour image becomes grey by its luma.
 * @param image path or bytes of the file
 * @param name of the image, for errors
 * @returns pixels 0..255, shape [channels, height, width]
 * @throws InputError when it cannot be decoded; DeviceError when sharp is not installed
 */
export async function decodeImage(
  image: string | Uint8Array,
  { channels, height, width }: ImageShape,
  name: string,
  crop?: Crop,
): Promise<Uint8Array> {
  if (channels !== 1 && channels !== 3) throw new UsageError(`image files: expected a network with 1 or 3 input channels, got ${channels}`);
  const { default: sharp } = await loadPackage('sharp');
  try {
    const bytes = typeof image === 'string' ? await readFile(image) : image; // given a path, sharp would open the file twice
    const pipeline = sharp(bytes, { limitInputPixels: MAX_PIXELS }).autoOrient().flatten({ background: BACKGROUND }).toColourspace('srgb');
    const sized = crop ? await scaleAndCut(pipeline, crop, height, width) : pipeline.resize(width, height, { fit: 'cover' });
    const rgb = await sized.raw().toBuffer();
    return channels === 3 ? planes(rgb) : grey(rgb);
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new InputError('image', name, `expected an image (${IMAGE_FORMATS}), got: ${reason}`, { cause: error });
  }
}

/**
 * Stored size of an image file. A grey image has 1 channel, all others have 3.
 * @throws InputError when it is not an image
 */
export async function imageShape(image: Uint8Array, name: string): Promise<ImageShape> {
  const { default: sharp } = await loadPackage('sharp');
  try {
    const { width, height, channels } = await sharp(image).metadata();
    return { channels: channels < 3 ? 1 : 3, height, width };
  } catch (error) {
    throw new InputError('image', name, `expected an image (${IMAGE_FORMATS}), got: ${(error as Error).message.split('\n')[0]}`, {
      cause: error,
    });
  }
}

async function scaleAndCut(pipeline: Sharp, { shorterSide, top, left }: Crop, height: number, width: number): Promise<Sharp> {
  const { autoOrient: original } = await pipeline.metadata();
  const scale = shorterSide / Math.min(original.width, original.height);
  const [scaledWidth, scaledHeight] = [Math.round(original.width * scale), Math.round(original.height * scale)];
  const place = (fraction: number, from: number, size: number) => Math.floor(fraction * (from - size + 1));
  return pipeline
    .resize(scaledWidth, scaledHeight, { fit: 'fill' })
    .extract({ left: place(left, scaledWidth, width), top: place(top, scaledHeight, height), width, height });
}

/** [height, width, 3] to [3, height, width]. */
function planes(rgb: Uint8Array): Uint8Array {
  const size = rgb.length / 3;
  const out = new Uint8Array(rgb.length);
  for (let i = 0; i < size; i++) for (let c = 0; c < 3; c++) out[c * size + i] = rgb[3 * i + c] as number;
  return out;
}

/** [height, width, 3] to [1, height, width]. */
function grey(rgb: Uint8Array): Uint8Array {
  return Uint8Array.from({ length: rgb.length / 3 }, (_, i) =>
    luma(rgb[3 * i] as number, rgb[3 * i + 1] as number, rgb[3 * i + 2] as number),
  );
}
