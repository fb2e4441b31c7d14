/** Runs tasks of this command line on an engine: its options, the submission, the progress. Shared by `eval --on` and `sweep`. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Engine, Look, Submitted } from '../../cluster/engine.ts';
import { type EngineName, engines } from '../../cluster/engines.ts';
import { forgetFailures, readFailures } from '../../cluster/failures.ts';
import type { EngineOptions, TaskFailure, Work } from '../../cluster/work.ts';
import { DeviceError, type ErrorCode, InterruptedError, UsageError, WrnError } from '../../errors.ts';
import { builtFile } from '../../package-files.ts';
import { naturalNumber, wholeNumber } from './arguments.ts';
import { catchInterrupt } from './interrupt.ts';
import { Progress } from './progress.ts';
import { say } from './results.ts';

export type EngineFlags = EngineOptions & { readonly on?: EngineName; readonly dryRun: boolean };

const DEFAULT_RETRIES = 2;

/** Adds `--on` and the options of these engines. */
export function addEngineOptions(command: Command, names: readonly EngineName[]): Command {
  const all: Readonly<Record<Exclude<keyof EngineOptions, 'retries'>, Option>> = {
    partition: new Option('--partition <name>', 'Slurm: partition'),
    time: new Option('--time <limit>', 'Slurm: time limit of a task, such as 30:00 or 1-00:00:00'),
    sbatch: new Option('--sbatch <options>', 'Slurm: additional options of sbatch, as one string such as "--mem=4G --constraint=avx512"'),
    image: new Option('--image <name>', 'Kubernetes: image built from the Dockerfile of the project'),
    volume: new Option(
      '--volume <claim:path>',
      'Kubernetes: persistent volume claim and the path where it is mounted, here as in the cluster; repeatable',
    ).argParser((text: string, before: readonly string[] = []) => [...before, text]),
    jobs: new Option('--jobs <n>', 'local: number of parallel tasks (default: 1)').argParser(naturalNumber),
  };
  const taken = new Set(names.flatMap((name) => engines[name].options));
  command.addOption(new Option('--on <engine>', 'where to run').choices(names));
  for (const [name, option] of Object.entries(all)) if (taken.has(name as keyof EngineOptions)) command.addOption(option);
  return command
    .addOption(
      new Option('--retries <n>', 'number of times to restart a crashed task; a task with bad input is not restarted')
        .argParser(retryCount)
        .default(DEFAULT_RETRIES),
    )
    .option('--dry-run', 'prepare the folder and print the script or manifest instead of submitting it', false);
}

function retryCount(text: string): number {
  const value = wholeNumber(text);
  if (value > 999) throw new InvalidArgumentError('expected a whole number from 0 to 999');
  return value;
}

/** Node and this command line, to start it again here or on a node that shares its disk. */
export const programWords: readonly string[] = [process.execPath, builtFile('node/cli.js')];

/** Environment variables that tasks need to find the same data. */
export function environmentOf(): Record<string, string> {
  const { WRN_ONNX_DATA } = process.env;
  return WRN_ONNX_DATA ? { WRN_ONNX_DATA } : {};
}

/** The user of this process; undefined on Windows. */
export function userOf(): { uid: number; gid: number } | undefined {
  return process.getuid && process.getgid ? { uid: process.getuid(), gid: process.getgid() } : undefined;
}

/** Option names of all engines. The command of a task leaves them out. */
export const engineOptionNames: readonly string[] = [
  'on',
  'retries',
  'dryRun',
  ...Object.values(engines).flatMap(({ options }) => options),
];

/** @throws UsageError when an option belongs to another engine, or no engine is chosen */
export function requireEngineFit({ on, dryRun, ...flags }: EngineFlags): void {
  for (const name of new Set(Object.values(engines).flatMap(({ options }) => options))) {
    if (flags[name] === undefined || (on && engines[on].options.includes(name))) continue;
    const takes = Object.entries(engines).flatMap(([engine, { options }]) => (options.includes(name) ? [engine] : []));
    throw new UsageError(`--${name} needs --on ${takes.join(' or ')}`);
  }
  if (dryRun && !on) throw new UsageError('--dry-run needs --on');
}

/** How to count the tasks of work. */
export interface Count {
  readonly unit: 'shards' | 'epochs';
  /** Numbers of the tasks that have a result. */
  done(): readonly number[];
  /** For the progress line, in `unit`. */
  progress(): { readonly done: number; readonly total: number };
}

