/**
 * The folder of a sweep:
 *
 *     sweep.json        its runs
 *     runs/<name>/      a folder of train each
 *     best/<group>/     model and report of the best run of each group
 *     failed/, logs/    errors and output of runs
 */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { InputError, UsageError } from '../../errors.ts';
import { either, integer, line, list, number, object, readJson, type Schema } from '../../formats/schema.ts';
import { RunFolder } from '../../train/run/run-folder.ts';
import { version } from '../../version.ts';
import { readJsonFile } from '../shared/input-file.ts';
import { writeOutput } from '../shared/output-file.ts';
import { makeFolders } from '../shared/output-folder.ts';
import type { RunReport } from '../train/finish-run.ts';
import type { Sweep, SweepRun } from './sweep-file.ts';

const FORMAT = 'sweep';
const MAX_EPOCHS = 2 ** 31 - 1;

const sweepSchema: Schema<Sweep & { readonly version: string }> = object({
  version: line,
  about: line,
  runs: list(
    object({
      name: line,
      group: line,
      words: list(line),
      epochs: integer(1, MAX_EPOCHS),
      published: either(null, number(0, 1)),
    }),
  ),
});

/** Progress and result of a run. */
export interface RunState extends SweepRun {
  /** Epochs trained so far. */
  readonly trained: number;
  /** Test error of the finished run, 0 to 1. */
  readonly testError: number | undefined;
  /** Whether all runtimes agree on the exported file; undefined while the run is not finished. */
  readonly parity: boolean | undefined;
}

export class SweepFolder {
  /** Absolute. */
  readonly path: string;

  constructor(path: string) {
    this.path = resolve(path);
  }

  runPath({ name }: Pick<SweepRun, 'name'>): string {
    return join(this.path, 'runs', name);
  }

  /**
   * Creates the folder, or checks that it belongs to this sweep.
   * @throws UsageError when it holds another one or cannot be written
   */
  async prepare(sweep: Sweep): Promise<void> {
    makeFolders(this.path, ['runs', 'failed', 'logs']);
    const path = join(this.path, 'sweep.json');
    if (!existsSync(path)) {
      await writeOutput(path, Buffer.from(`${JSON.stringify({ version, ...sweep }, null, 2)}\n`), { force: true });
      return;
    }
    const { version: theirs, runs } = await this.read();
    const other = (what: string) => new UsageError(`${this.path} holds another sweep: ${what}. Choose another folder`);
    if (theirs !== version) throw other(`of version ${theirs} instead of ${version}`);
    for (let i = 0; i < Math.max(runs.length, sweep.runs.length); i++) {
      const [there, asked] = [runs[i], sweep.runs[i]].map((run) => run?.words.join(' ') ?? 'no run');
      if (there !== asked) throw other(`its run ${i + 1} is ${there} instead of ${asked}`);
    }
  }

  /** @throws InputError when the folder holds no sweep */
  async read(): Promise<Sweep & { readonly version: string }> {
    const path = join(this.path, 'sweep.json');
    return readJson(sweepSchema, await readJsonFile(path, FORMAT), FORMAT, (field) => `${path} ${field}`);
  }

  isFinished(run: SweepRun): boolean {
    return existsSync(join(this.runPath(run), 'report.json'));
  }

  /** @throws InputError when its log or report is damaged */
  stateOf(run: SweepRun): RunState {
    const log = new RunFolder(this.runPath(run)).readLog();
    const trained = log.reduce((most, { epoch }) => Math.max(most, epoch), 0);
    if (!this.isFinished(run)) return { ...run, trained, testError: undefined, parity: undefined };
    const path = join(this.runPath(run), 'report.json');
    try {
      const { testError, parity } = JSON.parse(readFileSync(path, 'utf8')) as RunReport;
      return { ...run, trained: run.epochs, testError: testError ?? undefined, parity: parity.verdict === 'pass' };
    } catch (error) {
      throw new InputError('report', path, 'expected the report of a run, got something else or a truncated file', { cause: error });
    }
  }
}
