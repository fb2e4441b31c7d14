/** `eval --shards --on`: an evaluation as tasks of an engine. */

import { existsSync, realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { sha256 } from '#builtin';
import { runPlan } from '../../../eval/evaluate.ts';
import { readPart } from '../../../eval/merge.ts';
import type { Plan } from '../../../eval/plan.ts';
import { type Report, toReport } from '../../../eval/report.ts';
import { type EngineName, engines } from '../../cluster/engines.ts';
import { TASK, type Work } from '../../cluster/work.ts';
import { catalogEntry } from '../../data/catalog.ts';
import { UsageError } from '../../errors.ts';
import { givenWords } from '../shared/arguments.ts';
import { type EngineFlags, engineOptionNames, environmentOf, programWords, requireEngineFit, runWork, userOf } from '../shared/engine.ts';
import { readInput } from '../shared/input-file.ts';
import { printText } from '../shared/results.ts';
import { type Description, EvaluationFolder, type RunOptions } from './evaluation-folder.ts';
import { mergeFiles, writeResult } from './report.ts';

export interface ShardsFlags extends EngineFlags, RunOptions {
  readonly shards?: number;
  readonly output?: string;
  readonly against?: string;
}

/** Options that do not work with shards, and why. */
const UNFIT: Readonly<Record<string, string>> = {
  bisect: 'it runs on two images',
  saveLogits: 'the logits of a shard are those of its images: use eval --shard',
  report: 'the page is report.html in the folder',
  compare: 'use merge, and eval --report of one file',
  skipBroken: 'every shard would decode every image. Remove the broken files first',
};

/** @throws UsageError for options that do not go together */
export function requireShardsFit(flags: ShardsFlags & { readonly shard?: unknown }, given: readonly string[]): void {
  requireEngineFit(flags);
  const { on, shards, shard, output } = flags;
  if ((on === undefined) !== (shards === undefined)) throw new UsageError('--shards and --on need each other');
  if (on && output === undefined) throw new UsageError('--on needs -o, the folder of the evaluation');
  if (on && shard) throw new UsageError('--shard is one part of an evaluation, --shards all of them: leave one out');
  if (output !== undefined && !on && !shard) throw new UsageError('-o needs --shards and --on, or --shard');
  const unfit = output === undefined ? undefined : given.find((name) => Object.hasOwn(UNFIT, name));
  if (unfit)
    throw new UsageError(`leave out --${unfit.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} with -o: ${UNFIT[unfit]}`);
}

/** One CPU per shard by default, because shards that each use all cores of a node slow each other down. */
const DEFAULT_THREADS = 1;

/** Sets the number of threads for shards. */
export function withThreads<Flags extends ShardsFlags>(flags: Flags): Flags {
  return flags.on === undefined ? flags : { ...flags, threads: flags.threads ?? DEFAULT_THREADS };
}

/** Options that the command of a shard leaves out. */
const NOT_OF_SHARDS = [...engineOptionNames, 'shards', 'output', 'threads', 'format', 'wide', 'quiet', 'force'];

/**
 * Computes the shards that have no result yet, and merges all.
 * @param path the file as the user named it
 * @param self the command with the user's options
 * @returns the merged report
 */
export async function evaluateInShards(
  path: string,
  plan: Plan,
  description: Description,
  flags: ShardsFlags,
  self: Command,
): Promise<Report> {
  const { shards: count = 1, threads = DEFAULT_THREADS } = flags;
  const engine = engines[flags.on as EngineName];
  const folder = new EvaluationFolder(flags.output as string);
  await folder.prepare(description);
  const done = folder.done();
  const options = ['--threads', String(threads), ...givenWords(self, NOT_OF_SHARDS)];
  const work: Work = {
    name: `wrn-eval-${digest(realpathSync(folder.path), description)}`,
    folder: folder.path,
    program: programWords,
    user: userOf(),
    environment: environmentOf(),
    cwd: process.cwd(),
    reads: [path, ...(flags.against ? [flags.against] : []), ...(catalogEntry(flags.data) ? [] : [flags.data])]
      .filter(existsSync)
      .map((one) => resolve(one)),
    count,
    tasks: Array.from({ length: count }, (_, i) => i + 1).filter((index) => !done.includes(index)),
    task: ['eval', path, ...options, '--shard', `${TASK}/${count}`, '-o', folder.path],
    last: ['merge', folder.partsPath, '-o', folder.path],
    resumes: false,
    cpus: threads,
    memoryBytes: flags.on === 'kubernetes' ? await measureMemory(plan) : undefined,
  };
  engine.check(work, flags);
  if (flags.dryRun) {
    printText(engine.render(work, flags));
    return toReport(plan.subject, []);
  }
  if (work.tasks.length > 0) {
    await runWork(work, engine, flags, {
      unit: 'shards',
      done: () => folder.done(),
      progress: () => ({ done: folder.done().length, total: count }),
    });
  }
  return resultOf(folder);
}

function digest(...values: readonly unknown[]): string {
  return sha256(JSON.stringify(values)).slice(0, 12);
}

/** The result that the last job wrote; merged here if that job did not run. */
async function resultOf(folder: EvaluationFolder): Promise<Report> {
  if (!existsSync(folder.resultPath)) {
    const { report, machines } = await mergeFiles(folder.done().map((index) => folder.partPath(index)));
    await writeResult(folder.path, report, machines);
    return report;
  }
  const { subject, runs } = readPart(await readInput(folder.resultPath), folder.resultPath);
  return toReport(subject, runs);
}

/** Factor on the measured memory: later batches may need a little more. */
const RESERVE = 1.25;

/** Memory of a shard in bytes, measured on its first batch here. */
async function measureMemory(plan: Plan): Promise<number> {
  const { from, to } = plan.range;
  const { results } = await runPlan({ ...plan, range: { from, to: Math.min(to, from + plan.subject.batch) } });
  const runtime = Math.max(0, ...results.map(({ peakMemoryBytes }) => peakMemoryBytes ?? 0));
  return RESERVE * (runtime + process.memoryUsage.rss());
}
