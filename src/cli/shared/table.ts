/** Tables on stdout that fit the terminal. */
import Table from 'cli-table3';
import { Option } from 'commander';
import { processEnvironment } from '../../environment.ts';

/** No colours: the table is the same in a file and in a terminal. */
export const plain = { style: { head: [], border: [] } };

export const wideOption = (all = 'all columns') =>
  new Option('--wide', `print ${all}, even if they do not fit the terminal`).default(false);

export interface Fit {
  /** Heads of columns that may be left out to fit the terminal, in this order. */
  readonly optional: readonly string[];
  /** Leave none out. */
  readonly wide: boolean;
  /** No lines between rows. */
  readonly compact?: boolean;
}

/**
 * A table without the optional columns that do not fit; a line below names them.
 * @param width in characters; by default that of the terminal, else COLUMNS, else without a limit
 */
export function fittedTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  { optional, wide, compact = false }: Fit,
  width = terminalWidth(),
): string {
  const left = new Set<string>();
  const draw = () => {
    const kept = head.flatMap((name, i) => (left.has(name) ? [] : [i]));
    const pick = (cells: readonly string[]) => kept.map((i) => cells[i] as string);
    const table = new Table({ head: pick(head), style: { ...plain.style, compact } });
    for (const row of rows) table.push(pick(row));
    return table.toString();
  };
  let text = draw();
  for (const name of wide ? [] : optional.filter((one) => head.includes(one))) {
    if (text.indexOf('\n') <= width) break; // every line has the length of the first
    left.add(name);
    text = draw();
  }
  return left.size === 0 ? text : `${text}\n  left out to fit the terminal: ${[...left].join(', ')}. Use --wide to show all`;
}

function terminalWidth(): number {
  return process.stdout.columns ?? (Number(processEnvironment()['COLUMNS']) || Number.POSITIVE_INFINITY);
}
