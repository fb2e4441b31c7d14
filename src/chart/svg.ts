/** SVG as text. Labels are escaped, because names of files, runs and devices come from outside. */

/** Markup of one element or several. */
export type Mark = string;

type Attributes = Readonly<Record<string, string | number | undefined>>;

/** One element; numbers are rounded to hundredths of a pixel. */
export function mark(name: string, attributes: Attributes, ...content: readonly Mark[]): Mark {
  const written = Object.entries(attributes).map(([key, value]) => {
    if (value === undefined) return '';
    return ` ${key}="${typeof value === 'number' ? Math.round(value * 100) / 100 : escaped(value)}"`;
  });
  return content.length === 0 ? `<${name}${written.join('')}/>` : `<${name}${written.join('')}>${content.join('')}</${name}>`;
}

/** Text whose baseline is at y. */
export function label(text: string, x: number, y: number, attributes: Attributes = {}): Mark {
  return mark('text', { x, y, ...attributes }, escaped(text));
}

/** A line through points. */
export function path(points: readonly (readonly [x: number, y: number])[], attributes: Attributes): Mark {
  return mark('polyline', {
    points: points.map((point) => point.map((v) => Math.round(v * 100) / 100).join()).join(' '),
    fill: 'none',
    ...attributes,
  });
}

/** Width of text in pixels, about: the mean advance of letters and digits in DejaVu Sans. */
export function widthOf(text: string, size: number): number {
  return text.length * size * 0.62;
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
