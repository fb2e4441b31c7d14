/** `import`: converts a source to the project's model file. */
import { Command } from 'commander';
import { networkName } from '../network/config.ts';
import { writeModelFile } from '../network/model-file.ts';
import { weightCount } from '../network/topology.ts';
import { grouped } from '../numbers.ts';
import { printable } from '../printable.ts';
import { formatOption } from './shared/arguments.ts';
import { OUTPUT_HELP, requireWritable, writeOutput } from './shared/output-file.ts';
import { printJson, printText } from './shared/results.ts';
import { addSourceOptions, readSource, type SourceFlags } from './shared/source.ts';

interface Flags extends SourceFlags {
  readonly output: string;
  readonly force: boolean;
  readonly format: 'human' | 'json';
}

export function command(): Command {
  return addSourceOptions(
    new Command('import')
      .requiredOption('-o, --output <file>', `model file to write; ${OUTPUT_HELP}`)
      .option('--force', 'replace an existing file', false)
      .addOption(formatOption())
      .addHelpText('after', '\nExample:\n  $ wrn-onnx import CIFAR10_allparams.mat --dataset cifar-10 -o wrn-20-10.safetensors')
      .action(run),
  );
}

async function run(source: string, flags: Flags): Promise<void> {
  const rules = { force: flags.force, sources: [source] };
  requireWritable(flags.output, rules);
  const model = await readSource(source, flags);
  const file = writeModelFile(model);
  await writeOutput(flags.output, file, rules);
  const result = {
    source,
    output: flags.output,
    network: networkName(model.config),
    dialect: model.about.dialect,
    weights: weightCount(model.config),
    bytes: file.length,
    ...(model.notes && model.notes.length > 0 && { notes: model.notes }),
  };
  const human = `${printable(result.output)}: ${result.network} (${printable(result.dialect)}), ${grouped(result.weights)} weights, ${grouped(result.bytes)} bytes\n`;
  if (flags.format === 'json') printJson(result);
  else printText(human);
}
