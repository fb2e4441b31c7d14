/** `serve`: serves the page of `site` on this computer. */
import { once } from 'node:events';
import { Command, Option } from 'commander';
import { serveFiles } from '../../../eval/site/server.ts';
import { portNumber } from '../shared/arguments.ts';
import { catchInterrupt } from '../shared/interrupt.ts';
import { isQuiet } from '../shared/quiet.ts';
import { printText, say } from '../shared/results.ts';
import { addSiteOptions, type SiteFlags, siteOf } from './networks.ts';
import { openBrowser } from './open-browser.ts';

interface Flags extends SiteFlags {
  readonly port: number;
  readonly open?: boolean;
}

/** Always the same, so that browsers remember that the page may use the camera. */
const PORT = 8101;

export function command(): Command {
  return addSiteOptions(new Command('serve'))
    .addOption(new Option('--port <n>', 'port on 127.0.0.1; 0 for any that is free').argParser(portNumber).default(PORT))
    .option('--open', 'open the page in the default browser')
    .addHelpText('after', '\nExample:\n  $ wrn-onnx serve wrn-20-10.onnx --open')
    .action(run);
}

async function run(named: readonly string[], flags: Flags): Promise<void> {
  const files = new Map<string, Uint8Array>();
  const server = await serveFiles(files, flags.port); // first: making the site takes a while
  try {
    for (const [path, bytes] of (await siteOf(named, flags, false)).files) files.set(path, bytes);
    const { signal } = catchInterrupt('stopped');
    printText(`${server.url}\n`);
    if (!isQuiet()) say('Open this address in a browser. Ctrl-C stops the server');
    if (flags.open) openBrowser(server.url);
    if (!signal.aborted) await once(signal, 'abort');
  } finally {
    await server.close();
  }
}
