/** Shows the images that backends decide differently. */

import { grouped } from '../../src/numbers.ts';
import type { NamedReport } from '../columns.ts';
import { type Decision, type Disagreement, MOST_DISAGREEMENTS } from '../tally/disagreements.ts';
import { classLabel, percent } from './format.ts';
import { type Html, html } from './html.ts';
import { picture } from './picture.ts';

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
  const pictures = await Promise.all(
    cards.map(({ image }) =>
      picture(
        { ...image, pixels: Buffer.from(image.pixels, 'base64') },
        `Image ${image.index} of ${data}: ${classLabel(classLabels, image.label)}`,
      ),
    ),
  );
  return html`<section>
<h2>Images decided differently</h2>
<p>Of ${grouped(images)} images, decided differently from ${reference}: ${counts}. ${cards.length === MOST_DISAGREEMENTS && `The first ${MOST_DISAGREEMENTS} are shown.`}</p>
<ul class="images">
${cards.map(({ image, decisions }, i) => {
  const truth = classLabel(classLabels, image.label);
  return html`<li>
${pictures[i]}
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
