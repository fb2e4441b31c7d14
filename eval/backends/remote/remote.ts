/** The backends whose runtime is the browser of another device, or of this one, that has joined by its address. */
import { closable } from '../../../src/closable.ts';
import { UsageError } from '../../../src/errors.ts';
import { jsonReader } from '../../../src/formats/json.ts';
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

const { record, number, text, integer, list } = jsonReader('device', 'answer');
const MOST = 2 ** 31;

/** The page on a device, whose answers are read as those of a stranger. */
function pageOn(device: Device, session: number, open: PageOpen, name: string): Page {
  const ask = (method: 'run' | 'time', ...args: unknown[]) =>
    device.call(session, open, method, ...args).catch((error: unknown) => {
      throw stopError(name, error);
    });
  const seconds = (value: Record<string, unknown>) => number(value['seconds'], 'seconds', 0, MOST);
  const shapeOf = (value: unknown, field: string) => list(value, field, (size, place) => integer(size, place, 0, MOST));
  return {
    async open() {
      const answer = record(await device.call(session, open, 'open'), 'open');
      return { seconds: seconds(answer), detail: text(answer['detail'], 'detail') };
    },
    async run(images, count) {
      const answer = record(await ask('run', images, count), 'run');
      const outputs = Object.entries(record(answer['outputs'], 'outputs')).map(([output, value]) => {
        const { shape, base64 } = record(value, output);
        return [output, { shape: shapeOf(shape, `${output}.shape`), base64: text(base64, `${output}.base64`) }] as const;
      });
      return { outputs: Object.fromEntries(outputs), seconds: seconds(answer) };
    },
    async time(batch, sizes = {}) {
      const answer = record(await ask('time', batch, sizes), 'time');
      const shapes = Object.entries(record(answer['shapes'], 'shapes')).map(([input, shape]) => [input, shapeOf(shape, input)] as const);
      return { seconds: seconds(answer), shapes: Object.fromEntries(shapes) };
    },
  };
}
