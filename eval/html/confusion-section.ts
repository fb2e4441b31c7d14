/** The confusion matrix. */

import { grouped } from '../../src/numbers.ts';
import type { NamedReport } from '../columns.ts';
import type { Confusion, ConfusionCell } from '../tally/confusion.ts';
import { classLabel, percent } from './format.ts';
import { Html, html } from './html.ts';

/** With more classes the matrix is drawn as a picture, one square per cell. */
const MOST_IN_TABLE = 20;
/** Rows of the lists below. */
const LONGEST_LIST = 10;

export function confusionSection({ results, reference, classLabels }: NamedReport): Html | undefined {
  const own = results.find(({ backend }) => backend === reference)?.tally.confusion;
  if (!own || own.cells().length === 0) return undefined;
  const others = results.filter(({ backend }) => backend !== reference);
  const same = others.filter(({ tally }) => differences(own, tally.confusion).length === 0).map(({ backend }) => backend);
  return html`<section>
<h2>Confusion matrix</h2>
<p>Number of images by true class (rows) and predicted class (columns), on ${reference}. Shades grow with the square root of the share of the class.</p>
${own.classes <= MOST_IN_TABLE ? table(own, classLabels) : picture(own)}
<div class="lists">
${mostConfused(own, classLabels)}
${others.map(({ backend, tally }) => comparison(own, tally.confusion, { backend, reference }, classLabels))}
</div>
${same.length > 0 && html`<p>All counts are the same on ${same.join(', ')}.</p>`}
</section>`;
}

type Labels = NamedReport['classLabels'];

/** Number of images per class, for classes that have any. */
function classSizes(confusion: Confusion): Map<number, number> {
  const sizes = new Map<number, number>();
  for (const [label, , images] of confusion.cells()) sizes.set(label, (sizes.get(label) ?? 0) + images);
  return sizes;
}

/** Strength of a cell's shade, 0 to 1. */
const shade = (share: number) => Math.sqrt(share);
/** Opacity of a full shade, low enough to read the numbers on it. */
const MOST_UNDER_TEXT = 0.5;

function table(confusion: Confusion, labels: Labels): Html {
  const sizes = classSizes(confusion);
  const classes = [...Array(confusion.classes).keys()];
  const cell = (label: number, decision: number) => {
    const images = confusion.images(label, decision);
    const percentage = Math.round(100 * MOST_UNDER_TEXT * shade(images / (sizes.get(label) ?? 1)));
    return html`<td class="${label === decision ? 'hit' : 'miss'}" style="--share:${percentage}">${images === 0 ? '' : images}</td>`;
  };
  const right = (label: number) => (sizes.has(label) ? ((confusion.images(label, label) / (sizes.get(label) ?? 1)) * 100).toFixed(1) : '–');
  return html`<table class="matrix">
<colgroup><col class="label"><col span="${classes.length}"><col class="rate"></colgroup>
<thead><tr><td></td>${classes.map((c) => html`<th scope="col"><span title="${classLabel(labels, c)}">${classLabel(labels, c, 12)}</span></th>`)}<th scope="col"><span>right, %</span></th></tr></thead>
<tbody>
${classes.map(
  (
    label,
  ) => html`<tr><th scope="row">${classLabel(labels, label, 24)}</th>${classes.map((c) => cell(label, c))}<td class="rate">${right(label)}</td></tr>
`,
)}</tbody>
</table>`;
}

/** Number of shades in the picture. */
const LEVELS = 8;

/** Squares in the colours of the style sheet; one path per shade, since there may be a hundred thousand cells. */
function picture(confusion: Confusion): Html {
  const { classes } = confusion;
  const sizes = classSizes(confusion);
  const paths = new Map<string, string>();
  for (const [label, decision, images] of confusion.cells()) {
    const level = Math.ceil(LEVELS * shade(images / (sizes.get(label) as number)));
    const attributes = `fill="var(--${label === decision ? 'hit' : 'miss'})" fill-opacity="${level / LEVELS}"`;
    paths.set(attributes, `${paths.get(attributes) ?? ''}M${decision} ${label}h1v1h-1z`);
  }
  const drawn = [...paths].map(([attributes, d]) => `<path ${attributes} d="${d}"/>`).join('');
  const title = `Confusion matrix of ${classes} classes`;
  return html`<svg class="picture" role="img" aria-label="${title}" viewBox="0 0 ${classes} ${classes}">${new Html(drawn)}</svg>`;
}

function mostConfused(confusion: Confusion, labels: Labels): Html | undefined {
  const sizes = classSizes(confusion);
  const wrong = confusion.cells().filter(([label, decision]) => label !== decision);
  const most = wrong.sort((a, b) => b[2] - a[2]).slice(0, LONGEST_LIST);
  if (most.length === 0) return undefined;
  const rows = most.map(([label, decision, images]) => ({
    label,
    decision,
    counts: [grouped(images), percent(images / (sizes.get(label) as number), 1)],
  }));
  return list('Most frequent mistakes', ['images', 'of the class'], rows, labels);
}

/** Cells whose counts differ, with both counts; largest difference first. */
function differences(a: Confusion, b: Confusion): (readonly [label: number, decision: number, a: number, b: number])[] {
  const pairs = (cells: readonly ConfusionCell[]) =>
    cells.map(([label, decision]) => [label, decision, a.images(label, decision), b.images(label, decision)] as const);
  const all = [...pairs(a.cells()), ...pairs(b.cells()).filter(([, , own]) => own === 0)];
  const distance = ([, , x, y]: (typeof all)[number]) => Math.abs(x - y);
  return all.filter((pair) => distance(pair) > 0).sort((x, y) => distance(y) - distance(x));
}

function comparison(
  own: Confusion,
  other: Confusion,
  { backend, reference }: { backend: string; reference: string },
  labels: Labels,
): Html | undefined {
  const found = differences(own, other);
  if (found.length === 0) return undefined;
  const rows = found.slice(0, LONGEST_LIST).map(([label, decision, a, b]) => ({ label, decision, counts: [grouped(a), grouped(b)] }));
  const rest = found.length > rows.length ? `; the ${rows.length} largest of ${found.length} differences` : '';
  return list(`Different counts on ${backend}${rest}`, [reference, backend], rows, labels);
}

function list(
  caption: string,
  counted: readonly string[],
  rows: readonly { readonly label: number; readonly decision: number; readonly counts: readonly string[] }[],
  labels: Labels,
): Html {
  return html`<table>
<caption>${caption}</caption>
<thead><tr><th scope="col" class="text">true class</th><th scope="col" class="text">predicted</th>${counted.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>
${rows.map(
  ({
    label,
    decision,
    counts,
  }) => html`<tr><th scope="row">${classLabel(labels, label)}</th><td class="text">${classLabel(labels, decision)}</td>${counts.map((count) => html`<td>${count}</td>`)}</tr>
`,
)}</tbody>
</table>`;
}
