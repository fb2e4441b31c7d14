/** Plans an evaluation before anything runs: which files on which backends, and which images. */
import { createHash } from 'node:crypto';
import { requireChoice } from '../src/choice.ts';
import type { ImageSet, ImageShape } from '../src/data/dataset.ts';
import { checkFits } from '../src/data/kinds/dataset-format.ts';
import { networkName } from '../src/network/config.ts';
import { weightCount } from '../src/network/topology.ts';
import { version } from '../src/version.ts';
import type { BackendOptions } from './backends/backend.ts';
import { type BackendName, backendOf, deviceOf } from './backends/table.ts';
import { imagesPerBatch } from './crops.ts';
import { type FileFacts, type Row, rowsOf, type Subject } from './report.ts';
import type { ClassifierModel } from './runtime/model-input.ts';
import { type ImageRange, type Shard, shardRange, whole } from './shard.ts';
import { thresholdsBetween, thresholdsOf } from './tally/thresholds.ts';

/** A decoded file. */
export interface Candidate {
  readonly name: string;
  readonly model: ClassifierModel;
  /** The checkpoint or model file that it was exported from, for backends that run those. */
  readonly source?: Uint8Array | undefined;
}

export interface PlanOptions {
  readonly model: ClassifierModel;
  /** Name of the file, for the report; `model.onnx` by default. */
  readonly modelName?: string | undefined;
  /** Another file to compare it with, on the same backends. */
  readonly against?: Candidate | undefined;
  readonly data: ImageSet;
  /** Backends in the order of the report; `cpu` alone by default. */
  readonly backends?: readonly BackendName[] | undefined;
  /** The backend that the others are compared with; the first by default. */
  readonly reference?: BackendName | undefined;
  /** Images from the start of the data set; all by default. */
  readonly limit?: number | undefined;
  /** The part of these images to evaluate; all by default. */
  readonly shard?: Shard | undefined;
  /** Batch size: by default 64, or 16 for images larger than 32x32; a batch size fixed in the file comes first. */
  readonly backendOptions?: (Omit<BackendOptions, 'batch'> & { readonly batch?: number | undefined }) | undefined;
}

/** A file to run on a backend. */
export interface PlannedRow extends Row {
  readonly file: ClassifierModel;
  /** With the batch size that the file takes. */
  readonly options: BackendOptions;
}

export interface Plan {
  /** The description of the evaluation for the report. */
  readonly subject: Subject;
  /** In the order of the report. */
  readonly rows: readonly PlannedRow[];
  readonly classes: number;
  readonly data: ImageSet;
  /** Images of this shard. */
  readonly range: ImageRange;
}

/** @throws InputError when a file does not fit the data; UsageError when a backend is unknown, or the reference is none of them */
export function planEvaluation(options: PlanOptions): Plan {
  const { model, modelName = 'model.onnx', against, data, backends = ['cpu'], limit, shard = whole, backendOptions } = options;
  for (const name of backends) backendOf(name);
  const reference = requireChoice('reference', options.reference ?? (backends[0] as BackendName), backends);
  const models = [model, ...(against ? [against.model] : [])];
  for (const { input, classes } of models) checkFits('data', data.name, data, { split: data.split, shape: input, classes });
  const asked = backendOptions?.batch ?? defaultBatch(model.input);
  const smallest = Math.min(...models.map(({ input }) => input.fixedBatch ?? asked));
  const batch = imagesPerBatch(smallest, data.crops);
  const total = Math.min(limit ?? data.length, data.length);
  const subject: Subject = {
    version,
    ...fileFacts(modelName, model),
    ...(against ? { against: fileFacts(against.name, against.model) } : {}),
    classLabels: model.metadata?.about.classLabels ?? data.classLabels ?? null,
    data: dataName(data),
    total,
    dataImages: data.length,
    batch,
    shard,
    backends,
    reference,
    thresholds: against ? thresholdsBetween(model.metadata?.form, against.model.metadata?.form) : thresholdsOf(model.metadata?.form),
  };
  const rows = rowsOf(subject).map((row): PlannedRow => {
    const { model: file, source } = row.model !== undefined && against ? against : { model, source: backendOptions?.source };
    return {
      ...row,
      file,
      options: { ...backendOptions, source, device: deviceOf(row.backend), batch: file.input.fixedBatch ?? smallest },
    };
  });
  return { subject, rows, classes: model.classes, data, range: shardRange(total, batch, shard) };
}

/** What reports say of a file. */
export function fileFacts(name: string, { bytes, metadata }: Pick<ClassifierModel, 'bytes' | 'metadata'>): FileFacts {
  const config = metadata?.config;
  return {
    model: name,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    bytes: bytes.length,
    network: config ? networkName(config) : null,
    form: metadata?.form ?? null,
    bitsPerWeight: config ? (bytes.length * 8) / weightCount(config) : null,
  };
}

/** Each batch costs about a millisecond in addition to inference; large images take a lot of memory in large batches. */
function defaultBatch({ height, width }: ImageShape): number {
  return height * width <= 32 * 32 ? 64 : 16;
}

/** The name of a data set in reports. */
export function dataName({ name, split }: ImageSet): string {
  return `${name} ${split}`;
}
