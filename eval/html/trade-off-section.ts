/** Accuracy against speed against size. */
import type { ChartOption } from '../../src/chart/chart.ts';
import type { FileFacts, Report } from '../report.ts';
import { wilsonInterval } from '../tally/interval.ts';
import { axis, type Drawing, figure, still, text, WIDE } from './figure.ts';
import { fileSize, interval, percent, rounded } from './format.ts';
import { type Html, html } from './html.ts';
import { cardTable } from './table.ts';

/** A file on a backend. */
interface Row {
  readonly file: string;
  /** Of the report: two may be of files of the same name. */
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

/** @param reports of different files on the same data, the first of which gives the order of the backends */
export function tradeOffSection(reports: readonly Report[]): Html | undefined {
  const files = reports.flatMap(filesOf);
  const all = files.flatMap(rowsOf);
  const rows = [...new Set(all.map(({ backend }) => backend))].flatMap((name) => all.filter(({ backend }) => backend === name));
  if (rows.length === 0) return undefined;
  const several = files.length > 1;
  const told = rows.map((r) => `${r.file} on ${r.backend}: ${percent(r.top1)}, ${speed(r)} images a second, ${fileSize(r.bytes)}`);
  const caption = [
    'Beside the accuracy its 95 % interval: where intervals overlap much, so many images do not tell which is better.',
    several
      ? 'Speeds are of the machine that measured them.'
      : 'Results of other files, in other forms for example, can be drawn beside this one: eval --report with --compare.',
  ].join(' ');
  return html`<section>
<h2>Accuracy against speed${several && ' against size'}</h2>
${figure((width) => chart(rows, several, width), told.join('; '), caption)}
${several && table(rows)}
</section>`;
}

/** A report of two files is drawn as two. */
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

const speed = ({ imagesPerSecond }: Row) => rounded(imagesPerSecond);

/** Colours of files in the style sheet. */
const COLOURS = 6;
/** Pixels. */
const ROW = 40;
const [TITLE, TICKS] = [40, 28];
const GAP = 56;

/** A panel a quantity, a row a file on a backend: side by side, or on a phone one below the other. */
function chart(rows: readonly Row[], several: boolean, width: number): Drawing {
  const wide = width === WIDE;
  const colour = ({ index }: Row) => `var(--file${index % COLOURS})`;
  const low = Math.min(...rows.map((row) => row.interval[0] * 100));
  const high = Math.max(...rows.map((row) => row.interval[1] * 100));
  const panels = [
    { title: 'top-1 accuracy, %', min: Math.max(0, Math.floor(low)), max: Math.min(100, Math.ceil(high)) },
    { title: 'images a second', value: (row: Row) => row.imagesPerSecond, label: speed },
    ...(several ? [{ title: 'size of the file, MB', value: (row: Row) => row.bytes / 1e6, label: (row: Row) => fileSize(row.bytes) }] : []),
  ];
  const labels = several ? (wide ? 200 : 104) : wide ? 110 : 92;
  const panelWidth = (width - labels - 8) / (wide ? panels.length : 1) - GAP;
  const height = TITLE + rows.length * ROW;
  const place = (i: number) => ({ left: labels + (wide ? i * (panelWidth + GAP) : 0), top: TITLE + (wide ? 0 : i * (height + TICKS)) });
  const on = (i: number) => ({ ...still, xAxisIndex: i, yAxisIndex: i });
  const option: ChartOption = {
    title: panels.map(({ title }, i) => ({
      text: title,
      left: place(i).left - 5,
      top: place(i).top - 32,
      textStyle: { ...text, fontWeight: 'normal' as const },
    })),
    grid: panels.map((_, i) => ({ ...place(i), width: panelWidth, height: rows.length * ROW })),
    xAxis: panels.map(({ min = 0, max }, i) => ({
      ...axis,
      axisLabel: { ...text, showMinLabel: min === 0, showMaxLabel: max === undefined },
      type: 'value' as const,
      gridIndex: i,
      min,
      ...(max === undefined ? {} : { max }),
      splitNumber: 3,
    })),
    yAxis: panels.map((_, i) => ({
      ...axis,
      type: 'category' as const,
      gridIndex: i,
      inverse: true,
      data: rows.map(({ file, backend }) => (several ? `${backend}\n${ending(file, wide ? 24 : 12)}` : backend)),
      axisTick: { show: false },
      axisLabel: {
        ...text,
        show: i === 0 || !wide,
        color: 'var(--ink)',
        interval: 0,
        lineHeight: 15,
      },
    })),
    series: [
      {
        silent: true,
        type: 'custom' as const,
        data: rows.map((row, y) => [row.interval[0] * 100, y, row.interval[1] * 100]),
        renderItem: ({ dataIndex }, { coord, value }) => {
          const [[x1 = 0, y1 = 0], [x2 = 0]] = [coord([value(0), value(1)]), coord([value(2), value(1)])];
          return { type: 'line', shape: { x1, y1, x2, y2: y1 }, style: { stroke: colour(rows[dataIndex] as Row), lineWidth: 2 } };
        },
      },
      {
        ...on(0),
        type: 'scatter' as const,
        symbolSize: 9,
        label: { show: true, position: 'top' as const, color: 'var(--ink)', fontSize: 12 },
        data: rows.map((row, y) => ({
          value: [row.top1 * 100, y],
          itemStyle: { color: colour(row), opacity: 1 },
          label: { formatter: () => (row.top1 * 100).toFixed(2) },
        })),
      },
      ...panels.slice(1).map(({ value, label }, i) => ({
        ...on(i + 1),
        type: 'bar' as const,
        barWidth: 16,
        label: { show: true, position: 'right' as const, color: 'var(--ink)', fontSize: 12 },
        data: rows.map((row) => ({
          value: value?.(row) ?? 0,
          itemStyle: { color: colour(row) },
          label: { formatter: () => label?.(row) ?? '' },
        })),
      })),
    ],
  };
  return { option, height: (wide ? height : panels.length * (height + TICKS) - TICKS) + TICKS };
}

/** Names of forms of one network differ at their end. */
const ending = (name: string, length: number) => (name.length > length ? `…${name.slice(1 - length)}` : name);

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
