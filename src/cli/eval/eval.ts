import { existsSync } from 'node:fs';
import { Command, Option } from 'commander';
import { assumedOrder, misfit, otherLabel } from '../../../eval/advice.ts';
import type { Lobby } from '../../../eval/backends/remote/lobby.ts';
import { type BackendName, backendNames, isRemote, onDevices } from '../../../eval/backends/table.ts';
import { runPlan } from '../../../eval/evaluate.ts';
import { dataName, type Plan, planEvaluation } from '../../../eval/plan.ts';
import type { Report } from '../../../eval/report.ts';
import type { Shard } from '../../../eval/shard.ts';
import type { Bisection, DecodedSide } from '../../../eval/verify/bisect.ts';
import { engineNames } from '../../cluster/engines.ts';
import { noteFailure } from '../../cluster/failures.ts';
import { openImageSet } from '../../data/open.ts';
import { stageImages } from '../../data/stage.ts';
import { processEnvironment } from '../../environment.ts';
import { UsageError } from '../../errors.ts';
import { formatOption, naturalNumber, naturalNumbers, portNumber } from '../shared/arguments.ts';
import { backendsNamed, sayMissing } from '../shared/choose-backends.ts';
import { addEngineOptions } from '../shared/follow.ts';
import { catchInterrupt } from '../shared/interrupt.ts';
import { LeftOut, SKIP_BROKEN } from '../shared/left-out.ts';
import { type OutputRules, requireWritable, writeOutput } from '../shared/output-file.ts';
import { Progress } from '../shared/progress.ts';
import { say } from '../shared/results.ts';
import { runRecord } from '../shared/run-record.ts';
import { parseShard } from '../shared/shard.ts';
import { type Network, readNetwork } from '../shared/source.ts';
import { wideOption } from '../shared/table.ts';
import { BISECT_IMAGES, bisectOn, chooseSides, requireAlike, runBisect } from './bisect.ts';
import { describeEvaluation, EvaluationFolder } from './evaluation-folder.ts';
import { LogitFiles } from './logit-files.ts';
import { lobbyFor, REMOTE_HELP, type RemoteFlags, requireRemote, verdictFor } from './remote.ts';
import { readReports, writeReport } from './report.ts';
import { printReport, requireParity } from './result-table.ts';
import { evaluateInShards, requireShardsFit, type ShardsFlags, withThreads } from './shards.ts';

interface Flags extends ShardsFlags, RemoteFlags {
  readonly backend: string;
  readonly reference?: BackendName;
  readonly limit?: number;
  readonly shard?: Shard;
  readonly shorterSide?: readonly number[];
  readonly crops?: number;
  readonly skipBroken: boolean;
  readonly stage?: boolean;
  readonly batch?: number;
  readonly bisect?: boolean;
  readonly saveLogits?: string;
  readonly report?: string;
  readonly compare: readonly string[];
  readonly force: boolean;
  readonly wide: boolean;
  readonly format: 'human' | 'json';
}