/** Tasks ended without a result. The code of the first failure becomes the exit code. */
class TaskError extends WrnError {
  static override readonly name = 'TaskError';
  constructor(
    readonly code: ErrorCode,
    message: string,
  ) {
    super(message);
  }
}

/**
 * Runs work to its end: finds the jobs of an earlier command, or submits new ones, then follows them.
 * @throws InterruptedError at Ctrl-C, whose message says what happens to the jobs; TaskError when a task left no result
 */
export async function runWork(work: Work, engine: Engine, options: EngineOptions, count: Count): Promise<void> {
  const interrupt = catchInterrupt('interrupted');
  try {
    const found = await engine.find(work, options);
    interrupt.signal.throwIfAborted();
    if (!found) forgetFailures(work.folder, work.tasks);
    const submitted = found ?? (await engine.start(work, options));
    const tasks = `${work.tasks.length} of ${work.count} ${count.unit === 'shards' ? 'shards' : 'runs'}`;
    say(found ? `${submitted.name}: found, following` : `${submitted.name}: ${tasks}`);
    await follow(work, submitted, count, interrupt.signal);
  } finally {
    interrupt.release();
  }
}

const SHORTEST_WAIT = 250;
const LONGEST_WAIT = 10_000;
/** On a shared disk, the result of a task may appear this much later than its end in the engine. */
const LAG = 5000;
/** A busy or restarted controller may leave a question without an answer; after this long it is an error. */
const PATIENCE = 60_000;

/** Asks the engine; while it does not answer, its last word counts. */
function patiently({ look }: Submitted): () => Promise<Look> {
  let last: { readonly look: Look; readonly at: number } | undefined;
  return async () => {
    try {
      last = { look: await look(), at: performance.now() };
    } catch (error) {
      if (!last || !(error instanceof DeviceError) || performance.now() - last.at > PATIENCE) throw error;
    }
    return last.look;
  };
}

async function follow(work: Work, submitted: Submitted, count: Count, signal: AbortSignal): Promise<void> {
  const progress = new Progress(count.unit);
  const isDone = () => count.done().length === work.count;
  const look = patiently(submitted);
  try {
    for (let wait = SHORTEST_WAIT, since = performance.now(); ; wait = Math.min(LONGEST_WAIT, wait * 1.2)) {
      const { running, waiting, reason, ended } = await look();
      const now = count.progress();
      progress.update(
        submitted.name,
        now.done,
        now.total,
        `, ${running} running${waiting > 0 ? `, ${waiting} waiting${reason && ` (${reason})`}` : ''}`,
      );
      if (running + waiting > 0) since = performance.now();
      else if (isDone()) return;
      else if (performance.now() - since > LAG) return await complain(work, count, ended);
      await sleep(Math.min(wait, running + waiting > 0 ? LONGEST_WAIT : SHORTEST_WAIT), undefined, { signal }).catch(() => {});
      if (!signal.aborted) continue;
      const left = await submitted.leave();
      throw new InterruptedError(`${left}. Run the same command again to continue`);
    }
  } finally {
    progress.stop();
  }
}

/** Limit of task numbers per line. */
const MAX_NAMED = 8;

/** Prints why tasks left no result, each reason once. */
async function complain(work: Work, count: Count, ended: ReadonlyMap<number, string>): Promise<never> {
  const done = new Set(count.done());
  const missing = work.tasks.filter((task) => !done.has(task));
  const failures = new Map(readFailures(work.folder, missing).map((failure) => [failure.task, failure]));
  const reasons = new Map<string, { tasks: number[]; code: ErrorCode }>();
  for (const task of missing) {
    const { message, code }: Pick<TaskFailure, 'message' | 'code'> = failures.get(task) ?? {
      message: ended.get(task) ?? 'ended without a result, and is no longer known to the engine',
      code: 'WRN_DEVICE',
    };
    const reason = reasons.get(message) ?? { tasks: [], code };
    reason.tasks.push(task);
    reasons.set(message, reason);
  }
  const noun = count.unit === 'shards' ? 'shard' : 'run';
  for (const [message, { tasks }] of reasons) {
    const named = tasks.slice(0, MAX_NAMED).join(', ') + (tasks.length > MAX_NAMED ? ` and ${tasks.length - MAX_NAMED} more` : '');
    say(`${noun}${tasks.length > 1 ? 's' : ''} ${named}: ${message}`);
  }
  const [first] = reasons.values();
  const text = `${work.count - missing.length} of ${work.count} ${noun}s are done. Run the same command again to run only the others`;
  if (!first) throw new DeviceError(text);
  throw new TaskError(first.code, text);
}
