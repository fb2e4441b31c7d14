/**
 * The file of a sweep: options of `train`, by their names on the command line.
 *
 *     { "about": "...", "all": { "seed": [1, 2, 3] }, "runs": [{ "preset": "cifar10", "width": [4, 10], "bits": [1, 32] }] }
 *
 * A list stands for one run per value, several lists for all combinations. `all` applies to every entry of `runs`. `true` turns an
 * option on; `false` leaves it out, or turns it off by its `--no-` form.
 */

import { basename } from 'node:path';
import { CommanderError } from 'commander';
import { exactOptional } from 'valibot';
import { sha256 } from '#builtin';
import { catalogEntry } from '../../data/catalog.ts';
import { InputError, UsageError } from '../../errors.ts';
import { line, list, readJson, record, strictObject, unexpected } from '../../formats/schema.ts';
import { defaultConfig } from '../../network/config.ts';
import { publishedError } from '../../train/published.ts';
import { paperRecipe, presets } from '../../train/recipe.ts';
import { chooseConfig, chooseRun, type Flags } from '../train/choose-run.ts';
import { command } from '../train/train.ts';

const FORMAT = 'sweep';
/** Limit of runs. It bounds the product of lists. */
const MAX_RUNS = 10_000;
/** Longest name of a run's folder. */
const MAX_NAME = 100;

const fileSchema = strictObject({ about: exactOptional(line), all: exactOptional(record), runs: list(record) });

type Value = string | number | boolean;
type Options = Readonly<Record<string, Value>>;

export interface SweepRun {
  /** Name of its folder. */
  readonly name: string;
  /** The name without the seed: runs of one group differ in their seeds only. */
  readonly group: string;
  /** Options of `train`. */
  readonly words: readonly string[];
  readonly epochs: number;
  /** The paper's error, 0 to 1; null if it has none. */
  readonly published: number | null;
}

export interface Sweep {
  readonly about: string;
  readonly runs: readonly SweepRun[];
}

/** Options of `train` that the sweep sets itself. */
const NOT_TRAINED = ['output', 'resume', 'format', 'quiet'];

/**
 * Reads the file, and checks the options of every run as `train` does.
 * @throws InputError that names the run
 */
export function readSweep(bytes: Uint8Array, file: string): Sweep {
  const root = readJson(fileSchema, parse(bytes, file), FORMAT, (field) => `${file} ${field}`);
  const entries = root.runs.map((entry) => ({ ...root.all, ...entry }));
  const rows: Options[] = [];
  for (const [i, entry] of entries.entries()) {
    rows.push(...combinations(entry, (value, key) => scalar(value, `${file} runs[${i}].${key}`), MAX_RUNS - rows.length));
    if (rows.length >= MAX_RUNS) throw new InputError(FORMAT, `${file} runs`, `expected fewer than ${MAX_RUNS} runs, got more`);
  }
  if (rows.length === 0) unexpected(FORMAT, `${file} runs`, 'at least one run', root.runs);
  const keys = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const varied = keys.filter((key) => key === 'preset' || new Set(rows.map((row) => row[key])).size > 1);
  const names = new Set<string>();
  const runs = rows.map((row): SweepRun => {
    const name = nameOf(row, varied);
    if (names.has(name))
      unexpected(FORMAT, `${file} runs`, 'different runs, or names that differ in letters, digits, dots and dashes', name);
    names.add(name);
    return {
      name,
      group: nameOf(
        row,
        varied.filter((key) => key !== 'seed'),
      ),
      ...checkRun(row, `${file} run ${name}`),
    };
  });
  return { about: root.about ?? '', runs };
}

function parse(bytes: Uint8Array, file: string): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString());
  } catch (error) {
    throw new InputError(FORMAT, file, `expected JSON, got ${error instanceof Error ? error.message : 'something else'}`, { cause: error });
  }
}

function scalar(value: unknown, where: string): Value {
  if (typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)) return value as Value;
  return unexpected(FORMAT, where, 'text, a number, true, false, or a list of them', value);
}