export function command(): Command {
  const evaluation = new Command('eval')
    .argument(
      '<file>',
      'ONNX file that takes raw pixels 0..255, or any source that export reads (it is exported in memory), or the name of a network (see wrn-onnx models), such as cifar-10-wrn-20-1',
    )
    .requiredOption('--data <source>', 'name (see wrn-onnx data list), folder or archive of a data set')
    .addOption(new Option('--backend <names>', `backends, separated by commas, or all: ${backendNames.join(', ')}`).default('cpu'))
    .addOption(new Option('--reference <name>', 'backend to compare the others with (default: the first)').choices(backendNames))
    .addOption(
      new Option(
        '--limit <n>',
        'evaluate the first n images only; with --bisect and no --report: compare layers on n images (default: 2)',
      ).argParser(naturalNumber),
    )
    .addOption(
      new Option(
        '--shard <i/n>',
        'evaluate part i of n, from 1, to combine with wrn-onnx merge; auto: take both from Slurm or AWS Batch; auto/n: take i from Kubernetes; the exit code does not reflect parity',
      ).argParser((text: string) => parseShard(text, processEnvironment())),
    )
    .addOption(
      new Option(
        '--shorter-side <n,...>',
        'scale image files so that their shorter side has n pixels, then crop the centre (default: scale to cover the input); several n: average the probabilities',
      ).argParser(naturalNumbers),
    )
    .option(...SKIP_BROKEN, false)
    .addOption(
      new Option('--crops <n>', 'with --shorter-side: average over n random crops per scale instead of one centre crop').argParser(
        naturalNumber,
      ),
    )
    .addOption(
      new Option('--batch <n>', 'batch size (default: the one fixed in the file, else 64, or 16 for images larger than 32x32)').argParser(
        naturalNumber,
      ),
    )
    .addOption(new Option('--threads <n>', 'number of threads for CPU and wasm kernels').argParser(naturalNumber))
    .option('--browser <path>', 'Chrome, Chromium or Edge to use (default: the first one found)')
    .option('--software-gpu', 'render WebGPU and WebGL in software (SwiftShader)')
    .option('--host <interface>', 'remote backends: address or name of the network interface that devices reach (default: 127.0.0.1)')
    .addOption(new Option('--port <n>', 'remote backends: port (default: a free one)').argParser(portNumber))
    .option('--http', 'remote backends: plain HTTP in place of HTTPS; see below')
    .addOption(new Option('--devices <n>', 'remote backends: number of devices that join (default: 1)').argParser(naturalNumber))
    .option(
      '--bisect',
      'find the first layer whose output differs between two backends, or two files (--against), instead of evaluating; with --report: in addition to evaluating',
    )
    .option(
      '--against <file>',
      'second file to compare with: accuracy of both, agreement, images decided differently; with --bisect: layer by layer',
    )
    .option('--save-logits <file>', 'write the logits as .npy, shape [images, classes]; with several backends: one file per backend')
    .option('--report <file>', 'write the result as an HTML page; with --bisect: include the layers')
    .option('--compare <results...>', 'with --report: results of other files, from --format json, to show beside this one', [])
    .option('--force', 'replace existing files', false)
    .addOption(wideOption('all columns, and with --bisect all layers'))
    .option('--stage', "copy the images of the shard, decoded, to this machine's own disk first (TMPDIR)")
    .addOption(
      new Option('--shards <n>', 'with --on: evaluate in n shards and merge them; those that are done are not computed again').argParser(
        naturalNumber,
      ),
    )
    .option('-o, --output <folder>', 'with --on: folder of the evaluation; with --shard: folder that --on has made, for the result')
    .addOption(formatOption());
  return addEngineOptions(evaluation, engineNames)
    .addHelpText(
      'after',
      `
With --on the same command follows the jobs again after Ctrl-C, and computes what is missing: see docs/cluster.md.

Examples:
  $ wrn-onnx eval wrn-20-10.onnx --data imagenet --shards 64 --on slurm --time 30:00 -o result
  $ wrn-onnx eval wrn-20-10.onnx --data cifar-10 --backend cpu,wasm --limit 500
  $ wrn-onnx eval packed.onnx --against int8.onnx --data cifar-10 --report two.html
  $ wrn-onnx eval run/checkpoint.safetensors --data fashion-mnist --backend tfjs,cpu,wasm
  $ wrn-onnx eval int8.onnx --data cifar-10 --backend cpu,wasm --report report.html --compare packed.json dense.json
  $ wrn-onnx eval wrn-20-10.onnx --data cifar-10 --limit 500 --backend cpu,remote-wasm,remote-webgpu --host wlan0
${REMOTE_HELP}`,
    )
    .action(run);
}

/**
 * Refuses options that would be ignored.
 * @throws UsageError for options that do not go together
 */
function requireFit(flags: Flags): void {
  const { bisect, report, compare, shard, batch, saveLogits, crops, shorterSide, stage } = flags;
  if (compare.length > 0 && report === undefined) throw new UsageError('--compare needs --report');
  if (bisect && (crops ?? shorterSide?.[1]) !== undefined)
    throw new UsageError('--bisect compares layers on one crop per image: leave out --crops and give one --shorter-side');
  if (bisect && stage) throw new UsageError('--stage copies the images of an evaluation: leave it out with --bisect');
  if (bisect && report === undefined && (shard ?? batch ?? saveLogits) !== undefined)
    throw new UsageError('--shard, --batch and --save-logits need an evaluation: with --bisect, add --report');
}

