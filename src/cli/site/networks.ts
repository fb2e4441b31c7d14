/** Shared by `site` and `serve`: opens the networks that the user named and their test images, and builds the site. */
import { existsSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { backends } from '../../../eval/backends/table.ts';
import type { ClassifierModel } from '../../../eval/runtime/model-input.ts';
import { buildSite, type Site, type SiteNetwork } from '../../../eval/site/build.ts';
import type { Closable } from '../../closable.ts';
import { catalogEntry } from '../../data/catalog.ts';
import type { ImageSet } from '../../data/dataset.ts';
import { openImageSet } from '../../data/open.ts';
import { defaultDataFolder, isPresent } from '../../data/store/data-folder.ts';
import { packageFile } from '../../package-files.ts';
import { wholeNumber } from '../shared/arguments.ts';
import { isQuiet } from '../shared/quiet.ts';
import { say } from '../shared/results.ts';
import { readNetwork } from '../shared/source.ts';

export interface SiteFlags {
  readonly title?: string;
  readonly data?: string;
  readonly check: number;
}

export function addSiteOptions(command: Command): Command {
  return command
    .argument(
      '<model...>',
      'ONNX classifiers, sources that export reads (exported in memory), or names of networks such as cifar-10-wrn-20-1 (see wrn-onnx models)',
    )
    .option('--title <text>', 'title of the page')
    .option(
      '--data <source>',
      'test images for the samples and the check: name, folder or archive of a data set (default: the data set that the file names, where it is stored)',
    )
    .addOption(new Option('--check <n>', 'test images that "check it yourself" runs; 0 leaves it out').argParser(wholeNumber).default(200));
}

/** @throws InputError, UsageError or DeviceError as `buildSite` and the readers */
export async function siteOf(named: readonly string[], flags: SiteFlags, offline: boolean): Promise<Site> {
  const networks: (SiteNetwork & { readonly data: (ImageSet & Closable) | undefined })[] = [];
  try {
    for (const one of named) {
      const { name, model } = await readNetwork(one);
      networks.push({ name: name.replace(EXTENSION, ''), model, data: await dataFor(name, model, flags) });
    }
    return await buildSite(networks, { title: flags.title, checked: flags.check, offline, openReference });
  } finally {
    for (const { data } of networks) await data?.close();
  }
}

/** Extensions to remove from names. Not any extension: a shipped network is called `...-1.5`. */
const EXTENSION = /\.(onnx|safetensors|mat|h5|keras|pt|pth|npz)$/i;

function openReference({ bytes, input }: ClassifierModel) {
  return backends.cpu.open(bytes, input, { batch: input.fixedBatch ?? 1 });
}

async function dataFor(name: string, { input, classes, metadata }: ClassifierModel, { data }: SiteFlags) {
  const fits = { split: 'test', shape: input, classes } as const;
  if (data !== undefined) return openImageSet(data, fits);
  const dataset = metadata?.about.dataset;
  const entry = dataset === undefined ? undefined : catalogEntry(dataset);
  if (entry) {
    const shipped = packageFile(`examples/${entry.name}`); // an excerpt of the data set
    if (await isPresent(entry, defaultDataFolder())) return openImageSet(entry.name, fits);
    if (existsSync(shipped)) return openImageSet(shipped, fits);
  }
  if (!isQuiet())
    say(
      `note: ${name}: no test images at hand, so the page has no check. ${entry ? `Run wrn-onnx data get ${entry.name}, or give` : 'Give'} them with --data`,
    );
  return undefined;
}
