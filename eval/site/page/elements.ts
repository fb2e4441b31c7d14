/** The page's elements. */

/** The element of this id, which `index.html` holds. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as T;
}

/** A new element. Text goes in as text: labels come from files. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]> = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Shows a text, or hides its element when there is none. */
export function say(id: string, text: string | undefined): void {
  const shown = byId(id);
  shown.hidden = text === undefined;
  shown.textContent = text ?? '';
}
