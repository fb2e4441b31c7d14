/** Charts in the colours of the page's style sheet. Each is drawn twice: for a phone and for a wider screen. */
import { chart } from '../../src/chart/chart.ts';
import { inPage } from '../../src/chart/look.ts';
import type { Mark } from '../../src/chart/svg.ts';
import { Html, html } from './html.ts';

export interface Drawing {
  readonly marks: readonly Mark[];
  /** In pixels. */
  readonly height: number;
}

/** Pixels; a phone has 360, less the margins. */
export const WIDE = 920;
const NARROW = 326;

/** @param label text for readers who cannot see the chart */
export function figure(draw: (width: number) => Drawing, label: string, caption: string): Html {
  const svg = (width: number) => {
    const { marks, height } = draw(width);
    return new Html(chart({ width, height }, inPage, ...marks));
  };
  return html`<figure>
<div class="on-desk" role="img" aria-label="${label}">${svg(WIDE)}</div>
<div class="on-phone" role="img" aria-label="${label}">${svg(NARROW)}</div>
<figcaption>${caption}</figcaption>
</figure>`;
}
