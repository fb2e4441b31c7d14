/** A table whose rows become cards on a phone. */
import { type Html, html, type Value } from './html.ts';

/**
 * Roles are explicit: browsers drop them when rows are laid out as cards.
 * @param rows the first cell of each is its heading
 */
export function cardTable(caption: Value, head: readonly string[], rows: readonly (readonly Value[])[]): Html {
  return html`<table class="cards" role="table">
<caption>${caption}</caption>
<thead role="rowgroup">
<tr role="row">${head.map((name) => html`<th scope="col" role="columnheader">${name}</th>`)}</tr>
</thead>
<tbody role="rowgroup">
${rows.map(
  ([heading, ...cells]) => html`<tr role="row"><th scope="row" role="rowheader">${heading}</th>${cells.map(
    (cell, i) => html`<td role="cell" data-label="${head[i + 1]}"><span>${cell}</span></td>`,
  )}</tr>
`,
)}</tbody>
</table>`;
}
