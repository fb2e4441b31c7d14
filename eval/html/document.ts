/** The frame of every page that the commands write: one file, no scripts, no requests. */
import { grouped } from '../../src/numbers.ts';
import type { RunRecord } from '../record.ts';
import type { FileFacts } from '../report.ts';
import { Html, html, type Value } from './html.ts';
import { style } from './style.ts';

/** Whatever text files and data sets hold, the browser runs no script and sends no request. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

export interface Content {
  readonly title: string;
  readonly header: Html;
  /** Sections; undefined and false write nothing. */
  readonly main: readonly Value[];
  /** Version of this package. */
  readonly version: string;
  readonly date: string;
}

/** The same content gives the same page, byte for byte. */
export function htmlDocument({ title, header, main, version, date }: Content): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<title>${title}</title>
<style>${new Html(style)}</style>
</head>
<body>
<header>${header}</header>
<main>
${main}
</main>
<footer><p class="note">Written by wrn-onnx ${version} on ${minute(date)}.</p></footer>
</body>
</html>
`.text;
}

export type Fact = readonly [name: string, value: string];

export function factsOf({ model, bytes, sha256, network, form }: FileFacts): Fact[] {
  return [
    ['file', `${model}, ${grouped(bytes)} bytes`],
    ['SHA-256', sha256],
    ['network', [network ?? 'a model of another project', form].filter(Boolean).join(', ')],
  ];
}

/** The last section: what ran, where, when and by which command. */
export function recordSection(title: string, facts: readonly Fact[], version: string, { command, machine, date }: RunRecord): Html {
  const all: readonly Fact[] = [...facts, ['software', `wrn-onnx ${version}`], ['machine', machine], ['date', minute(date)]];
  return html`<section>
<h2>${title}</h2>
<dl>
${all.map(
  ([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>
`,
)}</dl>
<pre>${command}</pre>
</section>`;
}

/** The numbers that readers look for first. */
export function tileList(tiles: readonly (readonly [value: string, what: string])[]): Html {
  return html`<ul class="tiles">
${tiles.map(
  ([value, what]) => html`<li><b>${value}</b> <span>${what}</span></li>
`,
)}</ul>`;
}

/** To the minute, in UTC: readers may be in another time zone. */
const minute = (date: string) => `${date.slice(0, 10)} ${date.slice(11, 16)} UTC`;
