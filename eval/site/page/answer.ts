/** Shows an answer: the classes with bars, the picture that the network saw, and the time. */
import { topK } from '../../../src/network/logits.ts';
import { measured, percent } from '../../html/format.ts';
import type { Answer } from '../engine/protocol.ts';
import type { NetworkFacts } from '../facts.ts';
import { byId, element } from './elements.ts';
import { imageOf } from './pixels.ts';

const SHOWN = 5;
/** Milliseconds between two spoken answers of a camera. */
const SPOKEN_EVERY = 2500;

const rows: { readonly row: HTMLElement; readonly name: HTMLElement; readonly share: HTMLElement }[] = [];
let spoken = { at: 0, best: -1 };

/** @param live whether answers come in quick succession: then only a new best class is spoken, and not too often */
export function showAnswer(network: NetworkFacts, { logits, seen, milliseconds }: Answer, live: boolean): void {
  const classes = topK(logits, SHOWN, network.labels ?? undefined);
  const [best] = classes;
  if (!best) return;
  byId('best').textContent = best.label;
  while (rows.length < classes.length) rows.push(newRow());
  for (const [i, { row, name, share }] of rows.entries()) {
    const one = classes[i];
    row.hidden = one === undefined;
    if (!one) continue;
    name.textContent = one.label;
    share.textContent = percent(one.probability, 1);
    row.style.setProperty('--share', String(one.probability));
  }
  showSeen(seen, network);
  byId('milliseconds').textContent = `${measured(milliseconds)}\u00a0ms`;
  const now = performance.now();
  if (live && (spoken.best === best.index || now - spoken.at < SPOKEN_EVERY)) return;
  spoken = { at: now, best: best.index };
  byId('spoken').textContent = classes
    .slice(0, live ? 1 : 3)
    .map(({ label, probability }) => `${label}, ${Math.round(100 * probability)} percent`)
    .join('; ');
}

/** Nothing has been classified yet. */
export function clearAnswer(): void {
  byId('best').textContent = '\u00a0';
  byId('spoken').textContent = '';
  byId('milliseconds').textContent = '–';
  for (const { row } of rows) row.hidden = true;
  const canvas = byId<HTMLCanvasElement>('seen');
  canvas.getContext('2d')?.clearRect(0, 0, canvas.width, canvas.height);
}

function newRow() {
  const [name, share] = [element('span', { className: 'name' }), element('span', { className: 'share' })];
  const row = element('li', {}, name, share);
  byId('classes').append(row);
  return { row, name, share };
}

function showSeen(seen: Uint8Array, { input }: NetworkFacts): void {
  const canvas = byId<HTMLCanvasElement>('seen');
  const { width, height } = input;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  canvas.getContext('2d')?.putImageData(imageOf(seen, input), 0, 0);
}