async function run(path: string, given: Flags, self: Command): Promise<void> {
  const named = self.options.map((option) => option.attributeName()).filter((name) => self.getOptionValueSource(name) === 'cli');
  requireShardsFit(given, named);
  requireFit(given);
  const flags = withThreads(given);
  if (flags.shard && flags.output !== undefined) return runShard(path, flags, flags.shard, new EvaluationFolder(flags.output));
  const network = await readNetwork(path);
  if (flags.bisect && flags.report === undefined) return runBisect(network, flags);
  const job = await prepare(path, network, flags);
  if (flags.shards !== undefined) return runShards(path, job, flags, flags.shards, self);
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

async function runShards(path: string, { plan }: Job, flags: Flags, count: number, self: Command): Promise<void> {
  try {
    const report = await evaluateInShards(path, plan, describeEvaluation(plan, count, flags), flags, self);
    if (flags.dryRun) return;
    printReport(report, runRecord(), { format: flags.format, wide: flags.wide });
    requireParity(report);
  } finally {
    await plan.data.close();
  }
}

/** Writes the result of a shard into the folder of its evaluation, unless it is there. */
async function runShard(path: string, flags: Flags, { index, count }: Shard, folder: EvaluationFolder): Promise<void> {
  if (existsSync(folder.partPath(index))) return say(`shard ${index} of ${count} is done`);
  await noteFailure(folder.path, index, async () => {
    const job = await prepare(path, await readNetwork(path), flags);
    await folder.require(describeEvaluation(job.plan, count, flags));
    const { report, failure } = await carryOut(job, flags);
    if (failure !== undefined) throw failure;
    const record = runRecord();
    await writeOutput(folder.partPath(index), Buffer.from(`${JSON.stringify({ ...report, ...record })}\n`), { force: true });
    printReport(report, record, { format: flags.format, wide: flags.wide });
  });
}

function outputRules(path: string, { force, against, compare }: Flags): OutputRules {
  return { force, sources: [path, ...(against === undefined ? [] : [against]), ...compare] };
}

/** All that an evaluation needs, checked and opened, except the backends. */
interface Job {
  readonly plan: Plan;
  readonly logitFiles: LogitFiles;
  /** The two sides to bisect, if any. */
  readonly sides: readonly [DecodedSide, DecodedSide] | undefined;
  /** The reports that `--compare` names. */
  readonly others: readonly Report[];
}

/** Checks what can be checked before anything runs. An unsuitable form or different class names give a warning. */
async function prepare(path: string, network: Network, flags: Flags): Promise<Job> {
  const { model, name, source } = network;
  const { input, classes, metadata } = model;
  const { threads, browser, softwareGpu, reference, limit, shard, shorterSide: shorterSides, crops } = flags;
  const against = flags.against === undefined || flags.bisect ? undefined : await readNetwork(flags.against);
  const fixedBatch = input.fixedBatch ?? against?.model.input.fixedBatch;
  if (fixedBatch !== undefined && fixedBatch !== (flags.batch ?? fixedBatch))
    throw new UsageError(
      `${input.fixedBatch ? path : flags.against}: expected --batch ${fixedBatch}, as fixed in the file, got ${flags.batch}`,
    );
  const named = backendsNamed(flags, against && !against.source ? undefined : source, [model.bytes]);
  requireRemote(flags, named);
  if (flags.bisect && named.some(isRemote)) throw new UsageError('--bisect compares backends of this machine: leave out the remote ones');
  const backends = onDevices(named, flags.devices ?? 1);
  const rules = outputRules(path, flags);
  const sides = flags.bisect ? await chooseSides(network, backends, flags.against) : undefined;
  if (flags.report !== undefined) requireWritable(flags.report, rules);
  const leftOut = new LeftOut();
  const skipBroken = flags.skipBroken ? leftOut.add : undefined;
  const data = await openImageSet(flags.data, { split: 'test', shape: input, classes, shorterSides, crops, skipBroken });
  leftOut.report();
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
  /** An error after which a partial result is still printed. */
  readonly failure: unknown;
}

/** Evaluates, bisects when asked to, and closes the data. */
async function carryOut({ plan: opened, logitFiles, sides }: Job, flags: Flags): Promise<Outcome> {
  let { data } = opened;
  const { threads, browser, softwareGpu } = flags;
  const interrupt = catchInterrupt('interrupted: the table covers the images evaluated so far');
  const { signal } = interrupt;
  const progress = new Progress();
  let lobby: Lobby | undefined;
  let report: Report | undefined;
  let bisection: Bisection | undefined;
  let failure: unknown;
  try {
    const { from, to } = opened.range;
    if (flags.stage)
      data = await stageImages(data, from, to, (images) => {
        signal.throwIfAborted();
        progress.update('copying', images, to - from);
      });
    const plan = { ...opened, data };
    lobby = await lobbyFor(plan, flags, signal);
    report = await runPlan(plan, {
      signal,
      lobby,
      onOpen: (backend, { metadata }) => warn(metadata && misfit(metadata.form, backend)),
      onProgress: (row, done, total) => {
        progress.update(row, done, total);
        lobby?.show(row, done, total);
      },
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
    failure = signal.aborted ? signal.reason : error; // the partial result is written first
  } finally {
    progress.stop();
    await lobby?.close(verdictFor(report));
    interrupt.release();
    await data.close();
  }
  return { report, bisection, failure };
}

function warn(note: string | undefined): void {
  if (note !== undefined) say(note);
}
