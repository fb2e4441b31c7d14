/** Shows the images that backends decide differently. */

import { grouped } from '../../src/numbers.ts';
import { loadPackage } from '../../src/packages.ts';
import type { NamedReport } from '../columns.ts';
import { toInput } from '../runtime/runtime.ts';
import { type Decision, type Disagreement, MOST_DISAGREEMENTS } from '../tally/disagreements.ts';
import { classLabel, percent } from './format.ts';
import { type Html, html } from './html.ts';

/** An image, with the reference's decision first. */
interface Card {
  readonly image: Disagreement;
  readonly decisions: readonly { readonly backends: readonly string[]; readonly decision: Decision }[];
}

export async function disagreementSection(report: NamedReport): Promise<Html | undefined> {
  const { results, images, data, classLabels, reference } = report;
  if (results.length < 2) return undefined;
  const cards = cardsOf(report);
  if (cards.length === 0)
    return html`<section><h2>Images decided differently</h2><p>None: every backend decides all ${grouped(images)} images alike.</p></section>`;
  const counts = results.flatMap((r) => (r.flips ? [`${grouped(r.flips)} on ${r.backend}`] : [])).join(', ');
  const drawn = await Promise.all(cards.map(({ image }) => png(image)));
  return html`<section>
<h2>Images decided differently</h2>
<p>Of ${grouped(images)} images, decided differently from ${reference}: ${counts}. ${cards.length === MOST_DISAGREEMENTS && `The first ${MOST_DISAGREEMENTS} are shown.`}</p>
<ul class="images">
${cards.map(({ image, decisions }, i) => {
  const truth = classLabel(classLabels, image.label);
  const width = Math.max(1, Math.floor(DRAWN / image.width)) * image.width;
  return html`<li>
<img src="data:image/png;base64,${drawn[i]}" width="${width}" height="${(width / image.width) * image.height}" alt="Image ${image.index} of ${data}: ${truth}">
<h3>${truth} <small>image ${grouped(image.index)}</small></h3>
<dl>
${decisions.map(({ backends, decision }) => {
  const right = decision.class === image.label;
  return html`<dt>${backends.join(', ')}</dt>
<dd class="${right ? 'pass' : 'fail'}">${right ? '✓' : '✗'} ${decision.class === null ? 'no class' : classLabel(classLabels, decision.class)} ${percent(decision.confidence, 1)}</dd>
`;
})}</dl>
</li>
`;
})}</ul>
<p class="note">Each image has its true class and index, then what each backend decides and its confidence, the softmax of the logits.
Backends that agree with ${reference} are shown with the confidence of ${reference}.</p>
</section>`;
}

/** Approximate width of an image on the page, in pixels. */
const DRAWN = 128;

/**
 * The first images of all backends' disagreements. A full list ends after the last of these, so a backend whose list lacks
 * an image decides it as the reference does.
 */
function cardsOf({ results, reference }: NamedReport): Card[] {
  const all = results.flatMap(({ backend, tally }) => tally.firstDisagreements.map((disagreement) => ({ backend, disagreement })));
  const images = new Map(all.map(({ disagreement }) => [disagreement.index, disagreement]));
  return [...images.values()]
    .sort((a, b) => a.index - b.index)
    .slice(0, MOST_DISAGREEMENTS)
    .map((image) => {
      const own = all.filter(({ disagreement }) => disagreement.index === image.index);
      const alike = results
        .map(({ backend }) => backend)
        .filter((name) => name !== reference && !own.some(({ backend }) => backend === name));
      return {
        image,
        decisions: [
          { backends: [reference, ...alike], decision: image.reference },
          ...own.map(({ backend, disagreement }) => ({ backends: [backend], decision: disagreement.decision })),
        ],
      };
    });
}

/** The exact pixels as PNG, base64; the first channel only when there are not three. */
async function png({ pixels, ...shape }: Disagreement): Promise<string> {
  const { height, width } = shape;
  const bytes = Buffer.from(pixels, 'base64');
  const channels = shape.channels === 3 ? 3 : 1;
  const values =
    channels === 3 ? toInput(bytes, 1, { name: '', type: 'uint8', layout: 'nhwc', ...shape }) : bytes.subarray(0, height * width);
  const { default: sharp } = await loadPackage('sharp');
  const image = sharp(values as Uint8Array, { raw: { channels, height, width } });
  return (await image.png().toBuffer()).toString('base64');
}
