/** Pixels as pictures. */
import { loadPackage } from '../../src/packages.ts';
import { toInput } from '../runtime/runtime.ts';
import { type Html, html } from './html.ts';

/** An image as networks take it. */
export interface Pixels {
  /** 0..255, shape [channels, height, width]. */
  readonly pixels: Uint8Array;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/** Approximate width of an image on the page, in pixels. */
const DRAWN = 128;

/** The exact pixels as an element of the page; the first channel only when there are not three. */
export async function picture(image: Pixels, alt: string): Promise<Html> {
  const factor = Math.max(1, Math.floor(DRAWN / image.width));
  const source = `data:image/png;base64,${(await png(image)).toString('base64')}`;
  return html`<img src="${source}" width="${factor * image.width}" height="${factor * image.height}" alt="${alt}">`;
}

async function png({ pixels, channels, height, width }: Pixels): Promise<Buffer> {
  const inColour = channels === 3;
  const values = inColour
    ? toInput(pixels, 1, { name: '', type: 'uint8', layout: 'nhwc', channels, height, width })
    : pixels.subarray(0, height * width);
  const { default: sharp } = await loadPackage('sharp');
  const image = sharp(values as Uint8Array, { raw: { channels: inColour ? 3 : 1, height, width } });
  return image.png().toBuffer();
}
