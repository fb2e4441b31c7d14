/** Charts as SVG and PNG: the one place that knows the plotting library and the renderer. */
import { createRequire } from 'node:module';
import { Resvg } from '@resvg/resvg-js';
import { type EChartsOption, init, setPlatformAPI } from 'echarts';

export type ChartOption = EChartsOption;

/** Size of a chart in CSS pixels. */
export interface ChartSize {
  readonly width: number;
  readonly height: number;
}

const FONT = 'DejaVu Sans';
/** A PNG has this many pixels for one of the SVG. */
const PIXEL_RATIO = 2;

/** What echarts writes for a mouse. A picture has none; and the names count up, so that the same chart would never be the same text. */
const MOUSE = / class="zr[^"]*"| ecmeta_\w+="[^"]*"|<style[^>]*>.*?<\/style>\n?/gs;

/** Advance width of a character of that font, of its size: the mean of letters and digits, rounded up. Without it echarts cuts labels. */
const CHARACTER_WIDTH = 0.63;
setPlatformAPI({
  measureText: (text, font) => ({ width: text.length * CHARACTER_WIDTH * (Number(/([\d.]+)px/.exec(font ?? '')?.[1]) || 12) }),
});

/** Draws a chart, described as echarts describes them, as the text of an SVG file. */
export function toSvg(option: ChartOption, { width, height }: ChartSize): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    chart.setOption({ animation: false, backgroundColor: '#fff', textStyle: { fontFamily: `${FONT}, sans-serif` }, ...option });
    return chart.renderToSVGString().replace(MOUSE, '');
  } finally {
    chart.dispose(); // echarts keeps a timer, and with it the process, until then
  }
}

/** Renders an SVG as a PNG file, with a font of our own: a fresh machine has none. */
export function toPng(svg: string): Uint8Array {
  const require = createRequire(import.meta.url);
  const fontFiles = ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'].map((file) => require.resolve(`dejavu-fonts-ttf/ttf/${file}`));
  const font = { fontFiles, loadSystemFonts: false, defaultFontFamily: FONT };
  return new Resvg(svg, { font, fitTo: { mode: 'zoom', value: PIXEL_RATIO } }).render().asPng();
}
