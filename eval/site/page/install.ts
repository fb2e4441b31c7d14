/** The page as an app: kept for use without a network, brought up to date, installed. */
import { byId } from './elements.ts';

/** Chromium's event for a page that can be installed. */
interface InstallEvent extends Event {
  prompt(): Promise<unknown>;
}

/** @returns whether the page and its first network are kept on this device; else it needs a connection each time */
export async function keepOffline(): Promise<boolean> {
  const container = navigator.serviceWorker;
  const registration = await container?.register('sw.js', { updateViaCache: 'none' }).catch(() => undefined);
  if (!registration) return false;
  const offer = (worker: ServiceWorker | null) => {
    if (!worker || !container.controller) return; // the first version needs no offer
    byId('news').hidden = false;
    byId('renew').onclick = () => {
      container.addEventListener('controllerchange', () => location.reload(), { once: true });
      worker.postMessage('replace');
    };
  };
  offer(registration.waiting);
  registration.addEventListener('updatefound', () => {
    const { installing } = registration;
    installing?.addEventListener('statechange', () => installing.state === 'installed' && offer(installing));
  });
  await container.ready;
  byId('kept').textContent = 'Ready for use offline.';
  return true;
}

export function offerInstall(): void {
  const button = byId('install');
  addEventListener('beforeinstallprompt', (event) => {
    event.preventDefault();
    button.hidden = false;
    button.onclick = () => {
      button.hidden = true;
      void (event as InstallEvent).prompt();
    };
  });
}
