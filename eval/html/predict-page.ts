/** Predictions as one self-contained page: each image as the network sees it, with its most likely classes. */

import type { Prediction } from '../../src/network/logits.ts';
import { grouped } from '../../src/numbers.ts';
import type { RunRecord } from '../record.ts';
import type { FileFacts } from '../report.ts';
import { factsOf, htmlDocument, recordSection } from './document.ts';
import { percent } from './format.ts';
import { type Html, html } from './html.ts';

export interface PredictedImage {
  readonly image: string;
  /** From `picture`. */
  readonly picture: Html;
  /** Most likely first. */
  readonly classes: readonly Prediction[];
}

export interface PredictContent {
  readonly file: FileFacts;
  /** Name of the backend and what ran. */
  readonly backend: string;
  readonly images: readonly PredictedImage[];
  readonly version: string;
}

/** The same content and record give the same page, byte for byte. */
export function predictPage({ file, backend, images, version }: PredictContent, record: RunRecord): string {
  const network = [file.network, file.form].filter(Boolean).join(', ');
  const count = images.length === 1 ? 'one image' : `${grouped(images.length)} images`;
  return htmlDocument({
    title: `${file.model} on ${count}`,
    header: html`
<h1>${file.model}</h1>
<p>${network && `${network}; `}${count}</p>
`,
    main: [
      html`<section>
<h2>Predictions</h2>
<ul class="images">
${images.map(card)}</ul>
<p class="note">Each image as the network sees it: scaled to cover its input, then cropped to the centre. Bars: probability, the softmax of the logits.</p>
</section>`,
      recordSection('What ran', [...factsOf(file), ['backend', backend]], version, record),
    ],
    version,
    date: record.date,
  });
}

function card({ image, picture, classes }: PredictedImage): Html {
  return html`<li>
${picture}
<h3>${classes[0]?.label} <small>${image}</small></h3>
<dl class="bars">
${classes.map(
  ({ label, probability }) => html`<dt>${label}</dt><dd style="--share: ${(probability * 100).toFixed(1)}%">${percent(probability, 1)}</dd>
`,
)}</dl>
</li>
`;
}
