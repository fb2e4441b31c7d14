import { basename } from 'node:path';
import { Command, Option } from 'commander';
import { misfit } from '../../../eval/advice.ts';
import type { BackendOptions } from '../../../eval/backends/backend.ts';
import { type BackendName, backendNames } from '../../../eval/backends/table.ts';
import { courseOf, dataName, evaluate } from '../../../eval/evaluate.ts';
import { otherLabel } from '../../../eval/label-fit.ts';
import { machine } from '../../../eval/machine.ts';
import type { Report } from '../../../eval/report.ts';
import { type ClassifierModel, readClassifier } from '../../../eval/runtime/model-input.ts';
import type { Shard } from '../../../eval/shard.ts';
import type { Bisection, Side } from '../../../eval/verify/bisect.ts';
import type { ImageSet, ImageShape } from '../../data/dataset.ts';
import { openImageSet } from '../../data/open.ts';
import { UsageError } from '../../errors.ts';
import { naturalNumber, naturalNumbers, shard } from '../shared/arguments.ts';
import { chooseBackends } from '../shared/choose-backends.ts';
import { catchInterrupt } from '../shared/interrupt.ts';
import { requireWritable } from '../shared/output-file.ts';
import { Progress } from '../shared/progress.ts';
import { readNetwork } from '../shared/source.ts';
import { BISECT_IMAGES, bisectOn, chooseSides, type NetworkFile, requireAlike, runBisect } from './bisect.ts';
import { LogitFiles } from './logit-files.ts';
import { printReport, requireParity } from './parity-table.ts';
import { readReports, writeReport } from './report.ts';

interface Flags {
  readonly data: string;
  readonly backend: string;
  readonly reference?: BackendName;
  readonly limit?: number;
  readonly shard?: Shard;
  readonly shorterSide?: readonly number[];
  readonly crops?: number;
  readonly batch?: number;
  readonly threads?: number;
  readonly browser?: string;
  readonly softwareGpu?: boolean;
  readonly bisect?: boolean;
  readonly against?: string;
  readonly saveLogits?: string;
  readonly report?: string;
  readonly compare: readonly string[];
  readonly force: boolean;
  readonly format: 'human' | 'json';
}

export function command(): Command {
  return new Command('eval')
    .argument('<file>', 'ONNX file that takes raw pixels 0..255; or anything that export takes, exported in memory')
    .requiredOption('--data <source>', 'data set by name (wrn-onnx data list), or a folder or archive of one')
    .addOption(new Option('--backend <names>', `comma-separated, or all: ${backendNames.join(', ')}`).default('cpu'))
    .addOption(new Option('--reference <name>', 'backend that the others are compared with (default: the first)').choices(backendNames))
    .addOption(
      new Option('--limit <n>', 'evaluate the first n images; with --bisect alone compare layers on n (default: 2)').argParser(
        naturalNumber,
      ),
    )
    .addOption(
      new Option('--shard <i/n>', 'evaluate part i of n, for wrn-onnx merge; its exit code says nothing of parity').argParser(shard),
    )
    .addOption(
      new Option(
        '--shorter-side <n,...>',
        'scale image files until their shorter side has n pixels, then cut around the centre (default: until they cover the input); average the probabilities over several n',
      ).argParser(naturalNumbers),
    )
    .addOption(new Option('--crops <n>', 'with --shorter-side: average over n random crops of each scale instead').argParser(naturalNumber))
    .addOption(
      new Option('--batch <n>', 'images a batch (default: 64, of images larger than 32x32 16; or what the file fixes)').argParser(
        naturalNumber,
      ),
    )
    .addOption(new Option('--threads <n>', 'threads of CPU and wasm kernels').argParser(naturalNumber))
    .option('--browser <path>', 'Chrome, Chromium or Edge to drive (default: found by name)')
    .option('--software-gpu', 'render WebGPU and WebGL in software (SwiftShader)')
    .option(
      '--bisect',
      'name the first layer whose output differs between two backends, or two files (--against), instead of evaluating; with --report as well',
    )
    .option('--against <file>', 'with --bisect: the other file, on the same backend')
    .option('--save-logits <file>', 'write the logits, shape [images, classes], for numpy; one file a backend when there are several')
    .option('--report <file>', 'write the result as one HTML page; with --bisect the layers too')
    .option('--compare <results...>', 'with --report: draw results of other files beside it, as --format json printed them', [])
    .option('--force', 'replace existing files', false)
    .addOption(new Option('--format <format>', 'of the result on stdout').choices(['human', 'json']).default('human'))
    .addHelpText(
      'after',
      `
Examples:
  $ wrn-onnx eval wrn-20-10.onnx --data cifar-10 --backend cpu,wasm --limit 500
  $ wrn-onnx eval run/checkpoint.safetensors --data fashion-mnist --backend tfjs,cpu,wasm
  $ wrn-onnx eval int8.onnx --data cifar-10 --backend cpu,wasm --report report.html --compare packed.json dense.json`,
    )
    .action(run);
}

/**
 * Refuses what would be ignored.
 * @throws UsageError for options that do not go together
 */
