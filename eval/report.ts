/** The result of an evaluation, from the counts of its runs. */
import type { BackendName } from './backends/table.ts';
import { type Shard, shardRange } from './shard.ts';
import { relativeError } from './tally/metrics.ts';
import type { Tally } from './tally/tally.ts';
import { judge, type Thresholds, type Verdict } from './tally/thresholds.ts';

/** A backend's run over the images. */
export interface BackendRun {
  readonly backend: BackendName;
  /** Name of the second file, for its rows when two files are compared. */
  readonly model?: string | undefined;
  /** What actually ran: runtime, version, device. */
  readonly detail: string;
  readonly tally: Tally;
  /** From the first batch to the last result, reading and copying included. */
  readonly seconds: number;
  /** Part of `seconds` spent in the runtime itself. */
  readonly runtimeSeconds: number;
  readonly loadSeconds: number;
  readonly peakMemoryBytes: number | null;
}

/** A row of a parity table. Fractions are 0 to 1; a field that does not apply is null. */
export interface BackendResult extends BackendRun {
  readonly images: number;
  readonly top1: number | null;
  /** Null for ten classes or fewer. */
  readonly top5: number | null;
  /** Fraction of images whose most likely class is the reference's. */
  readonly agreement: number | null;
  /** Images decided differently from the reference. */
  readonly flips: number | null;
  readonly maxAbsDiff: number | null;
  readonly meanAbsDiff: number | null;
  readonly relError: number | null;
  readonly imagesPerSecond: number | null;
  /** Null when there were no images. */
  readonly verdict: Verdict | null;
}

/** Facts about a file. */
export interface FileFacts {
  /** Its name. */
  readonly model: string;
  readonly sha256: string;
  /** Size of the file. */
  readonly bytes: number;
  /** E.g. `WRN-20-10`; this and the next two are null for a file that this project did not write. */
  readonly network: string | null;
  readonly form: string | null;
  /** Size of the whole file over the number of weights. */
  readonly bitsPerWeight: number | null;
}

/** What is evaluated, and how. */
export interface Subject extends FileFacts {
  /** Version of this package. */
  readonly version: string;
  /** The other file, when two are compared. */
  readonly against?: FileFacts | undefined;
  /** One per class, in order; null when neither the file nor the data set has any. */
  readonly classLabels: readonly string[] | null;
  /** Name and split. */
  readonly data: string;
  /** Images of all shards. */
  readonly total: number;
  /** Images in the data set; not in reports of earlier versions. */
  readonly dataImages?: number | undefined;
  /** `sampleDigest` of the data, in the report of a shard; not in those of earlier versions. */
  readonly dataDigest?: string | undefined;
  /** Images per batch. */
  readonly batch: number;
  readonly shard: Shard;
  /** In the order of the report. */
  readonly backends: readonly BackendName[];
  readonly reference: BackendName;
  readonly thresholds: Thresholds;
}

export interface Report extends Subject {
  /** Images that every backend that ran has evaluated. */
  readonly images: number;
  /** Whether every backend has evaluated every image of the shard; false after an interruption. */
  readonly complete: boolean;
  /** One per backend that ran. */
  readonly results: readonly BackendResult[];
  /** Null when not every backend was compared with the reference on every image: there is one, no image, or an interruption. */
  readonly verdict: Exclude<Verdict, 'reference'> | null;
}

/** @param runs in the order of the rows; rows that an interruption prevented are missing */
export function toReport(subject: Subject, runs: readonly BackendRun[]): Report {
  const results = runs.map((run) => toResult(run, isReference(subject, run), subject.thresholds));
  const { from, to } = shardRange(subject.total, subject.batch, subject.shard);
  const images = results.length ? Math.min(...results.map((result) => result.images)) : 0;
  const complete = results.length === rowsOf(subject).length && images === to - from;
  return { ...subject, images, complete, results, verdict: verdictOf({ ...subject, results }) };
}

/** A network on a backend: a row of the report. */
export type Row = Pick<BackendRun, 'backend' | 'model'>;

/** All rows that a complete report has, in order. */
export function rowsOf({ backends, against }: Pick<Subject, 'backends' | 'against'>): Row[] {
  const own = backends.map((backend): Row => ({ backend }));
  return against ? [...own, ...backends.map((backend) => ({ backend, model: against.model }))] : own;
}

export function isReference({ reference }: Pick<Subject, 'reference'>, { backend, model }: Row): boolean {
  return backend === reference && model === undefined;
}

/** A unique name of a row: the backend, with the file when there are two. */
export function rowName({ model: own, against }: Pick<Subject, 'model' | 'against'>, { backend, model }: Row): string {
  return against ? `${model ?? own} on ${backend}` : backend;
}

type Compared = Subject & Pick<Report, 'results'>;

/** Names of the rows that were not compared with the reference on every image. */
export function notCompared(report: Compared): string[] {
  const { from, to } = shardRange(report.total, report.batch, report.shard);
  const name = (row: Row) => rowName(report, row);
  const judged = new Set(report.results.filter(({ verdict, images }) => verdict !== null && images === to - from).map(name));
  return rowsOf(report)
    .filter((row) => !isReference(report, row) && !judged.has(name(row)))
    .map(name);
}

function verdictOf(report: Compared): Report['verdict'] {
  if (report.results.some(({ verdict }) => verdict === 'fail')) return 'fail';
  return rowsOf(report).length > 1 && notCompared(report).length === 0 ? 'pass' : null;
}

function toResult(run: BackendRun, reference: boolean, thresholds: Thresholds): BackendResult {
  const { backend, model, detail, tally, seconds, runtimeSeconds, loadSeconds, peakMemoryBytes } = run;
  const { images, classes } = tally;
  const fraction = (count: number) => (images ? count / images : null);
  const compared = reference || images === 0 ? null : { agreement: 1 - tally.disagreements / images, relError: relativeErrorOf(tally) };
  return {
    backend,
    ...(model === undefined ? {} : { model }),
    detail,
    images,
    top1: fraction(tally.top1),
    top5: classes > 10 ? fraction(tally.top5) : null,
    agreement: compared?.agreement ?? null,
    flips: compared && tally.disagreements,
    maxAbsDiff: compared && tally.maxAbsDiff,
    meanAbsDiff: compared && tally.absDiff.value / (images * classes),
    relError: compared?.relError ?? null,
    imagesPerSecond: images ? images / seconds : null,
    seconds,
    runtimeSeconds,
    loadSeconds,
    peakMemoryBytes,
    verdict: reference ? 'reference' : compared && judge(compared, thresholds),
    tally,
  };
}

function relativeErrorOf({ squaredDifference, squaredReference }: Tally): number {
  return relativeError({ squaredDifference: squaredDifference.value, squaredReference: squaredReference.value });
}
