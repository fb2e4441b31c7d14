/** A report as one self-contained page: no scripts, no requests, no second file. */

import { grouped } from '../../src/numbers.ts';
import { cautionOf, type NamedReport, scopeOf, withNames } from '../columns.ts';
import type { RunRecord } from '../record.ts';
import type { FileFacts, Report } from '../report.ts';
import { wilsonInterval } from '../tally/interval.ts';
import type { Bisection } from '../verify/bisect.ts';
import { confusionSection } from './confusion-section.ts';
import { disagreementSection } from './disagreement-section.ts';
import { fileSize, interval, measured, percent } from './format.ts';
import { Html, html } from './html.ts';
import { layerSection } from './layer-section.ts';
import { resultSection } from './result-section.ts';
import { style } from './style.ts';
import { tradeOffSection } from './trade-off-section.ts';

export interface PageOptions extends RunRecord {
  /** Reports of other files on the same data, to show beside this one. */
  readonly others?: readonly Report[] | undefined;
  readonly bisection?: Bisection | undefined;
}

/** Whatever text the file and the data set hold, the browser runs no script and sends no request. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/** The same report and record give the same page, byte for byte. */
export async function reportPage(report: Report, options: PageOptions): Promise<string> {
  const { others = [], bisection, date } = options;
  const named = withNames(report);
  const { text } = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<title>${titleOf(report)} on ${report.data}</title>
<style>${new Html(style)}</style>
</head>
<body>
${header(named)}
<main>
${resultSection(named)}
${await disagreementSection(named)}
${bisection && layerSection(bisection)}
${tradeOffSection([report, ...others])}
${confusionSection(named)}
${subjectSection(named, options)}
</main>
<footer><p class="note">Written by wrn-onnx ${report.version} on ${minute(date)}.</p></footer>
</body>
</html>
`;
  return text;
}

const titleOf = ({ model, against }: Pick<Report, 'model' | 'against'>) => (against ? `${model} and ${against.model}` : model);
/** To the minute, in UTC: readers may be in another time zone. */
const minute = (date: string) => `${date.slice(0, 10)} ${date.slice(11, 16)} UTC`;

function header(report: NamedReport): Html {
  const network = [report.network, report.form].filter(Boolean).join(', ');
  const caution = cautionOf(report);
  return html`<header>
<h1>${titleOf(report)}</h1>
<p>${network && `${network}; `}${scopeOf(report)}</p>
${verdict(report)}
${caution && html`<p class="caution">${caution}</p>`}
<ul class="tiles">
${tiles(report).map(
  ([value, what]) => html`<li><b>${value}</b> <span>${what}</span></li>
`,
)}</ul>
</header>`;
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

function subjectSection(report: NamedReport, { command, machine, date }: PageOptions): Html {
  const { batch, version, complete, against } = report;
  const file = ({ model, bytes, sha256, network, form }: FileFacts): [name: string, value: string][] => [
    ['file', `${model}, ${grouped(bytes)} bytes`],
    ['SHA-256', sha256],
    ['network', [network ?? 'a classifier of another project', form].filter(Boolean).join(', ')],
  ];
  const facts: [name: string, value: string][] = [
    ...file(report),
    ...(against ? file(against) : []),
    ['data', `${scopeOf(report)}${complete ? '' : '; interrupted'}`],
    ['batch size', String(batch)],
    ['software', `wrn-onnx ${version}`],
    ['machine', machine],
    ['date', minute(date)],
  ];
  return html`<section>
<h2>What was evaluated</h2>
<dl>
${facts.map(
  ([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>
`,
)}</dl>
<pre>${command}</pre>
</section>`;
}
