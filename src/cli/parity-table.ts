import Table from 'cli-table3';
import type { Report } from '../../eval/result.ts';
import { ParityError } from '../errors.ts';

export function printReport(report: Report, format: 'human' | 'json'): void {
  process.stdout.write(format === 'json' ? `${JSON.stringify(report)}\n` : parityTable(report));
}

/** @throws ParityError that names the backends that are beyond the thresholds */
export function requireParity({ results, verdict }: Report): void {
  const failed = results.filter((result) => result.verdict === 'fail').map(({ backend }) => backend);
  if (verdict === 'fail') throw new ParityError(`parity failed: ${failed.join(', ')} beyond the thresholds`);
}

/** A report as a table, with the thresholds and what really ran. */
function parityTable({ model, data, images, shard, reference, thresholds, results, verdict }: Report): string {
  const percent = (value: number | null) => (value === null ? '-' : `${(value * 100).toFixed(2)} %`);
  const small = (value: number | null) => (value === null ? '-' : value.toExponential(1));
  const isShard = shard.count > 1;
  const hasTop5 = results.some(({ top5 }) => top5 !== null);
  const table = new Table({
    head: [
      'backend',
      'images',
      'top-1',
      ...(hasTop5 ? ['top-5'] : []),
      'agreement',
      'flips',
      'max diff',
      'mean diff',
      'rel. error',
      'images/s',
      'load',
      'memory',
      'verdict',
    ],
    style: { head: [], border: [] },
  });
  for (const r of results) {
    table.push([
      r.backend,
      r.images.toLocaleString('en-US'),
      percent(r.top1),
      ...(hasTop5 ? [percent(r.top5)] : []),
      percent(r.agreement),
      r.flips ?? '-',
      small(r.maxAbsDiff),
      small(r.meanAbsDiff),
      small(r.relError),
      r.imagesPerSecond?.toFixed(1) ?? '-',
      `${r.loadSeconds.toFixed(2)} s`,
      r.peakMemoryBytes === null ? '-' : `${Math.round(r.peakMemoryBytes / 1e6)} MB`,
      r.verdict ?? '-',
    ]);
  }
  const limits = `agreement at least ${percent(thresholds.agreement)}, relative error at most ${thresholds.relError}`;
  return [
    `${model} on ${images.toLocaleString('en-US')} images of ${data}${isShard ? `, shard ${shard.index} of ${shard.count}` : ''}`,
    table.toString(),
    ...results.map(({ backend, detail }) => `  ${backend}: ${detail}`),
    results.length > 1
      ? `parity with ${reference}: ${isShard ? 'see wrn-onnx merge' : verdict} (${limits})`
      : 'one backend: nothing to compare with',
    '',
  ].join('\n');
}
