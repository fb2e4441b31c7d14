/** The backends that run in the user's Chrome, Chromium or Edge. */
import { closable } from '../../../src/closable.ts';
import { readOneBitFile } from '../../../src/onebit/file.ts';
import { requirePackage } from '../../../src/packages.ts';
import type { ModelInput } from '../../runtime/runtime.ts';
import type { Backend, BackendOptions, OpenSession } from '../backend.ts';
import { openError, stopError } from '../runtime-error.ts';
import { requireBrowser } from './find.ts';
import { launch } from './launch.ts';
import { peakBrowserMemory } from './memory.ts';
import type { Page as PageApi, PageOpen, PageResult, Provider } from './page.ts';
import { servePage } from './server.ts';

const gpu = ['--enable-unsafe-webgpu', '--enable-features=Vulkan', '--ignore-gpu-blocklist'];
const software = ['--use-webgpu-adapter=swiftshader', '--use-angle=swiftshader', '--enable-unsafe-swiftshader'];

interface BrowserRow {
  readonly title: string;
  readonly provider: Provider;
  readonly advice: string;
  readonly oneBitOnly?: boolean;
  /** Rewrites a file for a provider that does not take it unchanged; says what was done. */
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
        readOneBitFile(original); // before the browser is looked for: a wrong file is said first
      else requirePackage('onnxruntime-web');
      const executablePath = requireBrowser(options.browser);
      const prepared = prepare?.(original, originalInput, options);
      const input = prepared?.input ?? originalInput;
      const server = await servePage(prepared?.model ?? original);
      const { browser, close: end } = await launch(executablePath, flags(provider, options)).catch(async (error: unknown) => {
        await server.close();
        throw error;
      });
      const name = `${provider} in the browser`;
      const stopped = (error: unknown): never => {
        throw stopError(name, error);
      };
      const close = async () => {
        await end();
        await server.close();
      };
      try {
        const page = await browser.newPage();
        await page.goto(server.url);
        await page.waitForFunction('globalThis.wrn');
        const openOptions: PageOpen = { provider, input, threads: options.threads, softwareGpu: options.softwareGpu ?? false };
        const { seconds, detail } = await page.evaluate((o) => (globalThis as unknown as { wrn: PageApi }).wrn.open(o), openOptions);
        return closable<OpenSession>({
          loadSeconds: seconds,
          detail: [`Chromium ${browser.version()}`, detail, prepared?.done].filter(Boolean).join(', '),
          async run(imagesNCHW, count) {
            const base64 = Buffer.from(imagesNCHW).toString('base64');
            const result = await page
              .evaluate(([images, n]) => (globalThis as unknown as { wrn: PageApi }).wrn.run(images, n), [base64, count] as const)
              .catch(stopped);
            return decode(result);
          },
          time: (batch, sizes = {}) =>
            page
              .evaluate(([n, chosen]) => (globalThis as unknown as { wrn: PageApi }).wrn.time(n, chosen), [batch, sizes] as const)
              .catch(stopped),
          peakMemoryBytes: () => peakBrowserMemory(browser).catch(stopped),
          close,
        });
      } catch (error) {
        await close();
        throw openError(name, error, advice);
      }
    },
  };
}

function flags(provider: Provider, { softwareGpu }: BackendOptions): string[] {
  return provider === 'wasm' || provider === 'onebit' ? ['--disable-gpu'] : [...gpu, ...(softwareGpu ? software : [])];
}

function decode({ outputs, seconds }: PageResult) {
  const decoded = Object.entries(outputs).map(([name, { shape, base64 }]) => {
    const bytes = Uint8Array.from(Buffer.from(base64, 'base64')); // a copy: float32 needs aligned bytes
    return [name, { shape, data: new Float32Array(bytes.buffer) }] as const;
  });
  return { outputs: Object.fromEntries(decoded), seconds };
}
