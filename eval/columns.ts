/** The columns of a parity table, for the terminal and for the page. */
import type { BackendResult, Report } from './report.ts';

export interface Column {
  readonly name: string;
  /** Null where it does not apply. */
  text(result: BackendResult): string | null;
  /** Whether the threshold holds; undefined when there is none. */
  holds?(result: BackendResult): boolean;
}

/** Without the comparison when there is one backend. */
export function resultColumns({ results, thresholds }: Pick<Report, 'results' | 'thresholds'>): Column[] {
  const percent = (value: number | null) => (value === null ? null : `${(value * 100).toFixed(2)} %`);
  const small = (value: number | null) => value?.toExponential(1) ?? null;
  const holds = (value: number | null, within: (value: number) => boolean) => value === null || within(value);
  const comparison: Column[] = [
    {
      name: 'agreement',
      text: ({ agreement }) => percent(agreement),
      holds: ({ agreement }) => holds(agreement, (fraction) => fraction >= thresholds.agreement),
    },
    { name: 'flips', text: ({ flips }) => flips?.toLocaleString('en-US') ?? null },
    { name: 'max diff', text: ({ maxAbsDiff }) => small(maxAbsDiff) },
    { name: 'mean diff', text: ({ meanAbsDiff }) => small(meanAbsDiff) },
    {
      name: 'rel. error',
      text: ({ relError }) => small(relError),
      holds: ({ relError }) => holds(relError, (error) => error <= thresholds.relError),
    },
  ];
  return [
    { name: 'images', text: ({ images }) => images.toLocaleString('en-US') },
    { name: 'top-1', text: ({ top1 }) => percent(top1) },
    ...(results.some(({ top5 }) => top5 !== null) ? [{ name: 'top-5', text: ({ top5 }: BackendResult) => percent(top5) }] : []),
    ...(results.length > 1 ? comparison : []),
    { name: 'images/s', text: ({ imagesPerSecond }) => imagesPerSecond?.toFixed(1) ?? null },
    { name: 'load', text: ({ loadSeconds }) => `${loadSeconds.toFixed(2)} s` },
    { name: 'memory', text: ({ peakMemoryBytes }) => (peakMemoryBytes === null ? null : `${Math.round(peakMemoryBytes / 1e6)} MB`) },
    ...(results.length > 1 ? [{ name: 'verdict', text: ({ verdict }: BackendResult) => verdict }] : []),
  ];
}
