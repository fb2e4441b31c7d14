/** Chart of error over epochs for training runs, like figure 5 of the paper (McDonnell, ICLR 2018). */
import { scaleLinear, scaleLog } from 'd3-scale';
import { chart, colourOf, heading, headingHeight, horizontalAxis, legend, TEXT, verticalAxis } from '../chart/chart.ts';
import { onPaper as look } from '../chart/look.ts';
import { label, type Mark, mark, path, widthOf } from '../chart/svg.ts';
import type { LogEntry } from './run/log.ts';

export interface Run {
  readonly name: string;
  readonly log: readonly LogEntry[];
}

type Point = readonly [x: number, y: number];

const WIDTH = 860;
const HEIGHT = 480;
const EXPLANATION = [
  'solid: test error at the end of every learning rate cycle and of the run',
  'dashed: error on the augmented training images in every epoch',
];
const RADIUS = { test: 4, training: 2 };

/**
 * An SVG chart of the test errors at the end of every cycle and of the run, with their values, and of the training error per
 * epoch. The epoch axis is logarithmic, because each cycle is twice as long as the one before.
 */
export function curveChart(runs: readonly Run[]): string {
  const several = runs.length > 1;
  const names = legend(
    runs.map(({ name }) => name),
    { left: 64, top: HEIGHT + 16, width: WIDTH - 96 },
    look,
  );
  const plot = { left: 64, right: WIDTH - 56, top: headingHeight(EXPLANATION.length) + 16, bottom: HEIGHT - 52 };
  const epochs = runs.flatMap(({ log }) => log.map(({ epoch }) => epoch));
  const errors = runs.flatMap(({ log }) => log.map((entry) => 100 * (entry.kind === 'test' ? entry.testError : entry.trainError)));
  const x = scaleLog([1, Math.max(2, ...epochs)], [plot.left, plot.right]).base(2);
  const y = scaleLinear([0, Math.max(1, ...errors)], [plot.bottom, plot.top]).nice();
  const ends = runs.flatMap(({ log }) => log.flatMap((entry) => (entry.kind === 'test' ? [entry.epoch] : [])));
  const ticks = [...new Set([1, ...ends])].sort((a, b) => a - b);
  const lines = runs.map(({ log }) => ({
    test: log.flatMap((entry): Point[] => (entry.kind === 'test' ? [[x(entry.epoch), y(entry.testError * 100)]] : [])),
    training: log.flatMap((entry): Point[] => (entry.kind === 'epoch' ? [[x(entry.epoch), y(entry.trainError * 100)]] : [])),
    values: log.flatMap((entry) => (entry.kind === 'test' ? [(entry.testError * 100).toFixed(2)] : [])),
  }));
  const labels = placeLabels(
    lines.flatMap(({ test, values }, i) => test.map((at, j) => ({ at, text: values[j] as string, colour: colourOf(i, look) }))),
    lines.flatMap(({ test, training }) => [test, training]),
    plot,
  );
  return chart(
    { width: WIDTH, height: HEIGHT + (several ? names.height + 16 : 0) },
    look,
    ...heading(several ? 'Training' : (runs[0]?.name ?? ''), EXPLANATION, look),
    ...verticalAxis({ ticks: y.ticks(6), place: y, format: String }, plot, look),
    ...horizontalAxis({ ticks: apart(ticks, x), place: x, format: String }, { top: plot.bottom, bottom: plot.bottom + 5 }, look),
    label('epochs', (plot.left + plot.right) / 2, plot.bottom + 44, { 'text-anchor': 'middle' }),
    label('error, %', 0, 0, { 'text-anchor': 'middle', transform: `translate(24 ${(plot.top + plot.bottom) / 2}) rotate(-90)` }),
    ...lines.flatMap(({ test, training }, i) => {
      const stroke = colourOf(i, look);
      return [
        path(training, { stroke, 'stroke-dasharray': '5 4' }),
        ...training.map(([cx, cy]) => mark('circle', { cx, cy, r: RADIUS.training, fill: look.paper, stroke })),
        path(test, { stroke, 'stroke-width': 2 }),
        ...test.map(([cx, cy]) => mark('circle', { cx, cy, r: RADIUS.test, fill: stroke })),
      ];
    }),
    ...labels,
    ...(several ? names.marks : []),
  );
}

/** Ticks with enough distance from the previous one for their labels. The last tick is always kept. */
function apart(ticks: readonly number[], place: (value: number) => number): number[] {
  const kept: number[] = [];
  for (const tick of [...ticks].reverse()) {
    const after = kept[0];
    if (after === undefined || place(after) - place(tick) > widthOf(`${tick}${after}`, TEXT) / 2 + 8) kept.unshift(tick);
  }
  return kept;
}

/** A rectangle in pixels. */
interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** Places each value beside its point where it covers least. Covering another value is worse than a point, a point worse than a line. */
function placeLabels(
  labels: readonly { readonly at: Point; readonly text: string; readonly colour: string }[],
  lines: readonly (readonly Point[])[],
  plot: Box,
): Mark[] {
  const taken = lines.flatMap((line) => [
    ...line.map((point) => ({ box: boxAround(point, RADIUS.test, RADIUS.test), cost: 5 })),
    ...line.flatMap((point, i) => between(line[i - 1] ?? point, point).map((at) => ({ box: boxAround(at, 1, 1), cost: 1 }))),
  ]);
  const placed = labels.map(({ at: [x, y], text, colour }) => {
    const half = widthOf(text, TEXT) / 2;
    const side = RADIUS.test + 4 + half;
    const places: readonly Point[] = [
      ...[14, 24].flatMap((away): Point[] => [
        [x, y + away],
        [x, y - away],
      ]),
      ...[0, 8, -8, 16, -16].flatMap((away): Point[] => [
        [x + side, y + away],
        [x - side, y + away],
      ]),
    ];
    const cost = (place: Point) => {
      const box = boxAround(place, half, TEXT / 2);
      const outside = box.left < plot.left || box.right > WIDTH || box.top < plot.top - TEXT || box.bottom > plot.bottom;
      return taken.reduce((sum, other) => sum + (overlap(box, other.box) ? other.cost : 0), outside ? 1000 : 0);
    };
    const best = places.reduce((least, place) => (cost(place) < cost(least) ? place : least));
    taken.push({ box: boxAround(best, half, TEXT / 2), cost: 50 });
    return { text, colour, x: best[0], y: best[1] + TEXT / 2 - 2 };
  });
  return [
    ...placed.map(({ text, x, y }) => label(text, x, y, { 'text-anchor': 'middle', stroke: look.paper, 'stroke-width': 3 })),
    ...placed.map(({ text, colour, x, y }) => label(text, x, y, { 'text-anchor': 'middle', fill: colour })),
  ];
}

function boxAround([x, y]: Point, width: number, height: number): Box {
  return { left: x - width, right: x + width, top: y - height, bottom: y + height };
}

function overlap(a: Box, b: Box): boolean {
  return a.left < b.right && a.right > b.left && a.top < b.bottom && a.bottom > b.top;
}

/** Points along the line between two points, a few pixels apart. */
function between([x1, y1]: Point, [x2, y2]: Point): Point[] {
  const steps = Math.ceil(Math.hypot(x2 - x1, y2 - y1) / 4);
  return Array.from({ length: steps }, (_, i) => [x1 + ((x2 - x1) * i) / steps, y1 + ((y2 - y1) * i) / steps]);
}
