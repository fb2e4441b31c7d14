/** The test images that the site brings, run in this browser and compared with what was recorded. */
import { grouped } from '../../../src/numbers.ts';
import { fileSize, interval, measured, percent } from '../../html/format.ts';
import { wilsonInterval } from '../../tally/statistics.ts';
import type { CheckResult } from '../engine/protocol.ts';
import type { CheckFacts, NetworkFacts } from '../facts.ts';
import { byId, element } from './elements.ts';
import type { Engine } from './engine.ts';

/** The check that is shown; answers to another one come too late. */
let shown: CheckFacts | null = null;

/** Shows the part for a network. @param engine in which the network is open, when it is asked for */
export function showCheck({ check }: NetworkFacts, engine: () => Promise<Engine>): void {
  shown = check;
  byId('check').hidden = check === null;
  byId('check-progress').hidden = true;
  byId('check-result').replaceChildren();
  if (!check) return;
  const part = check.count < check.total ? `${grouped(check.count)} of the ${grouped(check.total)}` : `the ${grouped(check.count)}`;
  byId('check-text').textContent =
    `Runs ${part} test images of ${check.data} (${fileSize(check.bytes)}) here and compares every answer with those of ${check.recordedBy}.`;
  const button = byId<HTMLButtonElement>('check-run');
  const bar = byId<HTMLProgressElement>('check-progress');
  button.disabled = false;
  button.onclick = async () => {
    button.disabled = true;
    bar.value = 0;
    bar.hidden = false;
    let result: Node[];
    try {
      const opened = await engine();
      result = resultOf(
        await opened.check(check, (done) => {
          bar.value = done;
        }),
        check,
      );
    } catch (error) {
      result = [element('p', { className: 'fail' }, error instanceof Error ? error.message : String(error))];
    }
    if (shown !== check) return;
    bar.hidden = true;
    button.disabled = false;
    byId('check-result').replaceChildren(...result);
  };
}

function resultOf({ images, right, alike, relError, pass, milliseconds }: CheckResult, { recordedBy, thresholds }: CheckFacts): Node[] {
  const verdict = pass ? `✓ Same answers as ${recordedBy}` : `✗ Other answers than ${recordedBy}`;
  const tiles: readonly (readonly [string, string])[] = [
    [
      percent(right / images, 1),
      `right: ${grouped(right)} of ${grouped(images)}; 95 % interval ${interval(wilsonInterval(right, images))}`,
    ],
    [`${grouped(alike)} of ${grouped(images)}`, 'decided as recorded'],
    [measured(relError), `relative error of the logits; limit ${thresholds.relError}`],
    [`${measured(milliseconds / images)}\u00a0ms`, 'per image'],
  ];
  return [
    element('p', { className: pass ? 'verdict pass' : 'verdict fail' }, verdict),
    element(
      'ul',
      { className: 'tiles' },
      ...tiles.map(([value, what]) => element('li', {}, element('b', {}, value), element('span', { className: 'what' }, what))),
    ),
  ];
}
