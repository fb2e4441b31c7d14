/** `site`: writes the page of networks as a folder. */
import { Command } from 'commander';
import type { Site } from '../../../eval/site/build.ts';
import { grouped } from '../../numbers.ts';
import { printable } from '../../printable.ts';
import { formatOption } from '../shared/arguments.ts';
import { FOLDER_FORCE_HELP, type FolderRules, requireWritableFolder, writeFolder } from '../shared/output-folder.ts';
import { printJson, printText } from '../shared/results.ts';
import { addSiteOptions, type SiteFlags, siteOf } from './networks.ts';

interface Flags extends SiteFlags {
  readonly output: string;
  readonly force: boolean;
  readonly format: 'human' | 'json';
}

export function command(): Command {
  return addSiteOptions(new Command('site'))
    .requiredOption('-o, --output <folder>', 'folder to write')
    .option('--force', FOLDER_FORCE_HELP, false)
    .addOption(formatOption())
    .addHelpText('after', '\nExample:\n  $ wrn-onnx site cifar-10-wrn-20-1 mnist-wrn-20-4 -o public --title "One bit per weight"')
    .action(run);
}

/** Files that a site consists of. */
const OWN =
  /^((index\.html|page\.css|page\.js|engine\.js|sw\.js|site\.json|manifest\.webmanifest|licences\.txt)|(icons|models|samples|checks|ort)\/[^/]+)$/;

async function run(named: readonly string[], flags: Flags): Promise<void> {
  const { output, force, format } = flags;
  const rules: FolderRules = { force, owns: (path) => OWN.test(path) };
  requireWritableFolder(output, rules);
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
