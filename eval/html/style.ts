/** Style of the page: one column of at most 63 rem, light or dark as on the reader's system, always light in print. */
import { light } from '../../src/chart/look.ts';

export const style = `
:root {
  color-scheme: light dark;
  --paper: ${light.paper}; --surface: #f4f6f9; --line: ${light.line}; --ink: ${light.ink}; --muted: ${light.muted};
  --pass: #12703f; --fail: ${light.fail}; --hit: #2563c9; --miss: #d9480f;
  ${light.series.map((colour, i) => `--file${i}: ${colour};`).join(' ')}
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #13161b; --surface: #1c2128; --line: #363e49; --ink: #e9ecf1; --muted: #a6b0bd;
    --pass: #5fd398; --fail: #ff8f85; --hit: #5b9bff; --miss: #ff8a4c;
    --file0: #7db2ff; --file1: #ff9d66; --file2: #4fd1a5; --file3: #d3a0ef; --file4: #e6c15c; --file5: #ff8cc0;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 63rem; padding: 1.5rem 1rem 3rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere; -webkit-text-size-adjust: 100%;
}
h1 { font-size: clamp(1.5rem, 6vw, 2.1rem); line-height: 1.2; margin: 0; }
h2 { font-size: 1.25rem; line-height: 1.3; margin: 2.5rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .25rem; }
p { margin: .5rem 0; max-width: 46rem; }
.note, caption, figcaption, small { color: var(--muted); font-size: .875rem; }
pre { font: .875rem/1.5 ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace; }
pre { background: var(--surface); border: 1px solid var(--line); border-radius: .4rem; padding: .6rem .8rem; margin: .5rem 0; white-space: pre-wrap; }

.verdict { display: inline-block; margin: .75rem 0 0; padding: .15rem .7rem; border: 1.5px solid; border-radius: 1rem; font-weight: 600; }
.pass { color: var(--pass); }
.fail { color: var(--fail); }
.caution { margin: .75rem 0 0; padding: .4rem .8rem; border-left: 4px solid var(--miss); font-weight: 600; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .75rem; margin: 1.25rem 0 0; padding: 0; list-style: none; }
.tiles li { background: var(--surface); border: 1px solid var(--line); border-radius: .6rem; padding: .7rem .9rem; }
.tiles b { display: block; font-size: 1.5rem; line-height: 1.25; }
.tiles span { display: block; font-size: .875rem; line-height: 1.4; color: var(--muted); }

dl { display: grid; grid-template-columns: minmax(6rem, max-content) 1fr; gap: .3rem 1.25rem; margin: .5rem 0; }
dt { color: var(--muted); }
dd { margin: 0; }

table { border-collapse: collapse; font-size: .875rem; line-height: 1.35; margin: 1rem 0; }
caption { text-align: start; padding-bottom: .4rem; }
th, td { padding: .4rem .5rem; border-bottom: 1px solid var(--line); text-align: end; vertical-align: top; }
thead th { color: var(--muted); font-weight: 500; vertical-align: bottom; }
th[scope=row], .text { text-align: start; }
tbody th { font-weight: 600; }
th[scope=col], td { overflow-wrap: normal; }
td.text { overflow-wrap: anywhere; min-width: 5rem; }
thead th:first-child { text-align: start; }
.cards, .scroll table { width: 100%; margin: 0; }
.lists { display: flex; flex-wrap: wrap; column-gap: 3rem; }
.cards th[scope=row] { min-width: 8.5rem; }
.cards td { white-space: nowrap; }
.ran { font-size: .875rem; }
.scroll { overflow: auto; max-height: 26rem; border: 1px solid var(--line); border-radius: .4rem; padding: 0 .5rem; }
.scroll small { font-weight: 400; }
.scroll thead th { position: sticky; top: 0; background: var(--paper); }

.matrix td, .matrix thead th { padding: 0; text-align: center; }
.matrix { table-layout: fixed; max-width: 46rem; width: 100%; line-height: 1.1; }
.matrix col.label { width: 18%; }
.matrix col.rate { width: 9%; }
.matrix td {
  height: 2.4rem; vertical-align: middle; border: 1px solid var(--paper);
  background: color-mix(in srgb, var(--tint) calc(var(--share) * 1%), var(--surface));
}
.matrix td.hit { --tint: var(--hit); }
.matrix td.miss { --tint: var(--miss); }
.matrix td.rate { background: none; color: var(--muted); white-space: nowrap; text-align: end; }
.matrix th { border: 0; font-weight: 500; }
.matrix tbody th { padding: 0 .4rem 0 0; vertical-align: middle; }
.matrix thead th { height: 6rem; padding-bottom: .3rem; vertical-align: bottom; }
.matrix thead td { background: none; }
.matrix thead span { writing-mode: vertical-rl; transform: rotate(180deg); display: inline-block; white-space: nowrap; }
.picture { display: block; margin: .5rem 0; border: 1px solid var(--line); width: min(100%, 30rem); }

figure { margin: 1rem 0; }
svg { display: block; max-width: 100%; height: auto; font-family: inherit; }
.on-phone { display: none; }
.images { display: grid; grid-template-columns: repeat(auto-fill, minmax(10rem, 1fr)); gap: .75rem; margin: 1rem 0; padding: 0; list-style: none; }
.images li { border: 1px solid var(--line); border-radius: .6rem; padding: .75rem; background: var(--surface); break-inside: avoid; }
.images img { display: block; image-rendering: pixelated; border-radius: .2rem; max-width: 100%; }
.images h3 { margin: .6rem 0 .4rem; line-height: 1.3; }
.images h3 small { display: block; font-weight: 400; }
.images dl { grid-template-columns: 1fr; gap: 0; font-size: .875rem; margin: 0; }
.images dd { margin-bottom: .35rem; }
.bars dt { color: var(--ink); }
.bars dd { border-bottom: 5px solid; border-image: linear-gradient(to right, var(--file0) var(--share), var(--line) 0) 1; color: var(--muted); }
footer { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: 1rem; }
:focus-visible { outline: 2px solid var(--hit); outline-offset: 2px; }

@media screen and (max-width: 46rem) {
  .on-phone { display: block; }
  .on-desk { display: none; }
  .cards, .cards caption, .cards tbody, .cards tr, .cards th, .cards td { display: block; width: auto; }
  .cards thead { position: absolute; clip-path: inset(50%); height: 1px; overflow: hidden; }
  .cards tr { display: grid; grid-template-columns: 1fr 1fr; column-gap: 1rem; border: 1px solid var(--line); border-radius: .6rem; padding: .6rem .8rem; margin: .6rem 0; background: var(--surface); }
  .cards th, .cards td { border: 0; padding: .15rem 0; }
  .cards th { grid-column: 1 / -1; font-size: 1rem; padding-bottom: .3rem; }
  .cards td { display: flex; justify-content: space-between; gap: .25rem; font-size: .78rem; }
  .cards td::before { content: attr(data-label); color: var(--muted); white-space: nowrap; }
  .cards td span { white-space: normal; overflow-wrap: anywhere; }
  .scroll table { font-size: .78rem; }
  .scroll th[scope=row] { min-width: 9rem; }
  .matrix { font-size: .7rem; }
  .matrix td { font-size: .65rem; }
  .matrix td { height: 1.9rem; }
  .matrix col.label { width: 24%; }
  .matrix col.rate { width: 11%; }
}
@media print {
  :root { font-size: 9.5pt; }
  body { max-width: none; padding: 0; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  table { font-size: .8rem; }
  th, td { padding: .25rem .3rem; }
  h2, h3, caption, thead, section > p:not(:last-child) { break-after: avoid; }
  p, tr, figure, .tiles, .matrix, .lists table, dl { break-inside: avoid; }
  .scroll { overflow: visible; max-height: none; border: 0; padding: 0; }
  .scroll thead th { position: static; }
}
`;
