/** Pictures as a network takes them: on white, scaled so that they cover its size, cut around the centre, grey by luma. */
import { DeviceError } from '../errors.ts';
import { luma } from '../network/luma.ts';
import type { Shape } from '../network/topology.ts';

/** As `ImageData` of a canvas: four bytes per pixel, red, green, blue, alpha. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** What `classify` takes; bitmaps and files only where there is a canvas, as in pages and workers. */
export type Picture = Pixels | Bitmap | Blob;

/** An `ImageBitmap`, in words that need no types of a page. */
export interface Bitmap {
  readonly width: number;
  readonly height: number;
  close(): void;
}

/**
 * @returns raw pixels 0..255, shape [channels, height, width]
 * @throws RangeError when the data of the pixels are not as many as its size says
 * @throws DeviceError when a bitmap or a file meets a runtime without a canvas
 * @example
 * const white = { width: 2, height: 2, data: new Uint8Array(16).fill(255) };
 * await fromPicture(white, [1, 1, 1]); // 255
 */
export async function fromPicture(picture: Picture, shape: Shape): Promise<Uint8Array> {
  return fromPixels('data' in picture ? picture : await draw(picture), shape);
}

async function draw(picture: Bitmap | Blob): Promise<Pixels> {
  if (typeof OffscreenCanvas !== 'function')
    throw new DeviceError('picture: expected pixels { width, height, data }, as there is no canvas here, got a file or a bitmap');
  const bitmap = picture instanceof Blob ? await createImageBitmap(picture) : picture;
  try {
    const { width, height } = bitmap;
    const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
    if (!context) throw new DeviceError('picture: expected a canvas, got none');
    context.drawImage(bitmap as ImageBitmap, 0, 0);
    return context.getImageData(0, 0, width, height);
  } finally {
    if (bitmap !== picture) bitmap.close();
  }
}

/** `fromPicture` for pixels. */
export function fromPixels({ width, height, data }: Pixels, [channels, outHeight, outWidth]: Shape): Uint8Array {
  if (width < 1 || height < 1 || data.length !== 4 * width * height)
    throw new RangeError(`expected ${4 * width * height} bytes of ${width} x ${height} pixels, got ${data.length}`);
  const rgb = cover(onWhite(data), width, height, outWidth, outHeight);
  const size = outWidth * outHeight;
  const at = (pixel: number, channel: number) => rgb[3 * pixel + channel] as number;
  if (channels === 1) return Uint8Array.from({ length: size }, (_, i) => luma(at(i, 0), at(i, 1), at(i, 2)));
  return Uint8Array.from({ length: 3 * size }, (_, i) => at(i % size, Math.floor(i / size)));
}

/** [height, width, 4] to [height, width, 3]. */
function onWhite(data: Pixels['data']): Uint8Array {
  const rgb = new Uint8Array((data.length / 4) * 3);
  for (let i = 0, at = 0; i < data.length; i += 4) {
    const alpha = data[i + 3] as number;
    for (let c = 0; c < 3; c++, at++) rgb[at] = Math.floor(((data[i + c] as number) * alpha + 255 * (255 - alpha)) / 255);
  }
  return rgb;
}

/** [height, width, 3] of another size, as libvips scales: to a smaller one by Lanczos's window of three lobes, to a larger one by cubics. */
function cover(rgb: Uint8Array, width: number, height: number, outWidth: number, outHeight: number): Uint8Array {
  if (width === outWidth && height === outHeight) return rgb;
  const scale = Math.max(outWidth / width, outHeight / height);
  const columns = taps(width, Math.round(width * scale), outWidth);
  const rows = taps(height, Math.round(height * scale), outHeight);
  const narrow = new Float32Array(height * outWidth * 3);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < outWidth; x++)
      for (let c = 0; c < 3; c++) {
        const { first, weights } = columns[x] as Taps;
        let sum = 0;
        for (let k = 0; k < weights.length; k++) sum += (weights[k] as number) * (rgb[(y * width + first + k) * 3 + c] as number);
        narrow[(y * outWidth + x) * 3 + c] = sum;
      }
  const out = new Uint8ClampedArray(outHeight * outWidth * 3); // it rounds and clips
  for (let y = 0; y < outHeight; y++)
    for (let i = 0; i < outWidth * 3; i++) {
      const { first, weights } = rows[y] as Taps;
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += (weights[k] as number) * (narrow[(first + k) * outWidth * 3 + i] as number);
      out[y * outWidth * 3 + i] = sum;
    }
  return new Uint8Array(out.buffer);
}

/** What one output pixel is made of along an axis: weights of the pixels from `first` on, which sum to 1. */
interface Taps {
  readonly first: number;
  readonly weights: readonly number[];
}

/** Of the middle `kept` pixels of an axis scaled from `size` to `scaled`. */
function taps(size: number, scaled: number, kept: number): Taps[] {
  const step = size / scaled;
  const [kernel, reach] = step > 1 ? [lanczos, 3 * step] : [cubic, 2];
  const skipped = Math.floor((scaled - kept + 1) / 2);
  return Array.from({ length: kept }, (_, i) => {
    const centre = (i + skipped + 0.5) * step - 0.5;
    const first = Math.max(0, Math.ceil(centre - reach));
    const last = Math.min(size - 1, Math.floor(centre + reach));
    const weights = Array.from({ length: last - first + 1 }, (_, k) => kernel((first + k - centre) / Math.max(1, step)));
    const sum = weights.reduce((a, b) => a + b, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

/** sinc(x) sinc(x / 3) inside of three lobes. */
function lanczos(x: number): number {
  if (x === 0) return 1;
  const t = Math.PI * x;
  return Math.abs(x) < 3 ? (3 * Math.sin(t) * Math.sin(t / 3)) / (t * t) : 0;
}

/** The cubic of Catmull and Rom. */
function cubic(x: number): number {
  const t = Math.abs(x);
  if (t >= 2) return 0;
  return t < 1 ? (1.5 * t - 2.5) * t * t + 1 : ((-0.5 * t + 2.5) * t - 4) * t + 2;
}
