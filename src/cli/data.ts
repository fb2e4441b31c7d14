/** `data`: lists, downloads and verifies data sets. */
import { existsSync } from 'node:fs';
import { Argument, Command } from 'commander';
import { type CatalogEntry, catalog, catalogEntry } from '../data/catalog.ts';
import { checkDataSet, dataSetPath, defaultDataFolder, isPresent } from '../data/store/data-folder.ts';
import { getDataSet } from '../data/store/get.ts';
import { DownloadError, InputError } from '../errors.ts';
import { formatOption } from './shared/arguments.ts';
import { megabytes, withProgress } from './shared/progress.ts';
import { printJson, printText } from './shared/results.ts';
import { drawTable } from './shared/table.ts';

interface Output {
  readonly format: 'human' | 'json';
}

export function command(): Command {
  const names = catalog.map(({ name }) => name);
  const data = new Command('data')
    .description('data sets: list, get, verify, find')
    .exitOverride() // the commands below inherit it
    .addHelpText('after', '\nExample:\n  $ wrn-onnx data get fashion-mnist\n  $ wrn-onnx eval model.onnx --data fashion-mnist');
  data
    .command('list')
    .description('list the data sets known by name and whether they are on this machine')
    .addOption(formatOption())
    .addHelpText('after', '\nExample:\n  $ wrn-onnx data list')
    .action(list);
  data
    .command('get')
    .description('download data sets to the data folder and verify them; a partial download is resumed')
    .addArgument(new Argument('<names...>').choices(names))
    .option('--from <path>', 'take the files from a local folder or archive instead of the network')
    .addOption(formatOption())
    .addHelpText('after', '\nExample:\n  $ wrn-onnx data get mnist\n  $ wrn-onnx data get cifar-10 --from ~/Downloads')
    .action(get);
  data
    .command('verify')
    .description('check the checksums of data sets (default: all that are on this machine)')
    .addArgument(new Argument('[names...]').choices(catalog.filter(isPinned).map(({ name }) => name)))
    .addOption(formatOption())
    .addHelpText('after', '\nExample:\n  $ wrn-onnx data verify')
    .action(verify);
  data
    .command('path')
    .description('print the folder of a data set')
    .addArgument(new Argument('<name>').choices(names))
    .addHelpText('after', '\nExample:\n  $ ls "$(wrn-onnx data path mnist)"')
    .action(path);
  return data;
}

async function list({ format }: Output): Promise<void> {
  const folder = defaultDataFolder();
  const sum = (files: readonly { bytes: number }[]) => files.reduce((bytes, file) => bytes + file.bytes, 0);
  const rows = await Promise.all(
    catalog.map(async (entry) => ({
      name: entry.name,
      trainImages: entry.images.train,
      testImages: entry.images.test,
      shape: [entry.channels, entry.height, entry.width],
      classes: entry.classes,
      byHand: entry.byHand !== undefined,
      downloadBytes: sum(entry.archives),
      bytes: sum(entry.files),
      license: entry.license,
      path: dataSetPath(entry, folder),
      present: await isPresent(entry, folder),
    })),
  );
  if (format === 'json') return printJson(rows, 2);
  const head = ['name', 'train + test images', 'shape', 'classes', 'download', 'on disk', 'license', 'here'];
  const cells = rows.map((row) => [
    row.name,
    `${row.trainImages} + ${row.testImages}`,
    row.shape.join(' x '),
    row.classes,
    row.byHand ? 'by hand' : `${megabytes(row.downloadBytes).toFixed(1)} MB`,
    row.byHand ? '' : `${megabytes(row.bytes).toFixed(1)} MB`,
    row.license,
    row.present ? 'yes' : 'no',
  ]);
  print(`${drawTable(head, cells)}\nin ${folder}`);
}

async function get(names: string[], { format, from }: Output & { from?: string }): Promise<void> {
  const folder = defaultDataFolder();
  const results = [];
  for (const entry of entries(names)) {
    const fetched = await withProgress('MB', 'interrupted', (progress, signal) =>
      getDataSet(entry, {
        dataFolder: folder,
        from,
        signal,
        onProgress: (doing, bytes, of) => progress.update(`${entry.name} ${doing}`, megabytes(bytes), megabytes(of)),
      }),
    );
    const path = dataSetPath(entry, folder);
    results.push({ name: entry.name, path, fetched });
    if (format === 'human') print(`${entry.name}: ${fetched ? 'verified' : 'already here, verified'}, in ${path}`);
  }
  if (format === 'json') printJson(results, 2);
}

async function verify(names: string[], { format }: Output): Promise<void> {
  const folder = defaultDataFolder();
  const results = [];
  for (const entry of names.length > 0
    ? entries(names)
    : catalog.filter((each) => isPinned(each) && existsSync(dataSetPath(each, folder)))) {
    const problem = await checkDataSet(entry, folder);
    results.push({ name: entry.name, path: dataSetPath(entry, folder), problem: problem ?? null });
    if (format === 'human') print(`${entry.name}: ${problem ?? 'all checksums match'}`);
  }
  if (format === 'json') printJson(results, 2);
  const damaged = results.filter(({ problem }) => problem !== null).map(({ name }) => name);
  if (damaged.length > 0)
    throw new DownloadError(`${damaged.join(', ')}: expected other checksums. Download again with: wrn-onnx data get ${damaged.join(' ')}`);
}

async function path(name: string): Promise<void> {
  const folder = defaultDataFolder();
  const entry = catalogEntry(name) as CatalogEntry; // commander has checked the name
  if (!(await isPresent(entry, folder)))
    throw new InputError('data set', name, `expected it in ${folder}, got nothing. Get it with: wrn-onnx data get ${name}`);
  print(dataSetPath(entry, folder));
}

/** Data sets that users download by hand have no checksums here. */
function isPinned({ byHand }: CatalogEntry): boolean {
  return byHand === undefined;
}

function entries(names: readonly string[]): CatalogEntry[] {
  return names.flatMap((name) => catalogEntry(name) ?? []);
}

function print(text: string): void {
  printText(`${text}\n`);
}
