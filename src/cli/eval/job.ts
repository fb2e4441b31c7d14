/** One evaluation of `eval`: checked and opened (`prepare`), then run (`carryOut`). */
import { assumedOrder, misfit, otherLabel } from '../../../eval/advice.ts';
import type { Lobby } from '../../../eval/backends/remote/lobby.ts';
import { type BackendName, isRemote, onDevices } from '../../../eval/backends/table.ts';
import { runPlan } from '../../../eval/evaluate.ts';
import { dataName, type Plan, planEvaluation } from '../../../eval/plan.ts';
import type { Report } from '../../../eval/report.ts';
import type { Shard } from '../../../eval/shard.ts';
import type { Bisection, DecodedSide } from '../../../eval/verify/bisect.ts';
import { openImageSet } from '../../data/open.ts';
import { stageImages } from '../../data/stage.ts';
import { UsageError } from '../../errors.ts';
import { backendsNamed, sayMissing } from '../shared/choose-backends.ts';
import { catchInterrupt } from '../shared/interrupt.ts';
import { LeftOut } from '../shared/left-out.ts';
import { type OutputRules, requireWritable } from '../shared/output-file.ts';
import { Progress } from '../shared/progress.ts';
import { say } from '../shared/results.ts';
import { type Network, readNetwork } from '../shared/source.ts';
import { BISECT_IMAGES, bisectOn, chooseSides } from './bisect.ts';
import { LogitFiles } from './logit-files.ts';
import { lobbyFor, type RemoteFlags, requireRemote, verdictFor } from './remote.ts';
import { readReports } from './report.ts';
import type { ShardsFlags } from './shards.ts';

/** Options of `eval`. */
export interface Flags extends ShardsFlags, RemoteFlags {
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

/** Where results may be written: not over a source, and over other files with --force only. */
export function outputRules(path: string, { force, against, compare }: Flags): OutputRules {
  return { force, sources: [path, ...(against === undefined ? [] : [against]), ...compare] };
}

/** An evaluation that is checked and opened, except for its backends. */
export interface Job {
  readonly plan: Plan;
  readonly logitFiles: LogitFiles;
  /** The two sides to bisect, if any. */
  readonly sides: readonly [DecodedSide, DecodedSide] | undefined;
  /** The reports that `--compare` names. */
  readonly others: readonly Report[];
}

/** Opens data and files and checks options before anything runs. Prints a warning when class names differ. */
export async function prepare(path: string, network: Network, flags: Flags): Promise<Job> {
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

export interface Outcome {
  readonly report: Report;
  readonly bisection: Bisection | undefined;
  /** An error after which a partial result is still printed. */
  readonly failure: unknown;
}

/** Evaluates, bisects with --bisect, and closes the data. */
export async function carryOut({ plan: opened, logitFiles, sides }: Job, flags: Flags): Promise<Outcome> {
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
