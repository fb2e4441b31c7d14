import { readFileSync } from 'node:fs';
import type { Browser } from 'playwright-core';
import type { peakMemory } from '../peak-memory.ts';

/**
 * Memory of the browser's page and GPU processes together, in bytes; undefined if the operating system does not tell (it is
 * read from /proc).
 * @param memoryOf of a process
 */
export async function browserMemory(browser: Browser, memoryOf: typeof peakMemory): Promise<number | undefined> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = (await session.send('SystemInfo.getProcessInfo')) as { processInfo: { id: number; type: string }[] };
  await session.detach();
  let total = 0;
  for (const { id, type } of processInfo) {
    if ((type !== 'renderer' && type !== 'GPU') || showsBrowser(id)) continue;
    const bytes = memoryOf(id);
    if (bytes === undefined) return undefined;
    total += bytes;
  }
  return total;
}

/** Whether a process renders the browser's own interface: it goes on growing for seconds, whatever the page does. */
function showsBrowser(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('--top-chrome-webui');
  } catch {
    return false;
  }
}
