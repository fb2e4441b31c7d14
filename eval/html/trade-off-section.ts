/** Accuracy, speed and size. */
import { type ScaleLinear, scaleLinear } from 'd3-scale';
import { colourOf, ending, horizontalAxis } from '../../src/chart/chart.ts';
import { inPage as look } from '../../src/chart/look.ts';
import { label, type Mark, mark } from '../../src/chart/svg.ts';
import { significant } from '../../src/numbers.ts';
import type { FileFacts, Report } from '../report.ts';
import { wilsonInterval } from '../tally/statistics.ts';
import { type Drawing, figure, WIDE } from './figure.ts';
import { fileSize, interval, percent } from './format.ts';
import { type Html, html } from './html.ts';
import { cardTable } from './table.ts';

/** A file on a backend. */
interface Row {
  readonly file: string;
  /** Index of the file: two files may have the same name. */
  readonly index: number;
  readonly form: string | null;
  readonly bytes: number;
  readonly bitsPerWeight: number | null;
  readonly backend: string;
  readonly imagesPerSecond: number;
  readonly top1: number;
  /** 95 % interval of `top1`. */
  readonly interval: readonly [low: number, high: number];
}

/** @param reports of different files on the same data; the first one sets the order of the backends */
export function tradeOffSection(reports: readonly Report[]): Html | undefined {
  const files = reports.flatMap(filesOf);
  const all = files.flatMap(rowsOf);
  const rows = [...new Set(all.map(({ backend }) => backend))].flatMap((name) => all.filter(({ backend }) => backend === name));
  if (rows.length === 0) return undefined;
  const several = files.length > 1;
  const told = rows.map((r) => `${r.file} on ${r.backend}: ${percent(r.top1)}, ${speed(r)} images per second, ${fileSize(r.bytes)}`);
  const caption = [
    'Lines show the 95 % interval of the accuracy: when intervals overlap a lot, there are too few images to tell which is better.',
    several
      ? 'Speeds depend on the machine that each file was measured on.'
      : 'To show results of other files or forms here, use eval --report with --compare.',
  ].join(' ');
  return html`<section>
<h2>Accuracy and speed${several && ', and file size'}</h2>
${figure((width) => chart(rows, several, width), told.join('; '), caption)}
${several && table(rows)}
</section>`;
}

/** A report on two files is drawn as two. */
function filesOf({ against, results, ...facts }: Report): (FileFacts & Pick<Report, 'results'>)[] {
  const own = { ...facts, results: results.filter(({ model }) => model === undefined) };
  return against ? [own, { ...against, results: results.filter(({ model }) => model !== undefined) }] : [own];
}

function rowsOf(report: FileFacts & Pick<Report, 'results'>, index: number): Row[] {
  const { model: file, form, bytes, bitsPerWeight, results } = report;
  const common = { file, form, bytes, bitsPerWeight, index };
  return results.flatMap(({ backend, tally, images, top1, imagesPerSecond }) =>
    top1 === null || imagesPerSecond === null
      ? []
      : [{ ...common, backend, imagesPerSecond, top1, interval: wilsonInterval(tally.top1, images) }],
  );
}

const speed = ({ imagesPerSecond }: Row) => significant(imagesPerSecond);

/** Pixels. */
const ROW = 40;
const [TITLE, TICKS] = [40, 28];
const GAP = 56;
const THICKNESS = 16;

/** A quantity: the domain of its axis, and how to draw a row. */
interface Panel {
  readonly title: string;
  readonly domain: [number, number];
  readonly draw: (row: Row, x: ScaleLinear<number, number>, y: number) => Mark[];
}

/** A panel per quantity, a row per file on a backend: side by side, or on a phone one below the other. */
function chart(rows: readonly Row[], several: boolean, width: number): Drawing {
  const wide = width === WIDE;
  const speeds = { title: 'images per second', value: (row: Row) => row.imagesPerSecond, text: speed };
  const sizes = { title: 'size of the file, MB', value: (row: Row) => row.bytes / 1e6, text: (row: Row) => fileSize(row.bytes) };
  const panels = [accuracies(rows), ...[speeds, ...(several ? [sizes] : [])].map((quantity) => bars(rows, quantity))];
  const labels = several ? (wide ? 200 : 104) : wide ? 110 : 92;
  const panelWidth = (width - labels - 8) / (wide ? panels.length : 1) - GAP;
  const height = TITLE + rows.length * ROW;
  const marks = panels.flatMap(({ title, domain, draw }, i) => {
    const left = labels + (wide ? i * (panelWidth + GAP) : 0);
    const top = TITLE + (wide ? 0 : i * (height + TICKS));
    const x = scaleLinear(domain, [left, left + panelWidth]).nice(3);
    const middle = (row: number) => top + (row + 0.5) * ROW;
    return [
      label(title, left, top - 16),
      ...horizontalAxis({ ticks: x.ticks(3), place: x, format: x.tickFormat(3) }, { top, bottom: top + rows.length * ROW }, look),
      ...(i === 0 || !wide ? rows.flatMap((row, y) => names(row, several, wide, left - 8, middle(y))) : []),
      ...rows.flatMap((row, y) => draw(row, x, middle(y))),
    ];
  });
  return { marks, height: (wide ? height : panels.length * (height + TICKS) - TICKS) + TICKS };
}

function names({ backend, file }: Row, several: boolean, wide: boolean, x: number, middle: number): Mark[] {
  const end = { 'text-anchor': 'end', fill: look.ink };
  if (!several) return [label(backend, x, middle + 4, end)];
  return [label(backend, x, middle - 3, end), label(ending(file, wide ? 24 : 12), x, middle + 12, end)];
}

const colour = ({ index }: Row) => colourOf(index, look);

/** A point with its 95 % interval. */
function accuracies(rows: readonly Row[]): Panel {
  const low = Math.min(...rows.map((row) => row.interval[0] * 100));
  const high = Math.max(...rows.map((row) => row.interval[1] * 100));
  return {
    title: 'top-1 accuracy, %',
    domain: [Math.floor(low), Math.ceil(high)],
    draw: (row, x, y) => [
      mark('line', { x1: x(row.interval[0] * 100), x2: x(row.interval[1] * 100), y1: y, y2: y, stroke: colour(row), 'stroke-width': 2 }),
      mark('circle', { cx: x(row.top1 * 100), cy: y, r: 4.5, fill: colour(row) }),
      label((row.top1 * 100).toFixed(2), x(row.top1 * 100), y - 9, { 'text-anchor': 'middle', fill: look.ink }),
    ],
  };
}

function bars(rows: readonly Row[], quantity: { title: string; value: (row: Row) => number; text: (row: Row) => string }): Panel {
  return {
    title: quantity.title,
    domain: [0, Math.max(...rows.map(quantity.value))],
    draw: (row, x, y) => {
      const end = x(quantity.value(row));
      return [
        mark('rect', { x: x(0), y: y - THICKNESS / 2, width: end - x(0), height: THICKNESS, fill: colour(row) }),
        label(quantity.text(row), end + 5, y + 4, { fill: look.ink }),
      ];
    },
  };
}

function table(rows: readonly Row[]): Html {
  const head = ['file', 'form', 'size', 'bits per weight', 'backend', 'top-1', '95 % interval', 'images/s'];
  const cells = rows.map((r) => [
    r.file,
    r.form ?? '–',
    fileSize(r.bytes),
    r.bitsPerWeight?.toFixed(3) ?? '–',
    r.backend,
    percent(r.top1),
    interval(r.interval),
    speed(r),
  ]);
  return cardTable('The same in numbers', head, cells);
}
