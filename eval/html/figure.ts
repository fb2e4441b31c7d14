/** Charts in the colours of the page's style sheet. Each is drawn twice: for a phone and for a wider screen. */
import { type ChartOption, toSvg } from '../../src/chart/chart.ts';
import { Html, html } from './html.ts';

export interface Drawing {
  readonly option: ChartOption;
  /** In pixels. */
  readonly height: number;
}

export const text = { color: 'var(--muted)', fontSize: 12 };
export const axis = {
  axisLabel: text,
  nameTextStyle: text,
  axisLine: { lineStyle: { color: 'var(--muted)' } },
  splitLine: { lineStyle: { color: 'var(--line)' } },
};
/** Of every series: nothing answers to a mouse, and no clip path needs an id that is unique in the page. */
export const still = { silent: true, clip: false, emphasis: { disabled: true } } as const;

/** Pixels; a phone has 360, less the margins. */
export const WIDE = 920;
export const NARROW = 326;

/** @param label what a reader who does not see the chart is told */
export function figure(draw: (width: number) => Drawing, label: string, caption: string): Html {
  const svg = (width: number) => {
    const { option, height } = draw(width);
    const style = { backgroundColor: 'transparent', textStyle: { fontFamily: 'inherit' } };
    return new Html(toSvg({ ...style, ...option }, { width, height }));
  };
  return html`<figure>
<div class="on-desk" role="img" aria-label="${label}">${svg(WIDE)}</div>
<div class="on-phone" role="img" aria-label="${label}">${svg(NARROW)}</div>
<figcaption>${caption}</figcaption>
</figure>`;
}
