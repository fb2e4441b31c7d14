/** Pixels of a network's input as pictures of the page. */
import type { ImageShape } from '../../../src/data/dataset.ts';

/** @param pixels raw 0..255, shape [channels, height, width], one channel or three */
export function imageOf(pixels: Uint8Array, { channels, height, width }: ImageShape): ImageData {
  const image = new ImageData(width, height);
  const size = width * height;
  for (let i = 0; i < size; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = pixels[channels === 3 ? c * size + i : i] as number;
    image.data[4 * i + 3] = 255;
  }
  return image;
}

/** The same as a PNG file, which keeps every pixel. */
export async function pngOf(image: ImageData): Promise<Blob> {
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext('2d')?.putImageData(image, 0, 0);
  return canvas.convertToBlob({ type: 'image/png' });
}
