/** `eval`: its options, and which of evaluation, bisection, shards or one shard they ask for. */
import { existsSync } from 'node:fs';
import { Command, Option } from 'commander';
import { backendNames } from '../../../eval/backends/table.ts';
import type { Shard } from '../../../eval/shard.ts';
import { engineNames } from '../../cluster/engines.ts';
import { noteFailure } from '../../cluster/failures.ts';
import { processEnvironment } from '../../environment.ts';
import { UsageError } from '../../errors.ts';
import {
  browserOption,
  formatOption,
  naturalNumber,
  naturalNumbers,
  portNumber,
  softwareGpuOption,
  threadsOption,
} from '../shared/arguments.ts';
import { addEngineOptions } from '../shared/engine.ts';
import { SKIP_BROKEN } from '../shared/left-out.ts';
import { writeOutput } from '../shared/output-file.ts';
import { say } from '../shared/results.ts';
import { runRecord } from '../shared/run-record.ts';
import { NETWORK_HELP, readNetwork } from '../shared/source.ts';
import { wideOption } from '../shared/table.ts';
import { requireAlike, runBisect } from './bisect.ts';
import { describeEvaluation, EvaluationFolder } from './evaluation-folder.ts';
import { carryOut, type Flags, type Job, outputRules, prepare } from './job.ts';
import { REMOTE_HELP } from './remote.ts';
import { writeReport } from './report.ts';
import { printReport, requireParity } from './result-table.ts';
import { parseShard } from './shard.ts';
import { evaluateInShards, requireShardsFit, withThreads } from './shards.ts';

export function command(): Command {
  const evaluation = new Command('eval')
    .argument('<file>', NETWORK_HELP)
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
      new Option('--batch <n>', 'batch size (default: the one fixed in the file, else 64, or 16 for images larger than 32x32)').argParser(
        naturalNumber,
      ),
    )
    .addOption(threadsOption())
    .addOption(browserOption())
    .addOption(softwareGpuOption())
    .optionsGroup('Image files:')
    .addOption(
      new Option(
        '--shorter-side <n,...>',
        'scale image files so that their shorter side has n pixels, then crop the centre (default: scale to cover the input); several n: average the probabilities',
      ).argParser(naturalNumbers),
    )
    .addOption(
      new Option('--crops <n>', 'with --shorter-side: average over n random crops per scale instead of one centre crop').argParser(
        naturalNumber,
      ),
    )
    .option(...SKIP_BROKEN, false)
    .optionsGroup('Comparison of two files, and of layers:')
    .option(
      '--against <file>',
      'second file to compare with: accuracy of both, agreement, images decided differently; with --bisect: layer by layer',
    )
    .option(
      '--bisect',
      'find the first layer whose output differs between two backends, or two files (--against), instead of evaluating; with --report: in addition to evaluating',
    )
    .optionsGroup('Remote backends:')
    .option('--host <interface>', 'address or name of the network interface that devices reach (default: 127.0.0.1)')
    .addOption(new Option('--port <n>', 'port (default: a free one)').argParser(portNumber))
    .option('--http', 'plain HTTP instead of HTTPS; see below')
    .addOption(new Option('--devices <n>', 'number of devices that join (default: 1)').argParser(naturalNumber))
    .optionsGroup('Shards and clusters:')
    .addOption(
      new Option(
        '--shard <i/n>',
        'evaluate part i of n, from 1, to combine with wrn-onnx merge; auto: take both from Slurm or AWS Batch; auto/n: take i from Kubernetes; the exit code does not reflect parity',
      ).argParser((text: string) => parseShard(text, processEnvironment())),
    )
    .option('--stage', "copy the images of the shard, decoded, to this machine's own disk first (TMPDIR)")
    .addOption(
      new Option('--shards <n>', 'with --on: evaluate in n shards and merge them; shards with a result are not computed again').argParser(
        naturalNumber,
      ),
    )
    .option('-o, --output <folder>', 'with --on: folder of the evaluation; with --shard: the same folder, for the result of the shard');
  return addEngineOptions(evaluation, engineNames)
    .optionsGroup('Output:')
    .addOption(formatOption())
    .addOption(wideOption('all columns, and with --bisect all layers'))
    .option('--report <file>', 'write the result as an HTML page; with --bisect: include the layers')
    .option('--compare <results...>', 'with --report: results of other files, from --format json, to show beside this one', [])
    .option('--save-logits <file>', 'write the logits as .npy, shape [images, classes]; with several backends: one file per backend')
    .option('--force', 'replace existing files', false)
    .addHelpText(
      'after',
      `
With --on: after Ctrl-C, run the same command again to follow the jobs and to compute missing shards. See docs/cluster.md.

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
