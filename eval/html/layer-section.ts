/** The first difference of two runs, and the error of every layer. */
import { scaleLog, scalePoint } from 'd3-scale';
import { colourOf, verticalAxis } from '../../src/chart/chart.ts';
import { inPage as look } from '../../src/chart/look.ts';
import { label, mark } from '../../src/chart/svg.ts';
import type { Bisection, LayerDifference } from '../verify/bisect.ts';
import { type Drawing, figure, WIDE } from './figure.ts';
import { measured } from './format.ts';
import { type Html, html } from './html.ts';

export function layerSection({ a, b, images, tolerance, layers, first }: Bisection): Html {
  const finding = first
    ? html`<p><strong class="fail">✗ First difference: ${first.layer} (${first.op})</strong>, the first layer beyond the tolerance.</p>`
    : html`<p><strong class="pass">✓ No layer differs</strong> by more than the tolerance.</p>`;
  const label = first ? `First difference: ${first.layer}.` : 'No layer differs.';
  return html`<section>
<h2>Layer by layer</h2>
<p>A: ${a}<br>B: ${b}</p>
${finding}
${figure(
  (width) => chart(layers, tolerance, width),
  `Relative error of ${layers.length} layers. ${label}`,
  `Relative error of each layer's output, B against A, in order of execution, over ${images === 1 ? 'one image' : `${images} images`}; beyond the tolerance: diamonds.`,
)}
${table(layers, first)}
</section>`;
}

/** Errors of zero are drawn at the floor of the logarithmic axis, this factor below the smallest other error. */
const BELOW = 10;

const HEIGHT = 300;

function chart(layers: readonly LayerDifference[], tolerance: number, width: number): Drawing {
  const errors = layers.flatMap(({ relError }) => (relError ? [relError] : []));
  const floor = 10 ** Math.floor(Math.log10(Math.min(tolerance, ...errors))) / BELOW;
  const top = 10 ** Math.ceil(Math.log10(Math.max(tolerance, ...errors)));
  const plot = { left: 56, right: width - 12, top: 16, bottom: HEIGHT - 28 };
  const x = scalePoint(layers.keys(), [plot.left, plot.right]).padding(0.5);
  const y = scaleLog([floor, top], [plot.bottom, plot.top]);
  const place = (i: number) => x(i) ?? 0;
  const decades = Array.from({ length: Math.round(Math.log10(top / floor)) + 1 }, (_, i) => floor * 10 ** i);
  const every = Math.ceil(decades.length / 7);
  const size = width === WIDE ? 4 : 2.5;
  const marks = [
    ...verticalAxis(
      { ticks: decades.filter((_, i) => i % every === 0), place: y, format: (value) => (value <= floor ? '0' : value.toExponential(0)) },
      plot,
      look,
    ),
    ...groupNames(layers.map(({ layer }) => layer.split('.')[0] as string)).map((name, i) =>
      label(name, place(i), HEIGHT - 8, { 'text-anchor': 'middle' }),
    ),
    ...layers.flatMap(({ relError }, i) => {
      if (relError === null) return [];
      const at = { cx: place(i), cy: y(Math.max(relError, floor)) };
      if (relError <= tolerance) return [mark('circle', { ...at, r: size, fill: colourOf(0, look) })];
      const diamond = [at.cx, at.cy - size, at.cx + size, at.cy, at.cx, at.cy + size, at.cx - size, at.cy].map((v) => v.toFixed(2));
      return [mark('polygon', { points: diamond.join(' '), fill: look.fail })];
    }),
    mark('line', { x1: plot.left, x2: plot.right, y1: y(tolerance), y2: y(tolerance), stroke: look.muted, 'stroke-dasharray': '6 4' }),
    label(`tolerance ${tolerance}`, plot.left + 6, y(tolerance) - 6),
  ];
  return { marks, height: HEIGHT };
}

/** Smallest number of layers for a group to be named below the chart. */
const FEWEST = 6;

/** The name of each run of equal names in its middle, and nothing elsewhere. */
function groupNames(groups: readonly string[]): string[] {
  const names = groups.map(() => '');
  for (let from = 0, to = 0; from < groups.length; from = to) {
    while (to < groups.length && groups[to] === groups[from]) to++;
    if (to - from >= FEWEST) names[(from + to) >> 1] = groups[from] as string;
  }
  return names;
}

function table(layers: readonly LayerDifference[], first: LayerDifference | null): Html {
  return html`<div class="scroll" role="region" aria-label="Error of each layer" tabindex="0">
<table>
<thead><tr><th scope="col">layer</th><th scope="col">rel. error</th><th scope="col">max diff</th></tr></thead>
<tbody>
${layers.map(
  (
    row,
  ) => html`<tr${row === first && html` class="fail"`}><th scope="row">${row.layer} <small>${row.op}</small>${row === first && ' ✗'}</th><td>${row.problem ?? measured(row.relError)}</td><td>${measured(row.maxAbsDiff)}</td></tr>
`,
)}</tbody>
</table>
</div>`;
}
