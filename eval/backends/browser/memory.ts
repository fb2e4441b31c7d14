import type { Browser } from 'playwright-core';
import { peakMemory } from '../peak-memory.ts';

/**
 * Largest resident memory so far of the browser's page and GPU processes, in bytes; undefined if the operating system
 * does not tell (it is read from /proc).
 */
export async function peakBrowserMemory(browser: Browser): Promise<number | undefined> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = (await session.send('SystemInfo.getProcessInfo')) as { processInfo: { id: number; type: string }[] };
  await session.detach();
  let total = 0;
  for (const { id, type } of processInfo) {
    if (type !== 'renderer' && type !== 'GPU') continue;
    const peak = peakMemory(id);
    if (peak === undefined) return undefined;
    total += peak;
  }
  return total;
}
