/** What an evaluation does, worked out before anything runs: which file on which backends, and which images. */
import { createHash } from 'node:crypto';
import type { ImageSet } from '../src/data/dataset.ts';
import { checkFits } from '../src/data/kinds/dataset-format.ts';
import { networkName } from '../src/network/config.ts';
import { weightCount } from '../src/network/topology.ts';
import { version } from '../src/version.ts';
import type { BackendOptions } from './backends/backend.ts';
import type { BackendName } from './backends/table.ts';
import { imagesPerBatch } from './crops.ts';
import type { Subject } from './report.ts';
import type { ClassifierModel } from './runtime/model-input.ts';
import { type ImageRange, type Shard, shardRange, whole } from './shard.ts';
import { thresholdsOf } from './tally/thresholds.ts';

export interface PlanOptions {
  readonly model: ClassifierModel;
  /** Name of the file, for the report. */
  readonly modelName: string;
  readonly data: ImageSet;
  /** Backends in the order of the report. */
  readonly backends: readonly BackendName[];
  /** The backend that the others are compared with; the first by default. */
  readonly reference?: BackendName | undefined;
  /** Images from the start of the data set; all by default. */
  readonly limit?: number | undefined;
  /** The part of these images to evaluate; all by default. */
  readonly shard?: Shard | undefined;
  /** A file of a fixed batch is run in batches of that, whatever is asked for here. */
  readonly backendOptions: BackendOptions;
}

export interface Plan {
  /** What the report says of the evaluation itself. */
  readonly subject: Subject;
  readonly model: ClassifierModel;
  readonly data: ImageSet;
  /** Images of this shard. */
  readonly range: ImageRange;
  /** With the batch that the file takes. */
  readonly backendOptions: BackendOptions;
}

/** @throws InputError when the file does not fit the data */
export function planEvaluation(options: PlanOptions): Plan {
  const { model, modelName, data, backends, limit, shard = whole } = options;
  checkFits('data', data.name, data, { split: data.split, shape: model.input, classes: model.classes });
  const backendOptions = { ...options.backendOptions, batch: model.input.fixedBatch ?? options.backendOptions.batch };
  const batch = imagesPerBatch(backendOptions.batch, data.crops);
  const total = Math.min(limit ?? data.length, data.length);
  const config = model.metadata?.config;
  const subject: Subject = {
    version,
    model: modelName,
    sha256: createHash('sha256').update(model.bytes).digest('hex'),
    bytes: model.bytes.length,
    network: config ? networkName(config) : null,
    form: model.metadata?.form ?? null,
    bitsPerWeight: config ? (model.bytes.length * 8) / weightCount(config) : null,
    classLabels: model.metadata?.about.classLabels ?? data.classLabels ?? null,
    data: dataName(data),
    total,
    batch,
    shard,
    backends,
    reference: options.reference ?? (backends[0] as BackendName),
    thresholds: thresholdsOf(model.metadata?.form),
  };
  return { subject, model, data, range: shardRange(total, batch, shard), backendOptions };
}

/** As reports name it. */
export function dataName({ name, split }: ImageSet): string {
  return `${name} ${split}`;
}
