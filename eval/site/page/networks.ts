/** The networks as a switch, with size, error and speed side by side. */
import { fileSize, measured, percent } from '../../html/format.ts';
import type { NetworkFacts } from '../facts.ts';
import { byId, element } from './elements.ts';
import { Engine } from './engine.ts';

/** The element that shows the speed, by id of the network. */
const speeds = new Map<string, HTMLElement>();

export function showNetworks(networks: readonly NetworkFacts[], choose: (network: NetworkFacts) => void): void {
  const list = byId('networks');
  list.hidden = networks.length < 2;
  for (const [i, network] of networks.entries()) {
    const radio = element('input', { type: 'radio', name: 'network', value: network.id, checked: i === 0 });
    radio.addEventListener('change', () => choose(network));
    const speed = element('dd', { textContent: '–' });
    speeds.set(network.id, speed);
    list.append(
      element(
        'label',
        {},
        radio,
        element(
          'span',
          { className: 'card' },
          element('b', {}, network.title),
          element('small', {}, network.about),
          element(
            'span',
            { className: 'figures' },
            figure('size', element('dd', {}, fileSize(network.bytes))),
            figure('test error', element('dd', {}, percent(network.testError, 1))),
            figure('speed', speed),
          ),
        ),
      ),
    );
  }
  if (networks.length > 1) list.append(measureAll(networks));
}

const figure = (name: string, value: HTMLElement) => element('dl', {}, element('dt', {}, name), value);

export function showSpeed({ id }: NetworkFacts, milliseconds: number): void {
  const place = speeds.get(id);
  if (place) place.textContent = `${measured(milliseconds)}\u00a0ms`;
}

/** Loads one after the other, each in a worker of its own. */
function measureAll(networks: readonly NetworkFacts[]): HTMLElement {
  const button = element('button', { type: 'button', className: 'link' }, 'Measure all on this device');
  button.addEventListener('click', async () => {
    button.disabled = true;
    for (const network of networks) {
      const place = speeds.get(network.id);
      if (place) place.textContent = '…';
      const engine = new Engine();
      try {
        await engine.open(network, () => {});
        showSpeed(network, await engine.time());
      } catch {
        if (place) place.textContent = '–';
      } finally {
        engine.close();
      }
    }
    button.disabled = false;
  });
  return element('p', { className: 'hint' }, button);
}
