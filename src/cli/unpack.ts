/** `unpack`: turns packed weights back into float32, and compares the result with the packed file. */
import { Command } from 'commander';
import { unpackOnnx } from '../../converters/onnx/pack/unpack.ts';
import { type PackVerification, verifyPack } from '../../eval/verify/pack.ts';
import { grouped, significant } from '../numbers.ts';
import { printable } from '../printable.ts';
import { formatOption } from './shared/arguments.ts';
import { dataNameOf, externalReader, writeModel } from './shared/model-files.ts';
import { OUTPUT_HELP, requireWritable } from './shared/output-file.ts';
import { printJson, printText } from './shared/results.ts';
import { readOnnxFile } from './shared/source.ts';

interface Flags {
  readonly output: string;
  readonly force: boolean;
  readonly format: 'human' | 'json';
}

export function command(): Command {
  return new Command('unpack')
    .argument('<model>', 'ONNX file whose weights are stored as bits')
    .requiredOption('-o, --output <file>', `ONNX file to write; ${OUTPUT_HELP}`)
    .option('--force', 'replace an existing file', false)
    .addOption(formatOption())
    .addHelpText('after', '\nExample:\n  $ wrn-onnx unpack packed.onnx -o dense.onnx')
    .action(run);
}

async function run(named: string, { output, force, format }: Flags): Promise<void> {
  const { path: source, bytes: file } = await readOnnxFile(named, 'dense');
  const rules = { force, sources: [source] };
  requireWritable(output, rules);
  const read = externalReader(source);
  const result = unpackOnnx(file, { external: { read, nameData: (data) => dataNameOf(output, data) } });
  let verification: PackVerification | undefined;
  await writeModel(output, result, {
    ...rules,
    verify: async (path) => {
      const packed = result.unpacked.map((row) => ({ ...row, error: 0 }));
      verification = await verifyPack(path, { original: source, packed, read });
    },
  });
  const { unpacked, model, data } = result;
  const bytesAfter = model.length + (data?.length ?? 0);
  const weights = unpacked.reduce((sum, row) => sum + row.weights, 0);
  if (format === 'json') {
    printJson({ source, output, weights, bytesAfter, unpacked, verification });
    return;
  }
  const lines = [
    `${printable(output)}: ${grouped(weights)} weights of ${unpacked.length} layers as float32, ${grouped(bytesAfter)} bytes`,
    `  verified: every weight equal; ${verification?.unproven ?? `outputs on random inputs within ${significant(verification?.relError ?? 0)} of the original's in onnxruntime`}`,
  ];
  printText(`${lines.join('\n')}\n`);
}
