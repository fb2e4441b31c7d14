/** `export`: converts a source to one ONNX file, and verifies it before the file appears. */
import { Command, Option } from 'commander';
import { hubFiles } from '../../../converters/hub/config.ts';
import { type Comparison, compareExport } from '../../../converters/onnx/compare.ts';
import { type FormName, forms } from '../../../converters/onnx/forms/table.ts';
import { type ExportOptions, toOnnx } from '../../../converters/onnx/write.ts';
import { type Target, type TargetName, targetNames, targets } from '../../../eval/advice.ts';
import { methodNames } from '../../../eval/verify/calibrate.ts';
import { EXPORT_TOLERANCE, type Verification, verifyExport } from '../../../eval/verify/export.ts';
import { zerosDifference } from '../../../eval/verify/zeros.ts';
import { ParityError, UsageError } from '../../errors.ts';
import { networkName } from '../../network/config.ts';
import { type InputLayout, inputLayouts } from '../../network/file-metadata.ts';
import type { Model } from '../../network/model.ts';
import { weightCount } from '../../network/topology.ts';
import { grouped, significant } from '../../numbers.ts';
import { hasPackage } from '../../packages.ts';
import { printable } from '../../printable.ts';
import { formatOption, fraction, naturalNumber } from '../shared/arguments.ts';
import { readInput } from '../shared/input-file.ts';
import { OUTPUT_HELP, type OutputRules, requireWritable, writeOutput } from '../shared/output-file.ts';
import { FOLDER_FORCE_HELP } from '../shared/output-folder.ts';
import { printJson, printText } from '../shared/results.ts';
import { addSourceOptions, readSource, type SourceFlags } from '../shared/source.ts';
import { describeZeros } from './describe.ts';
import { describeFp16, exportFp16, type Fp16Flags } from './fp16.ts';
import { exportHub, type HubFlags } from './hub.ts';
import { describeInt8, exportInt8, type Int8Flags } from './int8.ts';

/** Forms that round the network's numbers; the cost is measured before the file is written. */
const rounding = {
  int8: '8-bit activations for speed on CPU and wasm; needs --calibrate',
  fp16: 'float16 throughout: WebGPU with shader-f16, CUDA',
};
type AnyForm = FormName | keyof typeof rounding;

interface Flags extends Int8Flags, Fp16Flags, HubFlags, SourceFlags {
  readonly layout: 'file' | 'hub';
  readonly form: AnyForm;
  readonly for?: TargetName;
  readonly input: InputLayout;
}

export function command(): Command {
  return addSourceOptions(
    new Command('export')
      .requiredOption('-o, --output <file>', `ONNX file to write, or folder with --layout hub; ${OUTPUT_HELP}`)
      .addOption(new Option('--layout <layout>', LAYOUT_HELP).choices(['file', 'hub']).default('file'))
      .addOption(new Option('--form <form>', formHelp()).choices([...Object.keys(forms), ...Object.keys(rounding)]).default('packed'))
      .addOption(new Option('--for <target>', targetHelp()).choices(targetNames).conflicts('form'))
      .addOption(
        new Option('--input <layout>', 'layout and type of the image input, pixels 0..255').choices(inputLayouts).default('nchw-float'),
      )
      .addOption(
        new Option('--batch <n>', 'fix the batch size, for runtimes of phones and others without dynamic sizes').argParser(naturalNumber),
      )
      .option('--input-name <name>', 'name of the image input (default: images)')
      .optionsGroup('Forms int8 and fp16:')
      .option(
        '--calibrate <source>',
        'int8, and --layout hub: data set; its training images set the activation ranges, its test images measure the accuracy',
      )
      .addOption(
        new Option('--calibration-images <n>', 'int8: number of training images for calibration').argParser(naturalNumber).default(256),
      )
      .addOption(
        new Option('--method <name>', 'int8: how ranges are chosen from the observed activations')
          .choices(methodNames)
          .default('percentile'),
      )
      .addOption(
        new Option(
          '--min-agreement <fraction>',
          'int8, and fp16 with --data: smallest fraction of images that must get the same class as in float32',
        )
          .argParser(fraction)
          .default(0.98),
      )
      .option('--float16-io', 'fp16: use float16 also for images (unless they are uint8) and logits')
      .option('--data <source>', 'fp16: data set; its test images measure the accuracy')
      .optionsGroup('Output:')
      .option('--license <id>', '--layout hub: licence of the network for its model card, such as mit')
      .option('--force', `replace an existing file; with --layout hub: ${FOLDER_FORCE_HELP}`, false)
      .addOption(formatOption())
      .addHelpText(
        'after',
        `
Examples:
  $ wrn-onnx export CIFAR10_allparams.mat --dataset cifar-10 -o wrn-20-10.onnx
  $ wrn-onnx export CIFAR10_allparams.mat --for wasm --calibrate cifar-10 -o wrn-20-10.int8.onnx
  $ wrn-onnx export cifar-10-wrn-20-1 --batch 1 --input-name input -o phone.onnx
  $ wrn-onnx export cifar-10-wrn-20-1 --layout hub --calibrate cifar-10 --license mit -o my-classifier
  $ hf upload USER/my-classifier my-classifier`,
      )
      .action(run),
  );
}

const LAYOUT_HELP = `what to write:
file: one ONNX file
hub: a folder for the Hugging Face Hub, for pipelines of transformers.js and optimum: ${Object.values(hubFiles)
  .map(({ path }) => path)
  .join(', ')}, their configuration and a model card`;

function formHelp(): string {
  const titles = Object.entries({ ...forms, ...rounding }).map(([name, row]) => `${name}: ${typeof row === 'string' ? row : row.title}`);
  return ['how the weights are stored:', ...titles].join('\n');
}

