/** Tables on stdout. They have no colours, so that a table is the same in a file and in a terminal. */
import Table, { type Cell, type HorizontalAlignment } from 'cli-table3';
import { Option } from 'commander';
import { processEnvironment } from '../../environment.ts';

export interface TableLook {
  /** Alignment of each column; left by default. */
  readonly align?: readonly HorizontalAlignment[];
  /** Lines between rows: between all, below the head only, or none. Default: all. */
  readonly lines?: 'all' | 'head' | 'none';
}

/** A table as text. */
export function drawTable(
  head: readonly string[],
  rows: readonly (readonly Cell[])[],
  { align = [], lines = 'all' }: TableLook = {},
): string {
  const table = new Table({
    head: [...head],
    colAligns: [...align],
    style: { head: [], border: [], compact: lines === 'head' },
    ...(lines === 'none' && { chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' } }),
  });
  for (const row of rows) table.push([...row]);
  return table.toString();
}

export const wideOption = (all = 'all columns') =>
  new Option('--wide', `print ${all}, even if they do not fit the terminal`).default(false);

export interface Fit extends TableLook {
  /** Heads of columns that may be left out to fit the terminal, in this order. */
  readonly optional: readonly string[];
  /** Leave none out. */
  readonly wide: boolean;
}

/**
 * A table without the optional columns that do not fit; a line below names them.
 * @param width in characters; by default that of the terminal, else COLUMNS, else without a limit
 */
export function fittedTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  { optional, wide, ...look }: Fit,
  width = terminalWidth(),
): string {
  const left = new Set<string>();
  const draw = () => {
    const kept = head.flatMap((name, i) => (left.has(name) ? [] : [i]));
    const pick = (cells: readonly string[]) => kept.map((i) => cells[i] as string);
    return drawTable(pick(head), rows.map(pick), look);
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
