/** Where two runs part: the error of every layer. */
import type { ChartOption } from '../../src/chart/chart.ts';
import type { Bisection, LayerDifference } from '../verify/bisect.ts';
import { axis, type Drawing, figure, still, text, WIDE } from './figure.ts';
import { small } from './format.ts';
import { type Html, html } from './html.ts';

export function layerSection({ a, b, images, tolerance, layers, first }: Bisection): Html {
  const finding = first
    ? html`<p><strong class="fail">✗ They part at ${first.layer} (${first.op})</strong>, the first layer beyond the tolerance.</p>`
    : html`<p><strong class="pass">✓ No layer differs</strong> by more than the tolerance.</p>`;
  const label = first ? `They part at ${first.layer}.` : 'No layer differs.';
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

/** Errors of zero stand on the floor of the logarithmic axis, this many times below the smallest other. */
const BELOW = 10;

function chart(layers: readonly LayerDifference[], tolerance: number, width: number): Drawing {
  const smallest = Math.min(tolerance, ...layers.flatMap(({ relError }) => (relError ? [relError] : [])));
  const floor = 10 ** Math.floor(Math.log10(smallest)) / BELOW;
  const option: ChartOption = {
    grid: { left: 8, right: 16, top: 24, bottom: 8, containLabel: true },
    xAxis: {
      ...axis,
      type: 'category' as const,
      data: groupNames(layers.map(({ layer }) => layer.split('.')[0] as string)),
      splitLine: { show: false },
      axisTick: { show: false },
      axisLabel: { ...text, interval: 0, hideOverlap: true },
    },
    yAxis: {
      ...axis,
      type: 'log' as const,
      min: floor,
      axisLabel: { ...text, formatter: (value: number) => (value <= floor ? '0' : value.toExponential(0)) },
    },
    series: [
      {
        ...still,
        type: 'scatter' as const,
        symbolSize: width === WIDE ? 8 : 5,
        data: layers.map(({ relError }) => {
          const within = relError !== null && relError <= tolerance;
          return {
            value: relError === null ? Number.NaN : Math.max(relError, floor),
            symbol: within ? 'circle' : 'diamond',
            itemStyle: { color: within ? 'var(--file0)' : 'var(--fail)', opacity: 1 },
          };
        }),
      },
      {
        silent: true,
        type: 'custom' as const,
        data: [[0, tolerance]],
        renderItem: ({ coordSys }, { coord }) => {
          const { x, width } = coordSys as unknown as { x: number; width: number };
          const [, y = 0] = coord([0, tolerance]);
          const style = { stroke: 'var(--muted)', lineDash: [6, 4] };
          const label = { text: `tolerance ${tolerance}`, fill: 'var(--muted)', fontSize: 12, fontFamily: 'inherit' };
          return {
            type: 'group',
            children: [
              { type: 'line', shape: { x1: x, y1: y, x2: x + width, y2: y }, style },
              { type: 'text', x: x + 6, y: y - 16, style: label },
            ],
          };
        },
      },
    ],
  };
  return { option, height: 300 };
}

/** Groups with fewer layers are not named below the chart. */
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
  ) => html`<tr${row === first && html` class="fail"`}><th scope="row">${row.layer} <small>${row.op}</small>${row === first && ' ✗'}</th><td>${row.problem ?? small(row.relError)}</td><td>${small(row.maxAbsDiff)}</td></tr>
`,
)}</tbody>
</table>
</div>`;
}
