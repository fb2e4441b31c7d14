import { Command, Option } from 'commander';
import { forms } from '../../converters/onnx/forms.ts';
import { inputLayouts } from '../../converters/onnx/metadata.ts';
import { type ExportOptions, toOnnx } from '../../converters/onnx/to-onnx.ts';
import { EXPORT_TOLERANCE, type Verification, verifyExport } from '../../eval/verify-export.ts';
import { networkName } from '../network/config.ts';
import { weightCount } from '../network/topology.ts';
import { readInput } from './input-file.ts';
import { refuseExisting, writeOutput } from './output-file.ts';
import { addSourceOptions, readSource, type SourceFlags } from './source.ts';

interface Flags extends ExportOptions, SourceFlags {
  readonly output: string;
  readonly force: boolean;
  readonly format: 'human' | 'json';
}

export function command(): Command {
  return addSourceOptions(new Command('export'))
    .requiredOption('-o, --output <file>', 'ONNX file to write')
    .addOption(new Option('--form <form>', formHelp()).choices(Object.keys(forms)).default('packed'))
    .addOption(new Option('--input <layout>', 'how the file takes images, pixels 0..255').choices(inputLayouts).default('nchw-float'))
    .option('--force', 'replace an existing file', false)
    .addOption(new Option('--format <format>', 'of the result on stdout').choices(['human', 'json']).default('human'))
    .addHelpText('after', '\nExample:\n  $ wrn-onnx export CIFAR10_allparams.mat --dataset cifar-10 -o wrn-20-10.onnx')
    .action(run);
}

function formHelp(): string {
  return ['how weights are stored:', ...Object.entries(forms).map(([name, form]) => `${name}: ${form.title}`)].join('\n');
}

async function run(source: string, flags: Flags): Promise<void> {
  refuseExisting(flags.output, flags.force);
  const model = await readSource(source, flags);
  const file = toOnnx(model, flags);
  let verification: Verification | undefined;
  await writeOutput(flags.output, file, {
    force: flags.force,
    verify: async (temporary) => {
      verification = await verifyExport(await readInput(temporary), model, flags);
    },
  });
  const weights = weightCount(model.config);
  const result = {
    source,
    output: flags.output,
    network: networkName(model.config),
    dialect: model.about.dialect,
    form: flags.form,
    input: flags.input,
    weights,
    bytes: file.length,
    bitsPerWeight: (file.length * 8) / weights,
    verification,
  };
  process.stdout.write(flags.format === 'json' ? `${JSON.stringify(result)}\n` : describe(result));
}

function describe(
  result: { verification: Verification | undefined } & Record<'output' | 'network' | 'dialect' | 'form', string> &
    Record<'weights' | 'bytes' | 'bitsPerWeight', number>,
): string {
  const { bits = 0, floats = 0, relError = 0 } = result.verification ?? {};
  const grouped = (n: number) => n.toLocaleString('en-US');
  return [
    `${result.output}: ${result.network} (${result.dialect}), ${grouped(result.weights)} weights`,
    `  ${result.form}, ${grouped(result.bytes)} bytes, ${result.bitsPerWeight.toFixed(3)} bits per weight`,
    `  verified: ${grouped(bits)} bits and ${grouped(floats)} floats equal the source's;`,
    `  logits of a batch within ${relError.toExponential(1)} of the layer-by-layer reference (limit ${EXPORT_TOLERANCE})`,
    '',
  ].join('\n');
}
