/** The backends that run in the user's Chrome, Chromium or Edge. */
import { setTimeout } from 'node:timers/promises';
import type { Browser } from 'playwright-core';
import { closable } from '../../../src/closable.ts';
import { readOneBitFile } from '../../../src/onebit/file.ts';
import { requirePackage } from '../../../src/packages.ts';
import type { ModelInput } from '../../runtime/runtime.ts';
import type { Backend, BackendOptions } from '../backend.ts';
import { peakMemory, residentMemory } from '../peak-memory.ts';
import { openError, stopError } from '../runtime-error.ts';
import { requireBrowser } from './find.ts';
import { launch } from './launch.ts';
import { browserMemory } from './memory.ts';
import type { Page, Provider } from './page.ts';
import { pageSession } from './page-session.ts';

const gpu = ['--enable-unsafe-webgpu', '--enable-features=Vulkan', '--ignore-gpu-blocklist'];
const software = ['--use-webgpu-adapter=swiftshader', '--use-angle=swiftshader', '--enable-unsafe-swiftshader'];

interface BrowserRow {
  readonly title: string;
  readonly provider: Provider;
  readonly advice: string;
  readonly oneBitOnly?: boolean;
  /** Rewrites a file for a provider that does not take it unchanged; `done` says how. */
  prepare?(
    model: Uint8Array,
    input: ModelInput | undefined,
    options: BackendOptions,
  ): { model: Uint8Array; input: ModelInput; done: string };
}

export function browserBackend({ title, provider, advice, oneBitOnly, prepare }: BrowserRow): Backend {
  return {
    title,
    ...(oneBitOnly ? { oneBitOnly } : {}),
    async open(original, originalInput, options) {
      requirePackage('playwright-core');
      if (oneBitOnly)
        readOneBitFile(original); // first, so that a wrong file is reported before a missing browser
      else requirePackage('onnxruntime-web');
      const executablePath = requireBrowser(options.browser);
      const prepared = prepare?.(original, originalInput, options);
      const input = prepared?.input ?? originalInput;
      const { servePage } = await import('./server.ts'); // Node's servers take a while to load
      const server = await servePage(prepared?.model ?? original);
      const { browser, close: end } = await launch(executablePath, flags(provider, options)).catch(async (error: unknown) => {
        await server.close();
        throw error;
      });
      const name = `${provider} in the browser`;
      const stopped = (error: unknown): never => {
        throw stopError(name, error);
      };
      const close = () => end().finally(() => server.close());
      try {
        const page = await browser.newPage();
        await page.goto(server.url);
        await page.waitForFunction('globalThis.wrn');
        const inPage: Page = {
          open: (options) => page.evaluate((o) => (globalThis as unknown as { wrn: Page }).wrn.open(o), options),
          run: (images, count) =>
            page.evaluate(([i, n]) => (globalThis as unknown as { wrn: Page }).wrn.run(i, n), [images, count] as const).catch(stopped),
          time: (batch, sizes = {}) =>
            page
              .evaluate(([n, chosen]) => (globalThis as unknown as { wrn: Page }).wrn.time(n, chosen), [batch, sizes] as const)
              .catch(stopped),
        };
        const { threads, softwareGpu = false } = options;
        const idleMemoryBytes = await settledMemory(browser);
        const opened = await inPage.open({ model: 'model.onnx', provider, input, threads, softwareGpu });
        return closable(
          pageSession(inPage, opened, {
            detail: [`Chromium ${browser.version()}`, opened.detail, prepared?.done].filter(Boolean).join(', '),
            peakMemoryBytes: () => browserMemory(browser, peakMemory).catch(stopped),
            idleMemoryBytes,
            close,
          }),
        );
      } catch (error) {
        await close();
        throw openError(name, error, advice);
      }
    },
  };
}

/** Memory of an empty page: its processes have just been started and go on growing for a moment. */
async function settledMemory(browser: Browser): Promise<number | undefined> {
  let bytes = await browserMemory(browser, residentMemory);
  for (let i = 0; i < 10 && bytes !== undefined; i++) {
    await setTimeout(100);
    const next = await browserMemory(browser, residentMemory);
    if (next === undefined || next - bytes < 1e6) return next;
    bytes = next;
  }
  return bytes;
}

function flags(provider: Provider, { softwareGpu }: BackendOptions): string[] {
  return provider === 'wasm' || provider === 'onebit' ? ['--disable-gpu'] : [...gpu, ...(softwareGpu ? software : [])];
}
