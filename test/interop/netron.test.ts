/** The packed form as a person sees it: in Netron's page, in a real browser. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { expect, test } from 'vitest';
import { toOnnx } from '../../converters/onnx/write.ts';
import { findBrowser } from '../../eval/backends/browser/find.ts';
import { randomModel } from '../network/random-model.ts';
import { hasPython, python, SET_UP_TIMEOUT } from './environment.ts';

/** The picture stays here for whoever wants to look. */
const folder = fileURLToPath(new URL('../../node_modules/.cache/wrn-onnx/netron', import.meta.url));
const flags = ['--no-sandbox', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-quic'];
const browserPath = findBrowser();

/** Netron turns `eval` off; playwright reads pages with it. */
const KEEP_EVAL = '{ const kept = window.eval; Object.defineProperty(window, "eval", { get: () => kept, set() {} }); }';

test.skipIf(browserPath === undefined || !hasPython)(
  'Netron shows the one-bit layers as such, with readable names [needs Chrome or Chromium, Python 3.11 with venv]',
  async () => {
    const model = randomModel({ width: 1 / 2 });
    await mkdir(folder, { recursive: true });
    const file = join(folder, 'packed.onnx');
    await writeFile(file, toOnnx(model, { form: 'packed', input: 'nchw-float' }));

    const server = spawn(await python(), [fileURLToPath(new URL('serve_netron.py', import.meta.url)), file], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const browser = await chromium.launch({ executablePath: browserPath as string, args: flags });
    try {
      const page = await browser.newPage({ viewport: { width: 1000, height: 1600 } });
      await page.addInitScript(KEEP_EVAL);
      await page.route(
        ({ hostname }) => hostname !== '127.0.0.1',
        (route) => route.abort(),
      );
      await page.goto(await addressOf(server.stdout));
      await page.getByText('Accept', { exact: true }).click();
      const node = (name: string) => page.locator('svg text').getByText(name, { exact: true });
      await node('Block').first().waitFor();
      await page.screenshot({ path: join(folder, 'packed.png') });
      const counts = { Block: 1, Halve: 2, SignConv: 2, Norm: 3, GlobalAveragePool: 1 };
      for (const [name, count] of Object.entries(counts)) expect(await node(name).count(), name).toBe(count);

      // The sidebar of a node gives its name and those of its weights.
      await node('Halve').first().click();
      const shows = async (names: readonly string[]) => {
        for (const name of names) expect(await page.locator(`[value="${name}"], :text("${name}")`).count(), name).toBeGreaterThan(0);
      };
      await shows(['group1.block0', 'group0.block0', 'conv0', 'conv1', 'norm0', 'norm1', 'scale0', 'scale1', 'wrn']);
      await page.screenshot({ path: join(folder, 'block.png') });
    } finally {
      await browser.close();
      server.stdin.end();
      await once(server, 'exit');
    }
  },
  SET_UP_TIMEOUT,
);

async function addressOf(stdout: AsyncIterable<Buffer>): Promise<string> {
  let text = '';
  for await (const chunk of stdout) {
    text += chunk;
    const address = /ADDRESS (\S+)/.exec(text)?.[1];
    if (address) return address;
  }
  throw new Error(`expected Netron to serve the file, got ${text}`);
}
