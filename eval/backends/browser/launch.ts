/** Starts the user's browser so that it connects to our page only and leaves no files behind. */
import { rm } from 'node:fs/promises';
import type { Browser } from 'playwright-core';
import { makeScratch } from '../../../src/data/files/leftovers.ts';
import { processEnvironment } from '../../../src/environment.ts';
import { DeviceError } from '../../../src/errors.ts';
import { loadPackage } from '../../../src/packages.ts';

const quiet = [
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-quic',
  '--no-first-run',
  '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1', // Chrome still looks up hosts of its vendor
];

/** The caller handles signals; the driver's handlers would close the browser in the middle of a run. */
const noHandlers = { handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false };

/**
 * @returns the browser, with an empty profile of its own; `close` ends it and removes the files that it wrote.
 * @throws DeviceError when it does not start
 */
export async function launch(executablePath: string, flags: readonly string[]): Promise<{ browser: Browser; close(): Promise<void> }> {
  const { chromium } = await loadPackage('playwright-core');
  const scratch = makeScratch();
  const clean = () => rm(scratch, { recursive: true, force: true, maxRetries: 3 });
  const root = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  // the profile is in a temporary folder; without these, crash reports and desktop settings would go to the user's own folders
  const env = { ...processEnvironment(), BREAKPAD_DUMP_LOCATION: scratch, GSETTINGS_BACKEND: 'memory' };
  try {
    const browser = await chromium.launch({ executablePath, headless: true, ...noHandlers, env, args: [...root, ...quiet, ...flags] });
    return { browser, close: () => browser.close().finally(clean) };
  } catch (error) {
    await clean();
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new DeviceError(`${executablePath} does not start: ${reason}. Choose another browser with --browser PATH`, { cause: error });
  }
}
