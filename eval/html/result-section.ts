/** The parity table: every backend compared with the reference. */

import { type Column, type NamedReport, type NamedResult, resultColumns } from '../columns.ts';
import { percent } from './format.ts';
import { type Html, html, type Value } from './html.ts';
import { cardTable } from './table.ts';

export function resultSection(report: NamedReport): Html {
  const { results, reference, thresholds } = report;
  const compared = results.length > 1;
  const columns = resultColumns(report);
  const limits = `agreement at least ${percent(thresholds.agreement)}, relative error at most ${thresholds.relError}`;
  return html`<section>
<h2>${compared ? 'Parity' : 'Result'}</h2>
${cardTable(
  compared
    ? `Each backend compared with ${reference}. Thresholds: ${limits}.`
    : `${results.length === 0 ? 'No' : 'One'} backend ran: nothing to compare with.`,
  ['backend', ...columns.map(({ name }) => name)],
  results.map((result) => [result.backend, ...columns.map((column) => cell(column, result))]),
)}
<dl class="ran">
${results.map(
  ({ backend, detail }) => html`<dt>${backend}</dt><dd>${detail}</dd>
`,
)}</dl>
<p class="note">${
    compared &&
    `Agreement: fraction of images with the same most likely class as on ${reference}; disagree: number of the others. Differences are
between logits; the relative error is the norm of all differences over the norm of the logits of ${reference}. `
  }Speed is measured from the first batch to the last result, including reading and copying; memory is the peak of the runtime's process.</p>
</section>`;
}

const verdicts: Readonly<Record<string, Html>> = {
  pass: html`<strong class="pass">✓ pass</strong>`,
  fail: html`<strong class="fail">✗ fail</strong>`,
};

/** What breaks parity stands out, and not by colour alone. */
function cell({ name, text, holds }: Column, result: NamedResult): Value {
  const value = text(result) ?? '–';
  if (name === 'verdict') return verdicts[value] ?? value;
  return holds?.(result) === false ? html`<strong class="fail">${value}</strong>` : value;
}
