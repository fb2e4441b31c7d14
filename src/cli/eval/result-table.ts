/** The result of `eval` and `merge` on stdout, and as exit code. */
import { cautionOf, type NamedReport, resultColumns, scopeOf, withNames } from '../../../eval/columns.ts';
import type { RunRecord } from '../../../eval/record.ts';
import type { Report } from '../../../eval/report.ts';
import type { Bisection } from '../../../eval/verify/bisect.ts';
import { ParityError } from '../../errors.ts';
import { percent } from '../../numbers.ts';
import { printable } from '../../printable.ts';
import { printJson, printText } from '../shared/results.ts';
import { fittedTable } from '../shared/table.ts';
import { type BisectionWidth, describeBisection } from './bisect.ts';

/** @param record follows the report in the JSON */
export function printReport(
  report: Report,
  record: RunRecord,
  { format, bisection, wide }: { format: 'human' | 'json'; bisection?: Bisection | undefined } & BisectionWidth,
): void {
  if (format === 'json') printJson({ ...report, ...record, bisection });
  else printText([resultTable(report, wide), ...(bisection ? [describeBisection(bisection, { wide })] : [])].join('\n'));
}

/**
 * A report of one row always passes: there is nothing to compare.
 * @throws ParityError that names the rows beyond the thresholds, or those not compared
 */
export function requireParity(report: Report): void {
  const { results, verdict, isComparison, uncompared } = withNames(report);
  const failed = results.filter((result) => result.verdict === 'fail').map(({ backend }) => backend);
  if (verdict === 'fail') throw new ParityError(`parity failed: ${failed.join(', ')} beyond the thresholds`);
  if (verdict === null && isComparison) throw new ParityError(`parity not shown: ${uncompared.join(', ')} not compared on all images`);
}

/** Columns left out on a narrow terminal, in this order. */
const OPTIONAL = ['mean diff', 'memory', 'load', 'max diff', 'top-5', 'images', 'images/s', 'disagree'];

/** A report as a table, with the thresholds and the runtimes that ran. */
export function resultTable(report: Report, wide = false): string {
  const named = withNames(report);
  const { model, against, shard, reference, thresholds, results, isComparison } = named;
  const columns = resultColumns(named);
  const head = ['backend', ...columns.map(({ name }) => name)];
  const rows = results.map((result) => [result.backend, ...columns.map(({ text }) => text(result) ?? '-')]);
  const limits = `agreement at least ${percent(thresholds.agreement)}, relative error at most ${thresholds.relError}`;
  const caution = cautionOf(named);
  return [
    printable(`${against ? `${model} and ${against.model}` : model} on ${scopeOf(named)}`),
    fittedTable(head, rows, { optional: OPTIONAL, wide }),
    ...results.map(({ backend, detail }) => `  ${backend}: ${printable(detail)}`),
    isComparison
      ? `parity with ${reference}: ${shard.count > 1 ? 'see wrn-onnx merge' : describeVerdict(named)} (${limits})`
      : 'one backend: nothing to compare with',
    ...(caution ? [caution] : []),
    '',
  ].join('\n');
}

function describeVerdict({ verdict, uncompared }: NamedReport): string {
  return verdict ?? `not compared on all images: ${uncompared.join(', ')}`;
}
