/** One report from the reports of all shards of an evaluation. */
import { custom, exactOptional, literal, unknown } from 'valibot';
import { InputError } from '../src/errors.ts';
import { boolean, either, integer, line, list, number, object, oneOf, readJson, type Schema, unexpected } from '../src/formats/schema.ts';
import { version } from '../src/version.ts';
import { type BackendName, backendNames, isBackendName } from './backends/table.ts';
import { type BackendRun, type Report, rowsOf, type Subject, toReport } from './report.ts';
import { shardRange, whole } from './shard.ts';
import { Tally } from './tally/tally.ts';

const FORMAT = 'report';

/** The report of a shard, without what is derived from it. */
export interface Part {
  /** For messages. */
  readonly file: string;
  /** The machine that it was measured on; undefined in reports of earlier versions. */
  readonly machine: string | undefined;
  readonly subject: Subject;
  readonly runs: readonly BackendRun[];
}

const count = integer(0, Number.MAX_SAFE_INTEGER);
const positive = integer(1, Number.MAX_SAFE_INTEGER);
const real = number(0, Number.MAX_VALUE);
const facts = {
  model: line,
  sha256: line,
  bytes: count,
  network: either(null, line),
  form: either(null, line),
  bitsPerWeight: either(null, real),
};
const backend = custom<BackendName>(
  (value) => typeof value === 'string' && isBackendName(value),
  backendNames.map((name) => JSON.stringify(name)).join(' or '),
);

/** Earlier versions wrote neither `against` nor `dataImages` nor `dataDigest` nor `machine`. */
const subjectSchema: Schema<Subject> = object({
  version: literal(version, `${version}, the one that merges`),
  ...facts,
  against: exactOptional(object(facts)),
  classLabels: either(null, list(line)),
  data: line,
  total: count,
  dataImages: exactOptional(count),
  dataDigest: exactOptional(line),
  batch: positive,
  shard: object({ index: positive, count: integer(1, 1e9) }),
  backends: list(backend),
  reference: backend,
  thresholds: object({ agreement: number(0, 1), relError: real }),
});

/** What the subject limits. */
const partSchema = (subject: Subject) =>
  object({
    shard: object({ index: integer(1, subject.shard.count) }),
    reference: oneOf(...subject.backends),
    machine: exactOptional(line),
    results: list(
      object({
        backend: oneOf(...subject.backends),
        model: exactOptional(oneOf(subject.against?.model ?? '')),
        detail: line,
        tally: unknown(),
        seconds: real,
        runtimeSeconds: real,
        loadSeconds: real,
        peakMemoryBytes: either(null, real),
      }),
      rowsOf(subject).length,
    ),
  });

/**
 * Reads a report as `eval --format json` prints it.
 * @param file for messages
 * @throws InputError when it is not a report, of another version of this package, or of an interrupted evaluation
 * @example
 * await writeFile('part.json', JSON.stringify(await evaluate(file, { data, limit: 16, shard: { index: 1, count: 1 } })));
 * const part = readPart(await readFile('part.json'), 'part.json');
 */
export function readPart(bytes: Uint8Array, file: string): Part {
  const json = parse(bytes);
  const read = <T>(schema: Schema<T>) => readJson(schema, json, FORMAT, (field) => `${file} ${field}`);
  if (json === undefined)
    throw new InputError(FORMAT, file, 'expected the JSON of eval --format json, got something else or a truncated file');
  const subject = read(subjectSchema);
  if (!read(object({ complete: boolean })).complete)
    throw new InputError(FORMAT, file, 'expected a complete evaluation, got an interrupted one. Run it again');
  const { machine, results } = read(partSchema(subject));
  const { from, to } = shardRange(subject.total, subject.batch, subject.shard);
  const runs = results.map((run, i): BackendRun => {
    const tally = Tally.fromJSON(run.tally, FORMAT, (field) => `${file} results[${i}].tally.${field}`);
    if (tally.images !== to - from)
      unexpected(FORMAT, `${file} results[${i}].tally.images`, `the ${to - from} images of the shard`, tally.images);
    return { ...run, tally };
  });
  return { file, machine, subject, runs };
}

function parse(bytes: Uint8Array): unknown {
  try {
    const encoding = bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : 'utf-8'; // as `>` of Windows PowerShell 5 writes
    return JSON.parse(new TextDecoder(encoding).decode(bytes));
  } catch {
    return undefined;
  }
}

