/** A report as one self-contained page: no scripts, no requests, no second file. */

import { grouped } from '../../src/numbers.ts';
import { cautionOf, type NamedReport, scopeOf, withNames } from '../columns.ts';
import type { RunRecord } from '../record.ts';
import type { Report } from '../report.ts';
import { wilsonInterval } from '../tally/statistics.ts';
import type { Bisection } from '../verify/bisect.ts';
import { confusionSection } from './confusion-section.ts';
import { disagreementSection } from './disagreement-section.ts';
import { type Fact, factsOf, htmlDocument, recordSection, tileList } from './document.ts';
import { fileSize, interval, measured, percent } from './format.ts';
import { type Html, html } from './html.ts';
import { layerSection } from './layer-section.ts';
import { resultSection } from './result-section.ts';
import { tradeOffSection } from './trade-off-section.ts';

export interface PageOptions extends RunRecord {
  /** Reports of other files on the same data, to show beside this one. */
  readonly others?: readonly Report[] | undefined;
  readonly bisection?: Bisection | undefined;
}

/** The same report and record give the same page, byte for byte. */
export async function reportPage(report: Report, options: PageOptions): Promise<string> {
  const { others = [], bisection } = options;
  const named = withNames(report);
  return htmlDocument({
    title: `${titleOf(report)} on ${report.data}`,
    header: header(named),
    main: [
      resultSection(named),
      await disagreementSection(named),
      bisection && layerSection(bisection),
      tradeOffSection([report, ...others]),
      confusionSection(named),
      subjectSection(named, options),
    ],
    version: report.version,
    date: options.date,
  });
}

const titleOf = ({ model, against }: Pick<Report, 'model' | 'against'>) => (against ? `${model} and ${against.model}` : model);

function header(report: NamedReport): Html {
  const network = [report.network, report.form].filter(Boolean).join(', ');
  const caution = cautionOf(report);
  return html`
<h1>${titleOf(report)}</h1>
<p>${network && `${network}; `}${scopeOf(report)}</p>
${verdict(report)}
${caution && html`<p class="caution">${caution}</p>`}
${tileList(tiles(report))}
`;
}

function verdict({ isComparison, results, reference, verdict, uncompared }: NamedReport): Html {
  if (!isComparison) return html``;
  if (verdict === null) return html`<p class="verdict">Not compared with ${reference} on all images: ${uncompared.join(', ')}</p>`;
  const failed = results.filter((result) => result.verdict === 'fail').map(({ backend }) => backend);
  return verdict === 'pass'
    ? html`<p class="verdict pass">✓ Parity with ${reference} holds</p>`
    : html`<p class="verdict fail">✗ Parity with ${reference} fails: ${failed.join(', ')}</p>`;
}

/** The numbers that readers look for first. */
function tiles({ results, reference, bytes, bitsPerWeight, thresholds }: NamedReport): [value: string, what: string][] {
  const own = results.find(({ backend }) => backend === reference);
  const others = results.filter((result) => result !== own && result.images > 0);
  const tiles: [string, string][] = [];
  if (own?.top1 !== null && own !== undefined)
    tiles.push([percent(own.top1), `top-1 accuracy; 95 % interval ${interval(wilsonInterval(own.tally.top1, own.images))}`]);
  tiles.push([fileSize(bytes), bitsPerWeight === null ? 'file' : `file, ${bitsPerWeight.toFixed(3)} bits per weight`]);
  if (others.length > 0) {
    const disagreements = Math.max(...others.map((result) => result.flips ?? 0));
    const error = Math.max(...others.map(({ relError }) => relError ?? 0));
    tiles.push([
      percent(Math.min(...others.map(({ agreement }) => agreement ?? 1))),
      `lowest agreement; ${grouped(disagreements)} images decided differently`,
    ]);
    tiles.push([measured(error), `largest relative error of the logits; limit ${thresholds.relError}`]);
  }
  return tiles;
}

function subjectSection(report: NamedReport, record: RunRecord): Html {
  const { batch, version, complete, against } = report;
  const facts: Fact[] = [
    ...factsOf(report),
    ...(against ? factsOf(against) : []),
    ['data', `${scopeOf(report)}${complete ? '' : '; interrupted'}`],
    ['batch size', String(batch)],
  ];
  return recordSection('What was evaluated', facts, version, record);
}
