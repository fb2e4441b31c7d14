/** The results of a sweep: one row per group of runs that differ in their seeds only. */
import { percent } from '../../numbers.ts';
import { drawTable } from '../shared/table.ts';
import type { RunState } from './sweep-folder.ts';

/** Errors are 0 to 1. */
export interface Group {
  readonly name: string;
  readonly epochs: number;
  readonly runs: number;
  readonly finished: number;
  /** Epochs trained so far, over all runs. */
  readonly trained: number;
  /** Mean test error of the finished runs; null if there are none. */
  readonly error: number | null;
  /** Standard deviation of a run's error, from at least two. */
  readonly deviation: number | null;
  readonly published: number | null;
  /** Name of the finished run with the lowest error and parity. */
  readonly best: string | null;
}

/** In the order of the first run of each. */
export function groupsOf(states: readonly RunState[]): Group[] {
  const names = [...new Set(states.map(({ group }) => group))];
  return names.map((name): Group => {
    const runs = states.filter(({ group }) => group === name);
    const errors = runs.flatMap(({ testError }) => testError ?? []);
    const [best] = runs
      .filter(({ parity, testError }) => parity && testError !== undefined)
      .sort((a, b) => Number(a.testError) - Number(b.testError));
    const { epochs, published } = runs[0] as RunState;
    return {
      name,
      epochs,
      runs: runs.length,
      finished: runs.filter(({ parity }) => parity !== undefined).length,
      trained: runs.reduce((sum, { trained }) => sum + trained, 0),
      ...spreadOf(errors),
      published,
      best: best?.name ?? null,
    };
  });
}

/** Mean and sample standard deviation. */
export function spreadOf(errors: readonly number[]): Pick<Group, 'error' | 'deviation'> {
  const { length } = errors;
  if (length === 0) return { error: null, deviation: null };
  const error = errors.reduce((sum, one) => sum + one, 0) / length;
  if (length === 1) return { error, deviation: null };
  return { error, deviation: Math.sqrt(errors.reduce((sum, one) => sum + (one - error) ** 2, 0) / (length - 1)) };
}

export function sweepTable(groups: readonly Group[]): string {
  const rows = groups.map(({ name, epochs, runs, finished, trained, error, deviation, published }) => [
    name,
    String(epochs),
    finished === runs ? `${runs}` : `${finished} of ${runs}, ${Math.floor((100 * trained) / (runs * epochs))} %`,
    error === null ? '-' : deviation === null ? percent(error) : `${(error * 100).toFixed(2)} ± ${percent(deviation)}`,
    published === null ? '-' : percent(published),
  ]);
  return drawTable(['runs', 'epochs', 'finished', 'test error', 'paper'], rows, { lines: 'head' });
}
