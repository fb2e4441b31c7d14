/** `pack`: stores the one-bit weights of an ONNX model as bits, and compares the result with the original. */
import { Command, Option } from 'commander';
import { NothingToPackError, type PackedFile, type PackOptions, packOnnx } from '../../converters/onnx/pack/pack.ts';
import { readClassifier } from '../../eval/runtime/model-input.ts';
import type { Sizes } from '../../eval/runtime/random-run.ts';
import { type PackData, type PackVerification, verifyPack } from '../../eval/verify/pack.ts';
import { openImageSet } from '../data/open.ts';
import { UsageError } from '../errors.ts';
import { grouped, significant } from '../numbers.ts';
import { printable } from '../printable.ts';
import { formatOption, fraction, namedSizes, naturalNumber } from './shared/arguments.ts';
import { dataNameOf, externalReader, writeModel } from './shared/model-files.ts';
import { OUTPUT_HELP, requireWritable } from './shared/output-file.ts';
import { Progress } from './shared/progress.ts';
import { printJson, printText, say } from './shared/results.ts';
import { readOnnxFile } from './shared/source.ts';
import { drawTable } from './shared/table.ts';

interface Flags {
  readonly output: string;
  readonly inline: boolean;
  readonly tolerance: number;
  readonly keepInputs: boolean;
  readonly shape?: Sizes;
  readonly data?: string;
  readonly limit?: number;
  readonly force: boolean;
  readonly format: 'human' | 'json';
}

export function command(): Command {
  return new Command('pack')
    .argument('<model>', 'ONNX file of any network with weights of two opposite values')
    .requiredOption('-o, --output <file>', `ONNX file to write; ${OUTPUT_HELP}`)
    .option('--inline', 'unpack with standard operators, for tools without model-local functions', false)
    .addOption(
      new Option('--tolerance <fraction>', 'pack weights within this relative distance of two opposite values; 1e-6 allows for rounding')
        .argParser(fraction)
        .default(0),
    )
    .option('--keep-inputs', 'do not pack weights that are also model inputs: callers may override them', false)
    .addOption(
      new Option(
        '--shape <name=sizes>',
        'shape of the random inputs to compare on: NAME=SIZExSIZE... for an input, NAME=SIZE for a dimension; repeatable',
      ).argParser(namedSizes),
    )
    .option('--data <source>', 'compare with the original on images, too: name, folder or archive of a data set')
    .addOption(new Option('--limit <n>', 'compare on the first n images only').argParser(naturalNumber))
    .option('--force', 'replace an existing file', false)
    .addOption(formatOption())
    .addHelpText('after', '\nExample:\n  $ wrn-onnx pack dense.onnx -o packed.onnx --data cifar-10 --limit 500')
    .action(run);
}

async function run(named: string, flags: Flags): Promise<void> {
  if (flags.limit !== undefined && flags.data === undefined) throw new UsageError('--limit needs --data');
  const { output, force, inline, format, tolerance, keepInputs: keepDefaults } = flags;
  if (flags.limit !== undefined && flags.data === undefined) throw new UsageError('--limit needs --data');
  const { path: source, bytes: file } = await readOnnxFile(named, 'packed');
  const rules = { force, sources: [source] };
  requireWritable(output, rules);
  const external = countingReader(source);
  const result = packOrSayWhy(file, {
    inline,
    tolerance,
    keepDefaults,
    external: { read: external.read, nameData: (data) => dataNameOf(output, data) },
  });
  const claim = { packed: result.packed, read: external.read, sizes: flags.shape };
  let verification: PackVerification | undefined;
  const verify = async (data?: PackData) =>
    writeModel(output, result, {
      ...rules,
      verify: async (path) => {
        verification = await verifyPack(path, { original: source, data, ...claim });
      },
    });
  if (flags.data === undefined) await verify();
  else await withData(file, flags.data, flags.limit ?? Number.POSITIVE_INFINITY, verify);

  const bytesBefore = file.length + external.bytes();
  const bytesAfter = result.model.length + (result.data?.length ?? 0);
  const { packed, kept } = result;
  const report = { source, output, inline, bytesBefore, bytesAfter, packed, kept, verification };
  if (format === 'json') printJson(report);
  else printText(describe(report));
}

