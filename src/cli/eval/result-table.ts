import Table from 'cli-table3';
import { resultColumns } from '../../../eval/columns.ts';
import { notCompared, type Report } from '../../../eval/report.ts';
import type { Bisection } from '../../../eval/verify/bisect.ts';
import { ParityError, printable } from '../../errors.ts';
import { printJson, printText } from '../shared/results.ts';
import { describeBisection } from './bisect.ts';

export function printReport(report: Report, format: 'human' | 'json', bisection?: Bisection): void {
  if (format === 'json') printJson({ ...report, bisection });
  else printText([resultTable(report), ...(bisection ? [describeBisection(bisection)] : [])].join('\n'));
}

/**
 * Passes a report of one backend, which asks for no parity.
 * @throws ParityError that names the backends that are beyond the thresholds, or that were not compared
 */
export function requireParity(report: Report): void {
  const { backends, results, verdict } = report;
  const failed = results.filter((result) => result.verdict === 'fail').map(({ backend }) => backend);
  if (verdict === 'fail') throw new ParityError(`parity failed: ${failed.join(', ')} beyond the thresholds`);
  if (verdict === null && backends.length > 1)
    throw new ParityError(`parity not shown: ${notCompared(report).join(', ')} not compared on all images`);
}

/** A report as a table, with the thresholds and what really ran. */
export function resultTable(report: Report): string {
  const { model, data, images, shard, backends, reference, thresholds, results } = report;
  const isShard = shard.count > 1;
  const columns = resultColumns(report);
  const table = new Table({ head: ['backend', ...columns.map(({ name }) => name)], style: { head: [], border: [] } });
  for (const result of results) table.push([result.backend, ...columns.map(({ text }) => text(result) ?? '-')]);
  const limits = `agreement at least ${(thresholds.agreement * 100).toFixed(2)} %, relative error at most ${thresholds.relError}`;
  return [
    `${printable(model)} on ${images.toLocaleString('en-US')} images of ${printable(data)}${isShard ? `, shard ${shard.index} of ${shard.count}` : ''}`,
    table.toString(),
    ...results.map(({ backend, detail }) => `  ${backend}: ${printable(detail)}`),
    backends.length > 1
      ? `parity with ${reference}: ${isShard ? 'see wrn-onnx merge' : describeVerdict(report)} (${limits})`
      : 'one backend: nothing to compare with',
    '',
  ].join('\n');
}

function describeVerdict(report: Report): string {
  return report.verdict ?? `not compared on all images: ${notCompared(report).join(', ')}`;
}
