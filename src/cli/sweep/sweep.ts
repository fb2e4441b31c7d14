/** `sweep`: trains the runs of a file on an engine, and shows their results. */
import { mkdirSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { sha256 } from '#builtin';
import { type EngineName, engines } from '../../cluster/engines.ts';
import { noteFailure } from '../../cluster/failures.ts';
import { TASK, type Work } from '../../cluster/work.ts';
import { ParityError, UsageError } from '../../errors.ts';
import { printable } from '../../printable.ts';
import { RunFolder } from '../../train/run/run-folder.ts';
import { formatOption, naturalNumber } from '../shared/arguments.ts';
import { addEngineOptions, type EngineFlags, environmentOf, programWords, requireEngineFit, runWork } from '../shared/engine.ts';
import { readInput } from '../shared/input-file.ts';
import { writeOutput } from '../shared/output-file.ts';
import { printJson, printText, say } from '../shared/results.ts';
import { command as trainCommand } from '../train/train.ts';
import { readSweep, type Sweep, type SweepRun } from './sweep-file.ts';
import { SweepFolder } from './sweep-folder.ts';
import { groupsOf, sweepTable } from './table.ts';

interface Flags extends EngineFlags {
  readonly output?: string;
  readonly status?: string;
  readonly run?: number;
  readonly format: 'human' | 'json';
}

const ENGINES: readonly EngineName[] = ['slurm', 'local'];

export function command(): Command {
  const sweep = new Command('sweep')
    .argument('[file]', 'JSON file with options of train as values or lists; see docs/cluster.md and the folder sweeps')
    .option('-o, --output <folder>', 'folder of the sweep; each run has a folder of train in it')
    .option('--status <folder>', 'print the results so far beside the errors of the paper')
    .addOption(
      new Option('--run <n>', 'with -o: train run n of the folder, or continue it; the tasks of a job use this').argParser(naturalNumber),
    )
    .addOption(formatOption());
  return addEngineOptions(sweep, ENGINES)
    .addHelpText(
      'after',
      `
After an interruption, run the same command again: every run continues from its checkpoint. At the end, best/ holds the best run of
each group as an ONNX file, compared on every runtime. Plot the errors with wrn-onnx curve FOLDER.

Examples:
  $ wrn-onnx sweep sweeps/cifar.json --on slurm --time 1-00:00:00 --sbatch "--cpus-per-task=16" -o cifar
  $ wrn-onnx sweep my.json --on local --jobs 2 -o my
  $ wrn-onnx sweep --status cifar`,
    )
    .action(run);
}

async function run(file: string | undefined, flags: Flags): Promise<void> {
  const { status, run: number, output, on } = flags;
  requireEngineFit(flags);
  if ([file, status, number].filter((one) => one !== undefined).length !== 1)
    throw new UsageError('expected one of a sweep file, --status FOLDER, and --run N with -o FOLDER');
  if (status !== undefined) return showStatus(new SweepFolder(status), flags);
  if (output === undefined) throw new UsageError('expected -o, the folder of the sweep');
  const folder = new SweepFolder(output);
  if (number !== undefined) return trainRun(folder, number);
  if (on === undefined) throw new UsageError(`expected --on ${ENGINES.join(' or ')}`);
  const named = file as string;
  const sweep = readSweep(await readInput(named), named);
  await folder.prepare(sweep);
  await runSweep(folder, sweep, on, flags);
}

async function runSweep(folder: SweepFolder, sweep: Sweep, on: EngineName, flags: Flags): Promise<void> {
  const { runs } = sweep;
  const finished = () => runs.flatMap((run, i) => (folder.isFinished(run) ? [i + 1] : []));
  const done = finished();
  const work: Work = {
    name: `wrn-sweep-${sha256(realpathSync(folder.path)).slice(0, 12)}`,
    folder: folder.path,
    program: programWords,
    environment: environmentOf(),
    cwd: process.cwd(),
    reads: [],
    count: runs.length,
    tasks: runs.map((_, i) => i + 1).filter((number) => !done.includes(number)),
    task: ['sweep', '--run', TASK, '-o', folder.path],
    resumes: true,
    cpus: 1,
  };
  const engine = engines[on];
  engine.check(work, flags);
  if (flags.dryRun) return printText(engine.render(work, flags));
  const total = runs.reduce((sum, { epochs }) => sum + epochs, 0);
  if (work.tasks.length > 0)
    await runWork(work, engine, flags, {
      unit: 'epochs',
      done: finished,
      progress: () => ({ done: runs.reduce((sum, run) => sum + folder.stateOf(run).trained, 0), total }),
    });
  const failed = runs.map((one) => folder.stateOf(one)).filter(({ parity }) => parity === false);
  await exportBest(folder, sweep);
  await showStatus(folder, flags);
  if (failed.length > 0)
    throw new ParityError(`parity failed: ${failed.map(({ name }) => name).join(', ')}. See report.html in their folders`);
}

/** Trains a run, or continues it from its checkpoint. */
async function trainRun(folder: SweepFolder, number: number): Promise<void> {
  const { runs } = await folder.read();
  const run = runs[number - 1];
  if (!run) throw new UsageError(`--run: expected a number from 1 to ${runs.length}, got ${number}`);
  if (folder.isFinished(run)) return say(`${run.name} is finished`);
  const path = folder.runPath(run);
  const words = new RunFolder(path).hasCheckpoint ? ['--resume'] : run.words;
  await noteFailure(folder.path, number, async () => {
    await trainCommand()
      .exitOverride()
      .parseAsync([...words, '-o', path], { from: 'user' });
  });
}

const BEST_FILES = ['model.onnx', 'model.safetensors', 'report.html', 'parity.txt'];

/** Copies the best run of each group: train has exported every run, and compared it on every runtime. */
async function exportBest(folder: SweepFolder, { runs }: Sweep): Promise<void> {
  for (const { name, best } of groupsOf(runs.map((run) => folder.stateOf(run)))) {
    const found = runs.find((run): run is SweepRun => run.name === best);
    if (!found) continue;
    const target = join(folder.path, 'best', name);
    mkdirSync(target, { recursive: true });
    for (const file of BEST_FILES) await writeOutput(join(target, file), readFileSync(join(folder.runPath(found), file)), { force: true });
  }
}

async function showStatus(folder: SweepFolder, { format }: Flags): Promise<void> {
  const { about, runs } = await folder.read();
  const groups = groupsOf(runs.map((run) => folder.stateOf(run)));
  if (format === 'json') return printJson({ about, groups });
  const best = groups.flatMap(({ name, best: run }) => (run === null || name === run ? [] : [`best of ${name}: ${run}`]));
  printText([...(about ? [printable(about)] : []), sweepTable(groups), ...best, ''].join('\n'));
}
