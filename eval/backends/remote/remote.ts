/** The backends whose runtime is the browser of another device, or of this one, that has joined by its address. */
import { record, string } from 'valibot';
import { closable } from '../../../src/closable.ts';
import { UsageError } from '../../../src/errors.ts';
import { integer, list, number, object, readJson, type Schema, text } from '../../../src/formats/schema.ts';
import { readOneBitFile } from '../../../src/onebit/file.ts';
import { requirePackage } from '../../../src/packages.ts';
import type { Backend } from '../backend.ts';
import type { Page, PageOpen, Provider } from '../browser/page.ts';
import { pageSession } from '../browser/page-session.ts';
import { openError, stopError } from '../runtime-error.ts';
import type { Device } from './device.ts';

interface RemoteRow {
  readonly title: string;
  readonly provider: Exclude<Provider, 'webgl'>;
  readonly advice: string;
  readonly oneBitOnly?: boolean;
}

let sessions = 0;

export function remoteBackend({ title, provider, advice, oneBitOnly }: RemoteRow): Backend {
  return {
    title,
    remote: true,
    ...(oneBitOnly ? { oneBitOnly } : {}),
    async open(model, input, { lobby, device: number = 1, threads, softwareGpu = false }) {
      if (oneBitOnly) readOneBitFile(model);
      else requirePackage('onnxruntime-web');
      if (!lobby) throw new UsageError(`remote-${provider} waits for a device: use it with wrn-onnx eval`);
      const device = await lobby.device(number);
      const name = `${provider} on device ${number} (${device.name})`;
      const session = ++sessions;
      const open: PageOpen = { model: lobby.share(model), provider, input, threads, softwareGpu };
      const page = pageOn(device, session, open, name);
      const opened = await page.open(open).catch((error: unknown) => {
        throw openError(name, error, advice);
      });
      return closable(
        pageSession(page, opened, {
          detail: `${device.name}, ${opened.detail}`,
          peakMemoryBytes: async () => undefined,
          close: async () => {
            device.call(session, open, 'close').catch(() => {}); // nobody waits: the device may be gone
          },
        }),
      );
    },
  };
}

const MOST = 2 ** 31;
const seconds = number(0, MOST);
const shape = list(integer(0, MOST));
const opening = object({ seconds, detail: text });
const running = object({ seconds, outputs: record(string(), object({ shape, base64: text })) });
const timing = object({ seconds, shapes: record(string(), shape) });

/** The page on a device. Its answers are untrusted. */
function pageOn(device: Device, session: number, open: PageOpen, name: string): Page {
  const ask = async <T>(schema: Schema<T>, method: 'open' | 'run' | 'time', ...args: unknown[]) =>
    readJson(schema, await device.call(session, open, method, ...args), 'device', (field) => `answer to ${method}, ${field}`);
  const stopped = (error: unknown): never => {
    throw stopError(name, error);
  };
  return {
    open: () => ask(opening, 'open'),
    run: (images, count) => ask(running, 'run', images, count).catch(stopped),
    time: (batch, sizes = {}) => ask(timing, 'time', batch, sizes).catch(stopped),
  };
}
