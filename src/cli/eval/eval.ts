import { Command, Option } from 'commander';
import { assumedOrder, misfit, otherLabel } from '../../../eval/advice.ts';
import { type BackendName, backendNames } from '../../../eval/backends/table.ts';
import { runPlan } from '../../../eval/evaluate.ts';
import { dataName, type Plan, planEvaluation } from '../../../eval/plan.ts';
import type { Report } from '../../../eval/report.ts';
import type { Shard } from '../../../eval/shard.ts';
import type { Bisection, DecodedSide } from '../../../eval/verify/bisect.ts';
import { openImageSet } from '../../data/open.ts';
import { UsageError } from '../../errors.ts';
import { formatOption, naturalNumber, naturalNumbers } from '../shared/arguments.ts';
import { backendsNamed, sayMissing } from '../shared/choose-backends.ts';
import { catchInterrupt } from '../shared/interrupt.ts';
import { type OutputRules, requireWritable } from '../shared/output-file.ts';
import { Progress } from '../shared/progress.ts';
import { say } from '../shared/results.ts';
import { parseShard } from '../shared/shard.ts';
import { type Network, readNetwork } from '../shared/source.ts';
import { wideOption } from '../shared/table.ts';
import { BISECT_IMAGES, bisectOn, chooseSides, requireAlike, runBisect } from './bisect.ts';
import { LogitFiles } from './logit-files.ts';
import { readReports, runRecord, writeReport } from './report.ts';
import { printReport, requireParity } from './result-table.ts';

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
  readonly wide: boolean;
  readonly format: 'human' | 'json';
}

export function command(): Command {
  return new Command('eval')
    .argument(
      '<file>',
      'ONNX file that takes raw pixels 0..255; or anything that export takes, exported in memory; or a network of the package, such as cifar-10-wrn-20-1',
    )
    .requiredOption('--data <source>', 'data set by name (wrn-onnx data list), or a folder or archive of one')
    .addOption(new Option('--backend <names>', `comma-separated, or all: ${backendNames.join(', ')}`).default('cpu'))
    .addOption(new Option('--reference <name>', 'backend that the others are compared with (default: the first)').choices(backendNames))
    .addOption(
      new Option('--limit <n>', 'evaluate the first n images; with --bisect alone compare layers on n (default: 2)').argParser(
        naturalNumber,
      ),
    )
    .addOption(
      new Option(
        '--shard <i/n>',
        'evaluate part i of n, counted from 1, for wrn-onnx merge; auto takes both from Slurm or AWS Batch, auto/n the part from Kubernetes; the exit code does not reflect parity',
      ).argParser((text: string) => parseShard(text, process.env)),
    )
    .addOption(
      new Option(
        '--shorter-side <n,...>',
        'scale image files until their shorter side has n pixels, then cut around the centre (default: until they cover the input); average the probabilities over several n',
      ).argParser(naturalNumbers),
    )
    .addOption(new Option('--crops <n>', 'with --shorter-side: average over n random crops of each scale instead').argParser(naturalNumber))
    .addOption(
      new Option('--batch <n>', 'batch size (default: 64, of images larger than 32x32 16; or what the file fixes)').argParser(
        naturalNumber,
      ),
    )
    .addOption(new Option('--threads <n>', 'threads of CPU and wasm kernels').argParser(naturalNumber))
    .option('--browser <path>', 'Chrome, Chromium or Edge to drive (default: found by name)')
    .option('--software-gpu', 'render WebGPU and WebGL in software (SwiftShader)')
    .option(
      '--bisect',
      'name the first layer whose output differs between two backends, or two files (--against), instead of evaluating; with --report as well as evaluating',
    )
    .option(
      '--against <file>',
      'compare with this file: accuracy of both, agreement and the images decided differently; with --bisect layer by layer',
    )
    .option('--save-logits <file>', 'write the logits, shape [images, classes], for numpy; one file per backend when there are several')
    .option('--report <file>', 'write the result as one HTML page; with --bisect the layers too')
    .option('--compare <results...>', 'with --report: draw results of other files beside it, as --format json printed them', [])
    .option('--force', 'replace existing files', false)
    .addOption(wideOption('all columns, and with --bisect all layers'))
    .addOption(formatOption())
    .addHelpText(
      'after',
      `
Examples:
  $ wrn-onnx eval wrn-20-10.onnx --data cifar-10 --backend cpu,wasm --limit 500
  $ wrn-onnx eval packed.onnx --against int8.onnx --data cifar-10 --report two.html
  $ wrn-onnx eval run/checkpoint.safetensors --data fashion-mnist --backend tfjs,cpu,wasm
  $ wrn-onnx eval int8.onnx --data cifar-10 --backend cpu,wasm --report report.html --compare packed.json dense.json`,
    )
    .action(run);
}

/**
 * Refuses what would be ignored.
 * @throws UsageError for options that do not go together
 */