function targetHelp(): string {
  return [
    'choose the form that measured best for a target:',
    ...Object.entries(targets).map(([name, { title }]) => `${name}: ${title}`),
  ].join('\n');
}

/** Options that only some forms take. */
const formsOf = new Map<string, readonly AnyForm[]>([
  ['calibrate', ['int8']],
  ['calibrationImages', ['int8']],
  ['method', ['int8']],
  ['float16Io', ['fp16']],
  ['data', ['fp16']],
  ['minAgreement', ['int8', 'fp16']],
]);

/**
 * The form that the user asked for, by name or by target, and the batch size that the target fixes.
 * @throws UsageError when the target does not take the images
 */
function chooseForm(flags: Flags): { form: Flags['form']; batch: number | undefined } {
  if (flags.for === undefined) return { form: flags.form, batch: flags.batch };
  const { form, int8, floatsOnly, batch }: Target = targets[flags.for];
  if (floatsOnly && flags.input === 'nhwc-uint8')
    throw new UsageError(`--for ${flags.for} needs --input nchw-float: that runtime takes no integers`);
  return { form: int8 && flags.calibrate !== undefined ? 'int8' : form, batch: flags.batch ?? batch };
}

/** Options that the layout `hub` sets itself. */
const SET_BY_HUB = ['form', 'for', 'input', 'inputName', 'batch', 'float16Io'];

async function run(source: string, flags: Flags, self: Command): Promise<void> {
  const given = (option: Option) => self.getOptionValueSource(option.attributeName()) === 'cli';
  if (flags.layout === 'hub') {
    const unfit = self.options.find((option) => SET_BY_HUB.includes(option.attributeName()) && given(option));
    if (unfit) throw new UsageError(`--layout hub chooses ${unfit.long} itself: leave it out`);
    return exportHub(source, flags);
  }
  if (flags.license !== undefined) throw new UsageError('--license needs --layout hub');
  const rules = { force: flags.force, sources: [source] };
  requireWritable(flags.output, rules);
  const { form, batch } = chooseForm(flags);
  for (const option of self.options) {
    const needs = formsOf.get(option.attributeName());
    if (needs && !needs.includes(form) && given(option)) throw new UsageError(`${option.long} needs --form ${needs.join(' or ')}`);
  }
  const model = await readSource(source, flags);
  const { bytes, verification, lines } =
    form === 'int8' || form === 'fp16'
      ? await writeRounded(form, model, flags, rules)
      : await writeFloat(model, { form, input: flags.input, batch, inputName: flags.inputName }, flags, rules);
  const zeros = await zerosDifference(model);
  const weights = weightCount(model.config);
  const { dialect } = model.about;
  const bitsPerWeight = (bytes * 8) / weights;
  const network = networkName(model.config);
  const result = {
    source,
    output: flags.output,
    network,
    dialect,
    form,
    input: flags.input,
    weights,
    bytes,
    bitsPerWeight,
    verification,
    ...(zeros && { zeros }),
    ...(model.notes && model.notes.length > 0 && { notes: model.notes }),
  };
  const summary = [
    `${printable(flags.output)}: ${network} (${printable(dialect)}), ${grouped(weights)} weights`,
    `  ${form}, ${grouped(bytes)} bytes, ${bitsPerWeight.toFixed(3)} bits per weight`,
    ...lines,
    ...(zeros ? [describeZeros(zeros)] : []),
  ];
  if (flags.format === 'json') printJson(result);
  else printText(`${summary.join('\n')}\n`);
}

/** What was written, how it was verified, and the same in words. */
interface Written {
  readonly bytes: number;
  readonly verification: unknown;
  readonly lines: readonly string[];
}

async function writeFloat(model: Model, options: ExportOptions, { output, for: target }: Flags, rules: OutputRules): Promise<Written> {
  const file = toOnnx(model, options);
  let verification: (Comparison & Partial<Verification>) | undefined;
  const canRun = hasPackage('onnxruntime-node');
  await writeOutput(output, file, {
    ...rules,
    verify: async (temporary) => {
      const written = await readInput(temporary);
      verification = await (canRun ? verifyExport(written, { model }) : compareExport(written, model));
    },
  });
  const { bits = 0, floats = 0, relError } = verification ?? {};
  return {
    bytes: file.length,
    verification,
    lines: [
      `  verified: ${grouped(bits)} bits and ${grouped(floats)} floats equal the source's;`,
      relError === undefined
        ? '  not run: onnxruntime-node is missing. Install it: npm install onnxruntime-node'
        : `  logits of a batch within ${significant(relError)} of the layer-by-layer reference (limit ${EXPORT_TOLERANCE})`,
      ...(target && targets[target].int8 ? ['  8-bit activations are faster there: add --calibrate DATA'] : []),
    ],
  };
}

async function writeRounded(form: keyof typeof rounding, model: Model, flags: Flags, rules: OutputRules): Promise<Written> {
  const { file, verification, lines } = form === 'int8' ? await int8(model, flags) : await fp16(model, flags);
  await writeOutput(flags.output, file, {
    ...rules,
    verify: async (temporary) => {
      if (!Buffer.from(file).equals(await readInput(temporary))) throw new ParityError('the file read back differs from the verified one');
    },
  });
  return { bytes: file.length, verification, lines };
}

async function int8(model: Model, flags: Flags) {
  const { file, verification } = await exportInt8(model, flags);
  return { file, verification, lines: describeInt8(verification) };
}

async function fp16(model: Model, flags: Flags) {
  const { file, verification } = await exportFp16(model, flags);
  return { file, verification, lines: describeFp16(verification) };
}
