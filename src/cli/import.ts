import { Command, Option } from 'commander';
import { dialectNames, readModel } from '../../converters/read-model.ts';
import { networkName } from '../network/config.ts';
import { writeModelFile } from '../network/model-file.ts';
import { weightCount } from '../network/topology.ts';
import { readInput } from './input-file.ts';
import { refuseExisting, writeOutput } from './output-file.ts';

interface Flags {
  readonly output: string;
  readonly dialect?: string;
  readonly force: boolean;
  readonly format: 'human' | 'json';
}

export function command(): Command {
  return new Command('import')
    .argument('<source>', 'Keras or MATLAB .mat, PyTorch checkpoint, recognised by its content')
    .requiredOption('-o, --output <file>', 'model file to write')
    .addOption(new Option('--dialect <dialect>', 'read the source as this dialect').choices(dialectNames))
    .option('--force', 'replace an existing file', false)
    .addOption(new Option('--format <format>', 'of the result on stdout').choices(['human', 'json']).default('human'))
    .addHelpText('after', '\nExample:\n  $ wrn-onnx import CIFAR10_allparams.mat -o wrn-20-10.safetensors')
    .action(run);
}

async function run(source: string, flags: Flags): Promise<void> {
  refuseExisting(flags.output, flags.force);
  const model = readModel(await readInput(source), { dialect: flags.dialect });
  const file = writeModelFile(model);
  await writeOutput(flags.output, file, { force: flags.force });
  const result = {
    source,
    output: flags.output,
    network: networkName(model.config),
    dialect: model.about.dialect,
    weights: weightCount(model.config),
    bytes: file.length,
  };
  const human = `${result.output}: ${result.network} (${result.dialect}), ${result.weights.toLocaleString('en-US')} weights, ${result.bytes.toLocaleString('en-US')} bytes\n`;
  process.stdout.write(flags.format === 'json' ? `${JSON.stringify(result)}\n` : human);
}