/** All combinations of the values of lists, the last list varying fastest; at most `most` + 1. */
function combinations(entry: Readonly<Record<string, unknown>>, check: (value: unknown, key: string) => Value, most: number): Options[] {
  let found: Options[] = [{}];
  for (const [key, value] of Object.entries(entry)) {
    const values = (Array.isArray(value) ? value : [value]).map((one) => check(one, key));
    found = found.flatMap((before) => values.map((one) => ({ ...before, [key]: one }))).slice(0, most + 1);
  }
  return found;
}

function nameOf(row: Options, keys: readonly string[]): string {
  const words = keys.flatMap((key) => {
    const value = row[key];
    if (value === undefined) return [];
    if (typeof value === 'boolean') return [value ? key : `no-${key}`];
    return [key === 'preset' ? String(value) : `${key}-${key === 'data' ? basename(String(value)) : value}`];
  });
  const name = words.join('-').replace(/[^\w.-]+/g, '_') || 'run';
  if (name.length <= MAX_NAME) return name;
  return `${name.slice(0, MAX_NAME)}-${sha256(name).slice(0, 8)}`;
}

/** Stands for data that is not opened here. The image size does not affect whether options fit together. */
const ANY_IMAGES = { channels: 3, height: 32, width: 32, classes: 10 };

/** Options that may vary in an experiment of the paper. */
const OF_EXPERIMENTS = ['preset', 'data', 'epochs', 'depth', 'width', 'bits', 'seed', 'cutout', 'first-cycle'];

/** @throws InputError when `train` would refuse the options */
function checkRun(row: Options, where: string): Pick<SweepRun, 'words' | 'epochs' | 'published'> {
  const train = command()
    .exitOverride()
    .configureOutput({ writeErr() {} })
    .action(() => {});
  const isOption = (flag: string) => train.options.some(({ long }) => long === flag);
  const words = Object.entries(row).flatMap(([key, value]) => {
    if (typeof value !== 'boolean') return [`--${key}`, String(value)];
    if (value) return [`--${key}`];
    return isOption(`--${key}`) && !isOption(`--no-${key}`) ? [] : [`--no-${key}`]; // an option such as --plain is off without a word
  });
  const unfit = train.options.find((option) => NOT_TRAINED.includes(option.attributeName()) && Object.hasOwn(row, option.name()));
  const refuse = (problem: string, cause?: unknown) => new InputError(FORMAT, where, problem, { cause });
  if (unfit) throw refuse(`expected no ${unfit.name()}: the sweep sets it`);
  try {
    const flags = train.parse([...words, '--output', 'run'], { from: 'user' }).opts<Flags>();
    const preset = flags.preset === undefined ? undefined : presets[flags.preset];
    const data = preset?.data ?? flags.data;
    if (data === undefined) throw refuse('expected preset or data, got neither');
    const { teacherWeight: _, temperature: __, ...known } = flags; // of a teacher that is not opened here
    const { epochs, recipe } = chooseRun(known, undefined, undefined);
    chooseConfig(flags, { ...ANY_IMAGES, ...catalogEntry(data) });
    const { depth, width, bits } = { ...defaultConfig, ...preset?.network };
    const experiment = {
      data,
      depth: flags.depth ?? depth,
      width: flags.width ?? width,
      bits: flags.bits ?? bits,
      cutout: (flags.cutout ?? (recipe ?? paperRecipe).augmentation.cutout) > 0,
      epochs,
    };
    const isPapers = Object.keys(row).every((key) => OF_EXPERIMENTS.includes(key));
    return { words, epochs, published: (isPapers && publishedError(experiment)) || null };
  } catch (error) {
    if (error instanceof CommanderError) throw refuse(error.message.replace(/^error: /, '').replaceAll('\n', ' '), error);
    throw error instanceof UsageError ? refuse(error.message, error) : error;
  }
}
