/** An SVG as a PNG file, with a font of our own: a fresh machine has none. */
import { builtFile } from '../package-files.ts';
import { loadPackage } from '../packages.ts';
import { FONT } from './look.ts';

/** A PNG has this many pixels for one of the SVG. */
const PIXEL_RATIO = 2;
/** Dots per inch at which a renderer gives one pixel for one of the SVG. */
const SVG_DENSITY = 72;

const fontfile = builtFile('src/chart/DejaVuSans.ttf');

/** @throws DeviceError when sharp is not installed. */
export async function toPng(svg: string): Promise<Uint8Array> {
  const { default: sharp } = await loadPackage('sharp');
  await sharp({ text: { text: ' .', font: FONT, fontfile } }).toBuffer(); // makes the font known, also to SVG
  return sharp(Buffer.from(svg), { density: SVG_DENSITY * PIXEL_RATIO })
    .flatten({ background: '#fff' })
    .png()
    .toBuffer();
}
