/** The words and columns of a report, for the terminal and the page. */

import { grouped, percent, significant } from '../src/numbers.ts';
import { type BackendResult, notCompared, type Report, rowName, rowsOf } from './report.ts';
import { wilsonInterval } from './tally/statistics.ts';

/** A row with a name of its own: the backend, or file and backend. */
export interface NamedResult extends Omit<BackendResult, 'backend'> {
  readonly backend: string;
}

/** A report as readers see it. */
export interface NamedReport extends Omit<Report, 'reference' | 'results'> {
  readonly reference: string;
  readonly results: readonly NamedResult[];
  /** Whether the report is to have more than one row. */
  readonly isComparison: boolean;
  /** Names of the rows that were not compared with the reference on every image. */
  readonly uncompared: readonly string[];
}

export function withNames(report: Report): NamedReport {
  const rows = rowsOf(report);
  return {
    ...report,
    reference: rowName(report, { backend: report.reference }),
    results: report.results.map((result) => ({ ...result, backend: rowName(report, result) })),
    isComparison: rows.length > 1,
    uncompared: notCompared(report),
  };
}

/** Which images were evaluated: `the first 16 of 10,000 images of cifar-10 test`. */
export function scopeOf({
  images,
  total,
  dataImages = total,
  data,
  shard: { index, count },
}: Omit<Report, 'results' | 'reference'>): string {
  const done = images === total ? '' : `${grouped(images)} of `;
  const planned = total < dataImages ? `the first ${grouped(total)} of ${grouped(dataImages)}` : grouped(total);
  return `${done}${planned} images of ${data}${count > 1 ? `, shard ${index} of ${count}` : ''}`;
}

/** An accuracy is uncertain from this width of its 95 % interval: about 400 images at 90 %. */
const UNCERTAIN = 0.06;

/** A warning when there are too few images to rely on the accuracy; undefined when there are enough, or none. */
export function cautionOf({ results }: Pick<NamedReport, 'results'>): string | undefined {
  const intervals = results.flatMap(({ images, tally }) => (images > 0 ? [{ images, interval: wilsonInterval(tally.top1, images) }] : []));
  const widest = intervals.reduce((a, b) => (b.interval[1] - b.interval[0] > a.interval[1] - a.interval[0] ? b : a), intervals[0] as never);
  if (!widest || widest.interval[1] - widest.interval[0] < UNCERTAIN) return undefined;
  const [low, high] = widest.interval.map((bound) => (bound * 100).toFixed(1));
  return `Caution: ${grouped(widest.images)} images are few: the 95 % interval of the accuracy is ${low} to ${high} %.`;
}

export interface Column {
  readonly name: string;
  /** Null when it does not apply. */
  text(result: NamedResult): string | null;
  /** Whether the threshold holds; undefined when there is none. */
  holds?(result: NamedResult): boolean;
}

/** Columns without the comparison when there is only one backend. */
export function resultColumns({ results, thresholds }: Pick<NamedReport, 'results' | 'thresholds'>): Column[] {
  const optional = (value: number | null, text: (value: number) => string) => (value === null ? null : text(value));
  const percentage = (value: number | null) => optional(value, (fraction) => percent(fraction));
  const measured = (value: number | null) => optional(value, significant);
  const holds = (value: number | null, within: (value: number) => boolean) => value === null || within(value);
  const comparison: Column[] = [
    {
      name: 'agreement',
      text: ({ agreement }) => percentage(agreement),
      holds: ({ agreement }) => holds(agreement, (fraction) => fraction >= thresholds.agreement),
    },
    { name: 'disagree', text: ({ flips }) => optional(flips, grouped) },
    { name: 'max diff', text: ({ maxAbsDiff }) => measured(maxAbsDiff) },
    { name: 'mean diff', text: ({ meanAbsDiff }) => measured(meanAbsDiff) },
    {
      name: 'rel. error',
      text: ({ relError }) => measured(relError),
      holds: ({ relError }) => holds(relError, (error) => error <= thresholds.relError),
    },
  ];
  return [
    { name: 'images', text: ({ images }) => grouped(images) },
    { name: 'top-1', text: ({ top1 }) => percentage(top1) },
    ...(results.some(({ top5 }) => top5 !== null) ? [{ name: 'top-5', text: ({ top5 }: NamedResult) => percentage(top5) }] : []),
    ...(results.length > 1 ? comparison : []),
    { name: 'images/s', text: ({ imagesPerSecond }) => measured(imagesPerSecond) },
    { name: 'load', text: ({ loadSeconds }) => `${loadSeconds.toFixed(2)} s` },
    { name: 'memory', text: ({ peakMemoryBytes }) => (peakMemoryBytes === null ? null : `${Math.round(peakMemoryBytes / 1e6)} MB`) },
    ...(results.length > 1 ? [{ name: 'verdict', text: ({ verdict }: NamedResult) => verdict }] : []),
  ];
}