/** What must be the same in all parts. */
const common: Readonly<Record<string, (part: Part) => string>> = {
  'a file of SHA-256': ({ subject }) => subject.sha256,
  'another file of SHA-256': ({ subject }) => subject.against?.sha256 ?? 'none',
  'the data set': ({ subject }) => subject.data,
  'images in the data set': ({ subject }) => String(subject.dataImages),
  'images in all': ({ subject }) => String(subject.total),
  'batch size': ({ subject }) => String(subject.batch),
  'shards in all': ({ subject }) => String(subject.shard.count),
  backends: ({ runs }) => runs.map(({ backend, detail }) => `${backend} (${detail})`).join(', '),
  'the reference': ({ subject }) => subject.reference,
  thresholds: ({ subject: { thresholds } }) => `${thresholds.agreement} and ${thresholds.relError}`,
  classes: ({ runs }) => runs.map(({ tally }) => tally.classes).join(', '),
};

/**
 * Adds up the parts of an evaluation, each shard once, in any order, one at a time: memory does not depend on their number.
 * All but times and memory is exactly what an evaluation without shards finds on the same kind of machine. Of times, the
 * images per second are those of all images in the sum of all seconds; load time and memory are the largest of any shard.
 */
export class Merger {
  /** The first part, with the sums of all so far. */
  #sum: Part | undefined;
  /** File of each shard. */
  readonly #files = new Map<number, string>();
  /** The first part that has a digest of the data. */
  #digested: Part | undefined;

  /** @throws InputError when the part is there twice, or of another evaluation */
  add(part: Part): void {
    const first = this.#sum ?? part;
    for (const [what, of] of Object.entries(common))
      if (of(part) !== of(first))
        throw new InputError(FORMAT, part.file, `expected ${what}: ${of(first)}, as in ${first.file}, got ${of(part)}`);
    const { dataDigest, data, shard } = part.subject;
    if (dataDigest !== undefined) this.#digested ??= part;
    if (dataDigest !== undefined && dataDigest !== this.#digested?.subject.dataDigest)
      throw new InputError(
        FORMAT,
        part.file,
        `expected the images of ${this.#digested?.file}, got other ones of the same name, ${data}. Evaluate every shard on the same data`,
      );
    const { index } = shard;
    const other = this.#files.get(index);
    if (other !== undefined) throw new InputError(FORMAT, part.file, `expected every shard once, got shard ${index} here and in ${other}`);
    this.#files.set(index, part.file);
    this.#sum = this.#sum ? { ...first, runs: first.runs.map((run, i) => add(run, part.runs[i] as BackendRun)) } : part;
  }

  /** @throws InputError when a part is missing */
  report(): Report {
    if (!this.#sum) throw new InputError(FORMAT, 'parts', 'expected reports of shards, got none');
    const { subject, runs } = this.#sum;
    requireEveryShard(this.#files, subject.shard.count);
    const { dataDigest, ...all } = subject; // one run has none
    return toReport({ ...all, shard: whole }, runs);
  }
}

/**
 * The parts of an evaluation as one report, as `Merger` adds them up.
 * @throws InputError when a part is missing, there twice, or of another evaluation
 * @example
 * const shard = (index: number) => evaluate(file, { data, limit: 32, backendOptions: { batch: 8 }, shard: { index, count: 2 } });
 * const parts = [await shard(1), await shard(2)].map((report, i) => readPart(new TextEncoder().encode(JSON.stringify(report)), `part ${i + 1}`));
 * const { images, results } = mergeParts(parts);
 */
export function mergeParts(parts: readonly Part[]): Report {
  const merger = new Merger();
  for (const part of [...parts].sort((a, b) => a.subject.shard.index - b.subject.shard.index)) merger.add(part);
  return merger.report();
}

/** Largest number of missing shards that a message names. */
const MAX_NAMED = 10;

function requireEveryShard(files: ReadonlyMap<number, string>, count: number): void {
  const missing: number[] = [];
  for (let index = 1; index <= count && missing.length < MAX_NAMED; index++) if (!files.has(index)) missing.push(index);
  if (missing.length === 0) return;
  const more = count - files.size > missing.length ? ' and more' : '';
  throw new InputError(FORMAT, 'parts', `expected all ${count} shards, got ${files.size}. Missing: ${missing.join(', ')}${more}`);
}

function add(a: BackendRun, b: BackendRun): BackendRun {
  const tally = new Tally(a.tally.classes);
  tally.merge(a.tally);
  tally.merge(b.tally);
  return {
    ...a,
    tally,
    seconds: a.seconds + b.seconds,
    runtimeSeconds: a.runtimeSeconds + b.runtimeSeconds,
    loadSeconds: Math.max(a.loadSeconds, b.loadSeconds),
    peakMemoryBytes: a.peakMemoryBytes === null || b.peakMemoryBytes === null ? null : Math.max(a.peakMemoryBytes, b.peakMemoryBytes),
  };
}