/** When nothing can be packed, says why for every layer. */
function packOrSayWhy(file: Uint8Array, options: PackOptions): PackedFile {
  try {
    return packOnnx(file, options);
  } catch (error) {
    if (error instanceof NothingToPackError && error.kept.length > 3)
      for (const { layer, op, tensor, reason } of error.kept) say([layer, op, tensor, reason].map(cell).join(' | '));
    throw error;
  }
}

/** Counts every piece of external data once. */
function countingReader(source: string) {
  const reader = externalReader(source);
  const pieces = new Map<string, number>();
  return {
    read: (location: string, offset: number, length: number) => {
      const bytes = reader(location, offset, length);
      pieces.set(`${location}\0${offset}`, length);
      return bytes;
    },
    bytes: () => [...pieces.values()].reduce((sum, length) => sum + length, 0),
  };
}

async function withData(file: Uint8Array, source: string, limit: number, use: (data: PackData) => Promise<void>): Promise<void> {
  const classifier = readClassifier(file);
  const { input, classes } = classifier;
  const images = await openImageSet(source, { split: 'test', shape: input, classes });
  const progress = new Progress();
  const total = Math.min(limit, images.length);
  try {
    await use({ images, classifier, limit: total, onProgress: (done) => progress.update('both files', done, total) });
  } finally {
    progress.stop();
    await images.close();
  }
}

type Report = Pick<PackedFile, 'packed' | 'kept'> & {
  readonly output: string;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  readonly verification: PackVerification | undefined;
};

/** A text from a file, short enough for a table. */
const cell = (text: string) => printable(text).slice(0, 80);

function describe({ output, packed, kept, bytesBefore, bytesAfter, verification }: Report): string {
  const head = ['packed layer', 'op', 'shape', 'weights', 'scales', 'bytes', 'packed bytes'];
  const rows = packed.map(({ layer, op, shape, weights, scales, bytesBefore: before, bytesAfter: after }) => [
    cell(layer),
    op,
    shape.join('x'),
    ...[weights, scales, before, after].map(grouped),
  ]);
  const align = head.map((_, column) => (column < 2 ? ('left' as const) : ('right' as const)));
  const others = kept.map(({ layer, op, tensor, reason }) => [layer, op, tensor, reason].map(cell));
  const { weights, relError = 0, asWritten, unproven, data } = verification ?? {};
  const difference = weights?.difference ? `within ${significant(weights.difference)} of` : 'bit for bit';
  return [
    drawTable(head, rows, { align, lines: 'head' }),
    ...(kept.length > 0 ? ['', drawTable(['layer not packed', 'op', 'tensor', 'why'], others, { lines: 'head' })] : []),
    '',
    `${printable(output)}: ${packed.length} of ${packed.length + kept.length} layers packed`,
    `  ${grouped(bytesAfter)} bytes instead of ${grouped(bytesBefore)}, ${saved(bytesBefore, bytesAfter)}`,
    ...(weights
      ? [`  verified: ${grouped(weights.count)} weights, every sign equal, values ${difference} the original's in onnxruntime`]
      : []),
    unproven === undefined
      ? `  verified: outputs on random inputs within ${significant(relError ?? 0)} of the original's in onnxruntime${asWritten ? ' with its optimizer off, because that runs the original in fewer bits' : ''}`
      : `  outputs were not compared: ${unproven}`,
    ...(data ? [`  ${grouped(data.images)} images: every prediction equal, logits within ${significant(data.relError)}`] : []),
    '',
  ].join('\n');
}

/** The unpack functions take 2 kB, more than packing saves in a very small file. */
function saved(before: number, after: number): string {
  return after < before ? `${(before / after).toFixed(2)}x smaller` : 'not smaller: there is too little to pack';
}
