import Table from 'cli-table3';
import type { Report } from '../../eval/evaluate.ts';

/** A report as a table, with the thresholds and what really ran. */
export function parityTable({ model, data, images, reference, thresholds, results, verdict }: Report): string {
  const percent = (value: number | null) => (value === null ? '-' : `${(value * 100).toFixed(2)} %`);
  const small = (value: number | null) => (value === null ? '-' : value.toExponential(1));
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
    `${model} on ${images.toLocaleString('en-US')} images of ${data}`,
    table.toString(),
    ...results.map(({ backend, detail }) => `  ${backend}: ${detail}`),
    results.length > 1 ? `parity with ${reference}: ${verdict} (${limits})` : 'one backend: nothing to compare with',
    '',
  ].join('\n');
}
