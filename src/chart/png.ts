/** An SVG as a PNG file, with a font of our own: a fresh machine has none. */
import { fileURLToPath } from 'node:url';
import { loadPackage } from '../packages.ts';
import { FONT } from './look.ts';

/** A PNG has this many pixels for one of the SVG. */
const PIXEL_RATIO = 2;
/** Dots per inch at which a renderer gives one pixel for one of the SVG. */
const SVG_DENSITY = 72;

/** The build puts the font beside this file. */
const fontfile = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../../dist/src/chart/DejaVuSans.ttf' : 'DejaVuSans.ttf', import.meta.url),
);

/** @throws DeviceError when sharp is not installed. */
export async function toPng(svg: string): Promise<Uint8Array> {
  const { default: sharp } = await loadPackage('sharp');
  await sharp({ text: { text: ' .', font: FONT, fontfile } }).toBuffer(); // makes the font known, also to SVG
  return sharp(Buffer.from(svg), { density: SVG_DENSITY * PIXEL_RATIO })
    .flatten({ background: '#fff' })
    .png()
    .toBuffer();
}
