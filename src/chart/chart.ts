/** What all charts have in common: frame, axes and legend. d3-scale has the scales and their ticks. */
import type { Look } from './look.ts';
import { label, type Mark, mark, widthOf } from './svg.ts';

/** Size of text in pixels. */
export const TEXT = 12;
const TITLE = 18;
const LINE = 17;

/** A whole SVG file. @param size in pixels */
export function chart({ width, height }: { width: number; height: number }, look: Look, ...marks: readonly Mark[]): string {
  const frame = { width, height, viewBox: `0 0 ${width} ${height}`, 'font-family': look.font, 'font-size': TEXT, fill: look.muted };
  return mark('svg', { xmlns: 'http://www.w3.org/2000/svg', ...frame }, ...marks);
}

/** Background, title and explanatory lines of a picture that stands alone. */
export function heading(title: string, lines: readonly string[], look: Look): Mark[] {
  return [
    mark('rect', { width: '100%', height: '100%', fill: look.paper }),
    label(title, 16, 16 + TITLE, { 'font-size': TITLE, fill: look.ink }),
    ...lines.map((line, i) => label(line, 16, 16 + TITLE + LINE * (i + 1) + 4)),
  ];
}

/** Height of `heading`. */
export const headingHeight = (lines: number): number => 16 + TITLE + LINE * lines + 4;

interface Axis {
  readonly ticks: readonly number[];
  readonly place: (value: number) => number;
  readonly format: (value: number) => string;
}

/** Labels below a horizontal axis, with lines across the plot above each. */
export function horizontalAxis({ ticks, place, format }: Axis, { top, bottom }: { top: number; bottom: number }, look: Look): Mark[] {
  return ticks.flatMap((value) => [
    mark('line', { x1: place(value), x2: place(value), y1: top, y2: bottom, stroke: look.line }),
    label(format(value), place(value), bottom + LINE, { 'text-anchor': 'middle' }),
  ]);
}

/** Labels left of a vertical axis, with lines across the plot beside each. */
export function verticalAxis({ ticks, place, format }: Axis, { left, right }: { left: number; right: number }, look: Look): Mark[] {
  return ticks.flatMap((value) => [
    mark('line', { x1: left, x2: right, y1: place(value), y2: place(value), stroke: look.line }),
    label(format(value), left - 8, place(value) + 4, { 'text-anchor': 'end' }),
  ]);
}

/** Names with the colours of their series, in as many rows as they need; a name longer than a row loses its beginning. */
export function legend(
  names: readonly string[],
  { left, top, width }: { left: number; top: number; width: number },
  look: Look,
): { marks: Mark[]; height: number } {
  let [x, row] = [0, 0];
  const most = Math.max(2, Math.floor((width - 18) / widthOf('0', TEXT)));
  const marks = names.flatMap((whole, i) => {
    const name = ending(whole, most);
    const space = 18 + widthOf(name, TEXT) + 18;
    if (x > 0 && x + space > width) [x, row] = [0, row + 1];
    const [at, y] = [left + x, top + row * (LINE + 3)];
    x += space;
    return [
      mark('rect', { x: at, y: y - 9, width: 12, height: 10, rx: 2, fill: colourOf(i, look) }),
      label(name, at + 18, y, { fill: look.ink }),
    ];
  });
  return { marks, height: (row + 1) * (LINE + 3) };
}

/** The last `length` characters of a name: file names of one network's forms differ at the end. */
export function ending(name: string, length: number): string {
  return name.length > length ? `…${name.slice(1 - length)}` : name;
}

/** Colour of the series of this index. */
export function colourOf(index: number, { series }: Look): string {
  return series[index % series.length] as string;
}
