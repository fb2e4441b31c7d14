/** Draws measurements as a chart: one bar per file, one group per setting. */
import { scaleLinear } from 'd3-scale';
import { chart, colourOf, heading, headingHeight, horizontalAxis, legend } from '../../src/chart/chart.ts';
import { type Look, onPaper } from '../../src/chart/look.ts';
import { label, type Mark, mark } from '../../src/chart/svg.ts';
import { counted, significant } from '../../src/numbers.ts';
import type { Measurement } from './bench.ts';

const WIDTH = 860;
/** Pixels: a bar with the space to the next, the bar itself, and the space above a group for its name. */
const [BAR, THICKNESS, GROUP] = [30, 20, 36];
/** Room on the right for the value of the longest bar. */
const VALUE = 130;

/** What the bars show. */
export const KEY = 'median of the runs, line: quartiles; longer is better; in parentheses: speed relative to the first file';

/**
 * Images per second as an SVG file.
 * @param about lines below the title: machine, date and what else a reader needs to judge the numbers
 */
export function benchChart(measurements: readonly Measurement[], about: readonly string[]): string {
  const lines = [KEY, ...about];
  const { marks, height } = speedBars(measurements, { top: headingHeight(lines.length) + 16, width: WIDTH, margin: 16 }, onPaper);
  return chart({ width: WIDTH, height }, onPaper, ...heading('Images per second', lines, onPaper), ...marks);
}

/**
 * A group of bars per setting, a bar per file as long as the median of the runs, with a line from the lower to the upper quartile,
 * and the legend below.
 * @returns also the height of the whole drawing, in pixels
 */
export function speedBars(
  measurements: readonly Measurement[],
  { top, width, margin }: { readonly top: number; readonly width: number; readonly margin: number },
  look: Look,
): { marks: Mark[]; height: number } {
  const settings = [...new Set(measurements.map(settingOf))];
  const files = [...new Set(measurements.map(({ file }) => file))];
  const plot = { left: margin, right: width - VALUE };
  const most = Math.max(...measurements.map((one) => slowAndFast(one)[1]));
  const ticks = width < 500 ? 3 : 6;
  const x = scaleLinear([0, most], [plot.left, plot.right]).nice(ticks);
  let y = top;
  const bars = settings.flatMap((setting) => {
    y += GROUP;
    const name = label(setting, plot.left + 6, y - 10, { fill: look.ink });
    const group = measurements.filter((one) => settingOf(one) === setting);
    return [
      name,
      ...group.flatMap((one) => {
        const [low, high] = slowAndFast(one).map(x) as [number, number];
        const end = x(one.imagesPerSecond);
        const middle = y + THICKNESS / 2;
        y += BAR;
        const fill = colourOf(files.indexOf(one.file), look);
        return [
          mark('rect', { x: plot.left, y: middle - THICKNESS / 2, width: end - plot.left, height: THICKNESS, fill }),
          mark('line', { x1: low, x2: high, y1: middle, y2: middle, stroke: look.ink, 'stroke-width': 2 }),
          ...[low, high].map((at) => mark('line', { x1: at, x2: at, y1: middle - 5, y2: middle + 5, stroke: look.ink, 'stroke-width': 2 })),
          label(`${significant(one.imagesPerSecond)}  (${one.speedup.toFixed(2)}x)`, Math.max(end, high) + 8, middle + 4, {
            fill: look.ink,
          }),
        ];
      }),
    ];
  });
  const names = legend(files, { left: plot.left, top: y + 48, width: width - 2 * margin }, look);
  const axis = horizontalAxis({ ticks: x.ticks(ticks), place: x, format: x.tickFormat(ticks) }, { top, bottom: y }, look);
  return { marks: [...axis, ...bars, ...names.marks], height: y + 48 + names.height };
}

/** Images per second of the slower and of the faster quarter of the runs. */
function slowAndFast({ batch, seconds }: Measurement): [low: number, high: number] {
  return [batch / seconds.high, batch / seconds.low];
}

/** The setting of a measurement in words. */
export function settingOf({ backend, threads, batch }: Measurement): string {
  return `${backend}${threads ? `, ${counted(threads, 'thread')}` : ''}, batch size ${batch}`;
}
