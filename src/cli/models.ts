/** `models`: lists networks by name, or gets one as ONNX. */
import { readFileSync } from 'node:fs';
import { Argument, Command } from 'commander';
import { sha256 } from '#builtin';
import { type PublishedNetwork, publishedNetwork, publishedNetworks } from '../data/networks.ts';
import { defaultDataFolder } from '../data/store/data-folder.ts';
import { getNetwork, networkFile } from '../data/store/network.ts';
import { networkName } from '../network/config.ts';
import { readModelFile } from '../network/model-file.ts';
import { percent } from '../numbers.ts';
import { command as exportCommand } from './export/export.ts';
import { formatOption } from './shared/arguments.ts';
import { OUTPUT_HELP, requireWritable } from './shared/output-file.ts';
import { megabytes, withProgress } from './shared/progress.ts';
import { printJson, printText } from './shared/results.ts';
import { shippedFile, shippedNames } from './shared/shipped-models.ts';
import { drawTable } from './shared/table.ts';

/** A network by name. */
interface Row {
  readonly name: string;
  readonly network: string;
  readonly dataset: string | null;
  readonly bits: 1 | 32;
  /** Null when it is not known. */
  readonly testError: number | null;
  /** Size of the file that holds it; null when the file is not pinned. */
  readonly bytes: number | null;
  readonly sha256: string | null;
  readonly licence: string;
  readonly source: string;
  /** Path of the file; null when it is not on this machine. */
  readonly path: string | null;
}

export function command(): Command {
  const names = [...shippedNames(), ...publishedNetworks.map(({ name }) => name)];
  const models = new Command('models')
    .exitOverride() // the commands below inherit it
    .addOption(formatOption())
    .addHelpText('after', '\nExamples:\n  $ wrn-onnx models\n  $ wrn-onnx models get mcdonnell-cifar-10 -o wrn-20-10.onnx')
    .action(list);
  models
    .command('get')
    .description(
      'get a network as a verified ONNX file. A published network is downloaded first; afterwards its name works wherever a file does',
    )
    .addArgument(new Argument('<name>').choices(names))
    .option('-o, --output <file>', `ONNX file to write (default: NAME.onnx); ${OUTPUT_HELP}`)
    .option('--force', 'replace an existing file', false)
    .addHelpText('after', '\nExample:\n  $ wrn-onnx models get cifar-10-wrn-20-1')
    .action(get);
  return models;
}

function list({ format }: { readonly format: 'human' | 'json' }): void {
  const folder = defaultDataFolder();
  const rows = [...shippedNames().map(shipped), ...publishedNetworks.map((entry) => published(entry, folder))];
  if (format === 'json') {
    printJson(rows, 2);
    return;
  }
  const head = ['name', 'network', 'bits', 'data', 'test error', 'size', 'licence', 'source', 'here', 'SHA-256'];
  const cells = rows.map((row) => [
    row.name,
    row.network,
    row.bits,
    row.dataset ?? '',
    row.testError === null ? 'not stated' : percent(row.testError),
    row.bytes === null ? 'by hand' : `${(row.bytes / 1000).toFixed(0)} kB`,
    row.licence,
    row.source,
    row.path === null ? 'no' : 'yes',
    row.sha256 === null ? '' : `${row.sha256.slice(0, 12)}…`,
  ]);
  printText(`${drawTable(head, cells)}\n`);
}

/** @param name of a network whose file is in the package */
function shipped(name: string): Row {
  const path = shippedFile(name);
  const bytes = readFileSync(path);
  const { config, about } = readModelFile(bytes);
  return {
    name,
    network: networkName(config),
    dataset: about.dataset ?? null,
    bits: config.bits,
    testError: about.testAccuracy === undefined ? null : 1 - about.testAccuracy,
    bytes: bytes.length,
    sha256: sha256(bytes),
    licence: 'MIT',
    source: 'this package',
    path,
  };
}

function published(entry: PublishedNetwork, dataFolder: string): Row {
  const { name, network, dataset, testError, licence, page, download } = entry;
  return {
    name,
    network,
    dataset,
    bits: 1,
    testError: testError ?? null,
    bytes: download?.bytes ?? null,
    sha256: download?.sha256 ?? null,
    licence,
    source: page,
    path: networkFile(entry, dataFolder) ?? null,
  };
}

async function get(name: string, { output = `${name}.onnx`, force }: { readonly output?: string; readonly force: boolean }): Promise<void> {
  requireWritable(output, { force });
  const entry = publishedNetwork(name);
  if (entry)
    await withProgress('MB', 'interrupted', (progress, signal) =>
      getNetwork(entry, {
        dataFolder: defaultDataFolder(),
        signal,
        onProgress: (bytes) => progress.update(entry.name, megabytes(bytes), megabytes(entry.download?.bytes ?? 0)),
      }),
    );
  await exportCommand().parseAsync([name, '-o', output, ...(force ? ['--force'] : [])], { from: 'user' });
}