function requireFit({ bisect, report, against, compare, shard, batch, saveLogits, crops, shorterSide }: Flags): void {
  if (compare.length > 0 && report === undefined) throw new UsageError('--compare goes with --report');
  if (against !== undefined && !bisect) throw new UsageError('--against goes with --bisect');
  if (bisect && (crops ?? shorterSide?.[1]) !== undefined)
    throw new UsageError('--bisect compares layers on one crop of an image: leave --crops away and give one --shorter-side');
  if (bisect && report === undefined && (shard ?? batch ?? saveLogits) !== undefined)
    throw new UsageError('--shard, --batch and --save-logits are of an evaluation, which --bisect makes with --report only');
}

async function run(file: string, flags: Flags): Promise<void> {
  requireFit(flags);
  const network = { name: basename(file), ...(await readNetwork(file)) };
  if (flags.bisect && flags.report === undefined) return runBisect(network, flags);
  const job = await prepare(file, network, flags);
  const { report, others, bisection, failure } = await carryOut(job, flags);
  printReport(report, flags.format, bisection);
  await job.logitFiles.write(report);
  if (flags.report !== undefined) await writeReport(flags.report, report, { force: flags.force, machine: machine(), others, bisection });
  if (failure !== undefined) throw failure;
  if (flags.shard === undefined) requireParity(report);
  if (bisection) requireAlike(bisection);
}

/** All that an evaluation needs, checked and open. */
interface Job {
  readonly network: NetworkFile;
  readonly classifier: ClassifierModel;
  readonly chosen: readonly BackendName[];
  readonly backendOptions: BackendOptions;
  readonly logitFiles: LogitFiles;
  /** What is bisected besides, if anything. */
  readonly sides: readonly [Side, Side] | undefined;
  readonly data: ImageSet;
}

/** Finds out all that can stand in the way before anything runs; what is a bad choice is said, not refused. */
async function prepare(file: string, network: NetworkFile, flags: Flags): Promise<Job> {
  const { model, source } = network;
  const classifier = readClassifier(model);
  const { input, classes, metadata } = classifier;
  const { fixedBatch } = input;
  if (fixedBatch !== undefined && fixedBatch !== (flags.batch ?? fixedBatch))
    throw new UsageError(`${file} takes batches of ${fixedBatch}, got --batch ${flags.batch}`);
  const backendOptions: BackendOptions = {
    threads: flags.threads,
    browser: flags.browser,
    softwareGpu: flags.softwareGpu,
    batch: fixedBatch ?? flags.batch ?? defaultBatch(input),
    source,
  };
  const chosen = await chooseBackends(flags, backendOptions, [model]);
  for (const backend of chosen) warn(metadata && misfit(metadata.form, backend));
  const logitFiles = new LogitFiles(flags.saveLogits, chosen, flags.force);
  if (flags.report !== undefined) requireWritable(flags.report, flags.force);
  const sides = flags.bisect ? await chooseSides(network, chosen, flags.against) : undefined;
  const data = await openImageSet(flags.data, {
    split: 'test',
    shape: input,
    classes,
    shorterSides: flags.shorterSide,
    crops: flags.crops,
  });
  warn(otherLabel(metadata?.about.classLabels, data.classLabels));
  return { network, classifier, chosen, backendOptions, logitFiles, sides, data };
}

interface Outcome {
  readonly report: Report;
  /** What `--compare` names. */
  readonly others: readonly Report[];
  readonly bisection: Bisection | undefined;
  /** An error behind which there is something to print all the same. */
  readonly failure: unknown;
}

/** Evaluates, and bisects where that is asked for; closes the data. */
async function carryOut({ network, classifier, chosen, backendOptions, logitFiles, sides, data }: Job, flags: Flags): Promise<Outcome> {
  const { limit, shard } = flags;
  const interrupt = catchInterrupt('interrupted: the table holds what was done');
  const progress = new Progress();
  let report: Report | undefined;
  let others: Report[] = [];
  let bisection: Bisection | undefined;
  let failure: unknown;
  try {
    others = await readReports(flags.compare, dataName(data));
    await logitFiles.open(classifier.classes, courseOf({ data, limit, shard, backendOptions }, classifier.input).range.from);
    report = await evaluate({
      model: network.model,
      modelName: network.name,
      data,
      backends: chosen,
      reference: flags.reference,
      limit,
      shard,
      backendOptions,
      signal: interrupt.signal,
      onProgress: (backend, done, total) => progress.update(backend, done, total),
      onLogits: (backend, offset, values) => logitFiles.keep(backend, offset, values),
      onPartial: (partial) => {
        report = partial;
      },
    });
    if (sides) bisection = await bisectOn(data, sides, backendOptions, Math.min(limit ?? BISECT_IMAGES, BISECT_IMAGES));
  } catch (error) {
    if (!report) throw error;
    failure = interrupt.signal.aborted ? interrupt.signal.reason : error; // what was found is written first
  } finally {
    progress.stop();
    interrupt.release();
    await data.close();
  }
  return { report, others, bisection, failure };
}

function warn(note: string | undefined): void {
  if (note !== undefined) process.stderr.write(`${note}\n`);
}

/** Each batch costs about a millisecond besides inference; large images would take a lot of memory in a large one. */
function defaultBatch({ height, width }: ImageShape): number {
  return height * width <= 32 * 32 ? 64 : 16;
}
