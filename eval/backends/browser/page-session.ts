/** A session whose model runs in a page, in a browser that we drive or on another device. */
import { DeviceError } from '../../../src/errors.ts';
import { elements } from '../../../src/formats/shape.ts';
import type { BatchResult, OpenSession } from '../backend.ts';
import type { Page, PageResult } from './page.ts';

/** @param opened what the page answered to `open` */
export function pageSession(
  page: Page,
  opened: Awaited<ReturnType<Page['open']>>,
  rest: Pick<OpenSession, 'detail' | 'peakMemoryBytes' | 'idleMemoryBytes' | 'close'>,
): OpenSession {
  return {
    loadSeconds: opened.seconds,
    run: async (imagesNCHW, count) => decode(await page.run(Buffer.from(imagesNCHW).toString('base64'), count)),
    time: page.time,
    ...rest,
  };
}

function decode({ outputs, seconds }: PageResult): BatchResult {
  const decoded = Object.entries(outputs).map(([name, { shape, base64 }]) => {
    const bytes = Uint8Array.from(Buffer.from(base64, 'base64')); // a copy: float32 needs aligned bytes
    if (bytes.length !== 4 * elements(shape))
      throw new DeviceError(`the page sent ${bytes.length} bytes for an output of ${shape.join(' x ')} numbers`);
    return [name, { shape, data: new Float32Array(bytes.buffer) }] as const;
  });
  return { outputs: Object.fromEntries(decoded), seconds };
}
