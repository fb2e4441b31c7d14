/** Draws measurements as a chart: one bar per file, one group per setting. */
import { scaleLinear } from 'd3-scale';
import { chart, colourOf, heading, headingHeight, horizontalAxis, legend } from '../../src/chart/chart.ts';
import { onPaper as look } from '../../src/chart/look.ts';
import { label, mark } from '../../src/chart/svg.ts';
import { significant } from '../../src/numbers.ts';
import { countOfThreads, type Measurement } from './bench.ts';

const WIDTH = 860;
/** Pixels: a bar with the space to the next, the bar itself, and the space above a group for its name. */
const [BAR, THICKNESS, GROUP] = [30, 20, 36];
/** Room on the right for the value of the longest bar. */
const VALUE = 130;

/**
 * Images per second as an SVG file: bars for the median of the runs, with a line from the lower to the upper quartile.
 * @param about lines below the title: machine, date and what else a reader needs to judge the numbers
 */
export function benchChart(measurements: readonly Measurement[], about: readonly string[]): string {
  const settings = [...new Set(measurements.map(settingOf))];
  const files = [...new Set(measurements.map(({ file }) => file))];
  const lines = ['median of the runs, line: quartiles; longer is better; in parentheses: speed relative to the first file', ...about];
  const plot = { left: 16, right: WIDTH - VALUE, top: headingHeight(lines.length) + 16 };
  const most = Math.max(...measurements.map((one) => quartiles(one)[1]));
  const x = scaleLinear([0, most], [plot.left, plot.right]).nice(6);
  let y = plot.top;
  const bars = settings.flatMap((setting) => {
    y += GROUP;
    const name = label(setting, plot.left + 6, y - 10, { fill: look.ink });
    const group = measurements.filter((one) => settingOf(one) === setting);
    return [
      name,
      ...group.flatMap((one) => {
        const [low, high] = quartiles(one).map(x) as [number, number];
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
  const names = legend(files, { left: plot.left, top: y + 48, width: WIDTH - 32 }, look);
  return chart(
    { width: WIDTH, height: y + 48 + names.height },
    look,
    ...heading('Images per second', lines, look),
    ...horizontalAxis({ ticks: x.ticks(6), place: x, format: x.tickFormat(6) }, { top: plot.top, bottom: y }, look),
    ...bars,
    ...names.marks,
  );
}

/** Images per second of the slower and of the faster quarter of the runs. */
function quartiles({ batch, seconds }: Measurement): [low: number, high: number] {
  return [batch / seconds.high, batch / seconds.low];
}

function settingOf({ backend, threads, batch }: Measurement): string {
  return `${backend}${threads ? `, ${countOfThreads(threads)}` : ''}, batch size ${batch}`;
}
