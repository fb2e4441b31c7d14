/** HTML templates that escape every interpolated value: class labels, file names and device names may hold any text. */

/** Markup that goes into a page unescaped. */
export class Html {
  constructor(readonly text: string) {}
}

/** An array is written as its values in sequence; null, undefined and false write nothing. */
export type Value = Html | string | number | null | undefined | false | readonly Value[];

/** Tag of a template: html`<p title="${title}">${text}</p>`. Attribute values must be in double quotes. */
export function html(parts: TemplateStringsArray, ...values: Value[]): Html {
  return new Html(parts.map((part, i) => part + markup(values[i])).join(''));
}

function markup(value: Value): string {
  if (value === null || value === undefined || value === false) return '';
  if (value instanceof Html) return value.text;
  if (typeof value === 'object') return value.map(markup).join('');
  return String(value).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