function requireFit({ bisect, report, compare, shard, batch, saveLogits, crops, shorterSide }: Flags): void {
  if (compare.length > 0 && report === undefined) throw new UsageError('--compare goes with --report');
  if (bisect && (crops ?? shorterSide?.[1]) !== undefined)
    throw new UsageError('--bisect compares layers on one crop of an image: leave --crops away and give one --shorter-side');
  if (bisect && report === undefined && (shard ?? batch ?? saveLogits) !== undefined)
    throw new UsageError('--shard, --batch and --save-logits are of an evaluation, which --bisect makes with --report only');
}

async function run(path: string, flags: Flags): Promise<void> {
  requireFit(flags);
  const network = await readNetwork(path);
  if (flags.bisect && flags.report === undefined) return runBisect(network, flags);
  const job = await prepare(path, network, flags);
  const { report, bisection, failure } = await carryOut(job, flags);
  const record = runRecord();
  printReport(report, record, { format: flags.format, bisection, wide: flags.wide });
  await job.logitFiles.write(report);
  if (flags.report !== undefined)
    await writeReport(flags.report, report, { ...outputRules(path, flags), ...record, others: job.others, bisection });
  if (failure !== undefined) throw failure;
  if (flags.shard === undefined) requireParity(report);
  if (bisection) requireAlike(bisection);
}

function outputRules(path: string, { force, against, compare }: Flags): OutputRules {
  return { force, sources: [path, ...(against === undefined ? [] : [against]), ...compare] };
}

/** All that an evaluation needs, checked and open but for the backends. */
interface Job {
  readonly plan: Plan;
  readonly logitFiles: LogitFiles;
  /** What is bisected besides, if anything. */
  readonly sides: readonly [DecodedSide, DecodedSide] | undefined;
  /** What `--compare` names. */
  readonly others: readonly Report[];
}

/** Checks all that can be known before anything runs. A bad choice of form, or other class names, are a warning. */
async function prepare(path: string, network: Network, flags: Flags): Promise<Job> {
  const { model, name, source } = network;
  const { input, classes, metadata } = model;
  const { threads, browser, softwareGpu, reference, limit, shard, shorterSide: shorterSides, crops } = flags;
  const against = flags.against === undefined || flags.bisect ? undefined : await readNetwork(flags.against);
  const fixedBatch = input.fixedBatch ?? against?.model.input.fixedBatch;
  if (fixedBatch !== undefined && fixedBatch !== (flags.batch ?? fixedBatch))
    throw new UsageError(`${input.fixedBatch ? path : flags.against} takes batches of ${fixedBatch}, got --batch ${flags.batch}`);
  const backends = backendsNamed(flags, against && !against.source ? undefined : source, [model.bytes]);
  const rules = outputRules(path, flags);
  const sides = flags.bisect ? await chooseSides(network, backends, flags.against) : undefined;
  if (flags.report !== undefined) requireWritable(flags.report, rules);
  const data = await openImageSet(flags.data, { split: 'test', shape: input, classes, shorterSides, crops });
  try {
    const labels = metadata?.about.classLabels;
    warn(otherLabel(labels, data.classLabels) ?? assumedOrder(labels, data));
    const others = await readReports(flags.compare, dataName(data));
    const [modelName, otherName] = name === against?.name ? [path, flags.against as string] : [name, against?.name ?? ''];
    const plan = planEvaluation({
      model,
      modelName,
      against: against && { ...against, name: otherName },
      data,
      backends,
      reference,
      limit,
      shard,
      backendOptions: { threads, browser, softwareGpu, batch: flags.batch, source },
    });
    const logitFiles = new LogitFiles(flags.saveLogits, plan.subject, plan.rows, rules);
    await logitFiles.open(classes, plan.range.from);
    return { plan, logitFiles, sides, others };
  } catch (error) {
    await data.close();
    throw error;
  }
}

interface Outcome {
  readonly report: Report;
  readonly bisection: Bisection | undefined;
  /** An error after which there is something to print all the same. */
  readonly failure: unknown;
}

/** Evaluates, and bisects where that is asked for; closes the data. */
async function carryOut({ plan, logitFiles, sides }: Job, flags: Flags): Promise<Outcome> {
  const { data } = plan;
  const { threads, browser, softwareGpu } = flags;
  const interrupt = catchInterrupt('interrupted: the table holds what was done');
  const { signal } = interrupt;
  const progress = new Progress();
  let report: Report | undefined;
  let bisection: Bisection | undefined;
  let failure: unknown;
  try {
    report = await runPlan(plan, {
      signal,
      onOpen: (backend, { metadata }) => warn(metadata && misfit(metadata.form, backend)),
      onProgress: (row, done, total) => progress.update(row, done, total),
      onLogits: (row, offset, values) => logitFiles.keep(row, offset, values),
      onMissing: flags.backend === 'all' ? sayMissing : undefined,
      onPartial: (partial) => {
        report = partial;
      },
    });
    if (sides)
      bisection = await bisectOn(data, sides, { threads, browser, softwareGpu }, Math.min(flags.limit ?? BISECT_IMAGES, BISECT_IMAGES));
  } catch (error) {
    if (!report) throw error;
    failure = signal.aborted ? signal.reason : error; // what was found is written first
  } finally {
    progress.stop();
    interrupt.release();
    await data.close();
  }
  return { report, bisection, failure };
}

function warn(note: string | undefined): void {
  if (note !== undefined) say(note);
}
