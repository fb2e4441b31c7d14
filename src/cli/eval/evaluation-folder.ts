/**
 * The folder of an evaluation that runs in shards:
 *
 *     evaluation.json   what is evaluated, the same for all shards
 *     parts/<i>.json    result of shard i, as eval --shard i/n --format json prints it
 *     failed/, logs/    errors and output of shards
 *     result.json, report.html
 */
import { existsSync, readdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { readPart } from '../../../eval/merge.ts';
import type { Plan } from '../../../eval/plan.ts';
import type { Subject } from '../../../eval/report.ts';
import { catalogEntry } from '../../data/catalog.ts';
import { inFile } from '../../data/files/file-error.ts';
import { InputError, UsageError } from '../../errors.ts';
import { describeJson } from '../../formats/json.ts';
import { readJson, record } from '../../formats/schema.ts';
import { readInput, readJsonFile } from '../shared/input-file.ts';
import { writeOutput } from '../shared/output-file.ts';
import { makeFolders } from '../shared/output-folder.ts';

const FORMAT = 'evaluation';

/** What all shards have in common, as text by name. */
export type Description = Readonly<Record<string, string | number>>;

/** Options that may change a result, beside those that the plan knows. */
export interface RunOptions {
  readonly data: string;
  readonly threads?: number;
  readonly browser?: string;
  readonly softwareGpu?: boolean;
}

/** @param count number of shards */
export function describeEvaluation({ subject }: Plan, count: number, { data, threads, browser, softwareGpu }: RunOptions): Description {
  return {
    ...describeSubject({ ...subject, shard: { index: 1, count } }),
    '--data': catalogEntry(data) ? data : resolve(data),
    '--threads': threads ?? 'default',
    '--browser': browser ?? 'default',
    '--software-gpu': String(softwareGpu ?? false),
  };
}

function describeSubject({ version, sha256, against, data, total, batch, shard, backends, reference }: Subject): Description {
  return {
    version,
    'SHA-256 of the file': sha256,
    'SHA-256 of --against': against?.sha256 ?? 'none',
    data,
    images: total,
    'batch size': batch,
    shards: shard.count,
    backends: backends.join(','),
    reference,
  };
}

export class EvaluationFolder {
  /** Absolute. */
  readonly path: string;

  constructor(path: string) {
    this.path = resolve(path);
  }

  get resultPath(): string {
    return join(this.path, 'result.json');
  }

  get reportPath(): string {
    return join(this.path, 'report.html');
  }

  get partsPath(): string {
    return join(this.path, 'parts');
  }

  partPath(index: number): string {
    return join(this.partsPath, `${index}.json`);
  }

  /**
   * Creates the folder, or checks that it belongs to this evaluation and that its parts are intact.
   * @throws UsageError when it holds another evaluation or a damaged part, or cannot be written
   */
  async prepare(description: Description): Promise<void> {
    makeFolders(this.path, ['parts', 'failed', 'logs']);
    const path = join(this.path, 'evaluation.json');
    if (existsSync(path)) await this.require(description);
    else await writeOutput(path, Buffer.from(`${JSON.stringify(description, null, 2)}\n`), { force: true });
    for (const index of this.done()) await this.#check(index, description);
  }

  /**
   * Checks on the machine of a shard that the folder belongs to its evaluation.
   * @throws UsageError
   */
  async require(description: Description): Promise<void> {
    const path = join(this.path, 'evaluation.json');
    if (!existsSync(path))
      throw new UsageError(
        `${path}: expected the plan of eval --shards, got no such file on ${hostname()}. Use a folder on a disk that all nodes share`,
      );
    const found = readJson(record, await readJsonFile(path, FORMAT), FORMAT, (field) => `${path} ${field}`);
    for (const [what, value] of Object.entries(description))
      if (found[what] !== value)
        throw new UsageError(
          `${this.path} holds another evaluation: ${what} ${describeJson(found[what])} instead of ${JSON.stringify(value)}. Choose another folder`,
        );
  }

  /** Numbers of the shards that have a result, ascending. */
  done(): number[] {
    return readdirSync(this.partsPath)
      .flatMap((name) => (/^[1-9]\d*\.json$/.test(name) ? [Number.parseInt(name, 10)] : []))
      .sort((a, b) => a - b);
  }

  async #check(index: number, description: Description): Promise<void> {
    const path = this.partPath(index);
    const advice = 'Remove it, then run the same command again to compute it';
    try {
      const { subject } = readPart(await readInput(path), path);
      for (const [what, value] of Object.entries(describeSubject(subject)))
        if (description[what] !== value) throw new UsageError(`${path}: expected ${what} ${description[what]}, got ${value}. ${advice}`);
      if (subject.shard.index !== index) throw new UsageError(`${path}: expected shard ${index}, got ${subject.shard.index}. ${advice}`);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      throw new UsageError(`${(inFile(path, error) as Error).message}. ${advice}`, { cause: error });
    }
  }
}
