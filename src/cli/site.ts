import { Command } from 'commander';
import type { Site } from '../../eval/site/build.ts';
import { printable } from '../errors.ts';
import { grouped } from '../numbers.ts';
import { formatOption } from './shared/arguments.ts';
import { requireFolder, writeFolder } from './shared/output-folder.ts';
import { printJson, printText } from './shared/results.ts';
import { addSiteOptions, type SiteFlags, siteOf } from './shared/site-networks.ts';

interface Flags extends SiteFlags {
  readonly output: string;
  readonly force: boolean;
  readonly format: 'human' | 'json';
}

export function command(): Command {
  return addSiteOptions(new Command('site'))
    .requiredOption('-o, --output <folder>', 'folder to write')
    .option('--force', 'replace a site that is there', false)
    .addOption(formatOption())
    .addHelpText('after', '\nExample:\n  $ wrn-onnx site cifar-10-wrn-20-1 mnist-wrn-20-4 -o public --title "One bit per weight"')
    .action(run);
}

async function run(named: readonly string[], flags: Flags): Promise<void> {
  const { output, force, format } = flags;
  const rules = { force, mark: 'site.json' };
  requireFolder(output, rules);
  const site = await siteOf(named, flags, true);
  await writeFolder(output, site.files, rules);
  const bytes = [...site.files.values()].reduce((sum, file) => sum + file.length, 0);
  if (format === 'json') printJson({ output, bytes, firstBytes: site.firstBytes, files: [...site.files.keys()], ...site.facts });
  else printText(describe(output, bytes, site));
}

function describe(output: string, bytes: number, { facts: { networks }, files, firstBytes }: Site): string {
  return [
    `${printable(output)}: ${files.size} files, ${grouped(bytes)} bytes; a first visit loads ${grouped(firstBytes)}`,
    ...networks.map(({ id, bytes, runtime, check }) => {
      const runs = runtime === 'onebit' ? 'one-bit runtime' : 'onnxruntime-web';
      const checked = check ? `checked on ${grouped(check.count)} test images of ${printable(check.data)}` : 'no check';
      return `  ${id}: ${grouped(bytes)} bytes, ${runs}, ${checked}`;
    }),
    'Copy the folder to any host for static files.',
    '',
  ].join('\n');
}
