/** Runs a classifier over a labelled data set on several backends and compares them with one of them. */
import { createHash } from 'node:crypto';
import type { ImageSet } from '../src/data/dataset.ts';
import { checkFits } from '../src/data/kinds/dataset-format.ts';
import { networkName } from '../src/network/config.ts';
import { weightCount } from '../src/network/topology.ts';
import { version } from '../src/version.ts';
import type { BackendOptions, Session } from './backends/backend.ts';
import { type BackendName, backends } from './backends/table.ts';
import { firstViews, imagesPerBatch, runViews } from './crops.ts';
import { type BackendRun, type Report, type Subject, toReport } from './report.ts';
import { type ClassifierModel, readClassifier } from './runtime/model-input.ts';
import type { ModelInput } from './runtime/runtime.ts';
import { type ImageRange, type Shard, shardRange, whole } from './shard.ts';
import { LogitSpool } from './tally/logit-spool.ts';
import { thresholdsOf } from './tally/parity.ts';
import { Tally } from './tally/tally.ts';

export interface EvaluateOptions {
  /** Bytes of the ONNX file. */
  readonly model: Uint8Array;
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
  readonly onProgress?: (backend: BackendName, done: number, total: number) => void;
  /** Logits of a batch as they come, shape [count, classes]. */
  readonly onLogits?: (backend: BackendName, offset: number, logits: Float32Array) => void;
  /** Ends the evaluation after the batches under way. */
  readonly signal?: AbortSignal;
  /** Gets what was found until an error or an abort, before that is thrown. */
  readonly onPartial?: (report: Report) => void;
}

/** How an evaluation goes through a data set. */
export interface Course {
  /** Images that are read and run at once. */
  readonly batch: number;
  /** Images of all shards. */
  readonly total: number;
  /** Images of this one. */
  readonly range: ImageRange;
  /** With the batch that the file takes. */
  readonly backendOptions: BackendOptions;
}

/** What an evaluation of these options would do. */
export function courseOf(
  { data, limit, shard, backendOptions: asked }: Pick<EvaluateOptions, 'data' | 'limit' | 'shard' | 'backendOptions'>,
  { fixedBatch }: ModelInput,
): Course {
  const backendOptions = { ...asked, batch: fixedBatch ?? asked.batch };
  const batch = imagesPerBatch(backendOptions.batch, data.views);
  const total = Math.min(limit ?? data.length, data.length);
  return { batch, total, range: shardRange(total, batch, shard), backendOptions };
}

/** Batches that a backend has at once: one runs while the next is read and copied. */
const IN_FLIGHT = 2;

/**
 * Evaluates, one backend after the other, so that none disturbs the speed of another. Images are streamed; the logits of
 * the reference lie in a temporary file, 4 bytes a class and image: memory does not depend on the number of images.
 * @throws InputError when the file is no classifier or does not fit the data
 * @throws DeviceError when a backend is not available
 * @throws UsageError when the temporary folder cannot be written
 * @throws `signal.reason` when it is aborted
 */
export async function evaluate(options: EvaluateOptions): Promise<Report> {
  const { data, shard = whole } = options;
  const model = readClassifier(options.model);
  const config = model.metadata?.config;
  checkFits('data', data.name, data, { split: data.split, shape: model.input, classes: model.classes });
  const { batch, total, range, backendOptions } = courseOf(options, model.input);
  const reference = options.reference ?? (options.backends[0] as BackendName);
  const referenceLogits = await LogitSpool.open(model.classes, range.from);
  const runs = new Map<BackendName, BackendRun>();
  const subject: Subject = {
    version,
    model: options.modelName,
    sha256: createHash('sha256').update(options.model).digest('hex'),
    bytes: options.model.length,
    network: config ? networkName(config) : null,
    form: model.metadata?.form ?? null,
    bitsPerWeight: config ? (options.model.length * 8) / weightCount(config) : null,
    classLabels: model.metadata?.about.classLabels ?? data.classLabels ?? null,
    data: dataName(data),
    total,
    batch,
    shard,
    backends: options.backends,
    reference,
    thresholds: thresholdsOf(model.metadata?.form),
  };
  const report = () =>
    toReport(
      subject,
      options.backends.flatMap((name) => runs.get(name) ?? []),
    );
  try {
    for (const backend of [reference, ...options.backends.filter((name) => name !== reference)]) {
      options.signal?.throwIfAborted();
      const session = await backends[backend].open(options.model, model.input, backendOptions);
      try {
        const isReference = backend === reference;
        runs.set(
          backend,
          await runBackend({ ...options, backendOptions, model, backend, session, range, batch, referenceLogits, isReference }),
        );
        options.signal?.throwIfAborted();
      } finally {
        await session.close();
      }
    }
  } catch (error) {
    const aborted = options.signal?.aborted;
    if (aborted || runs.size > 0) options.onPartial?.(report());
    if (aborted) throw options.signal?.reason; // Ctrl-C reaches the runtime's process, too, which dies of it while it loads
    throw error;
  } finally {
    await referenceLogits.close();
  }
  return report();
}

/** As reports name it. */
export function dataName({ name, split }: ImageSet): string {
  return `${name} ${split}`;
}

interface Run extends Omit<EvaluateOptions, 'model' | 'reference'> {
  readonly model: ClassifierModel;
  readonly backend: BackendName;
  readonly session: Session;
  readonly range: ImageRange;
  /** Images that are read and run at once. */
  readonly batch: number;
  /** Written by the reference, read by the others. */
  readonly referenceLogits: LogitSpool;
  readonly isReference: boolean;
}

async function runBackend(run: Run): Promise<BackendRun> {
  const { backend, session, model, data, range, batch: images, referenceLogits, isReference } = run;
  const { classes } = model;
  const { views = 1 } = data;
  const viewOptions = { batch: run.backendOptions.batch, views, shape: data };
  const tally = new Tally(classes);
  let runtimeSeconds = 0;

  const finish = async (offset: number, crops: Uint8Array, labels: Int32Array) => {
    const { logits, seconds } = await runViews(session, model, crops, viewOptions);
    runtimeSeconds += seconds;
    const reference = isReference ? undefined : referenceLogits.read(offset, labels.length);
    if (isReference) referenceLogits.write(offset, logits);
    tally.add({ offset, shape: data, imagesNCHW: firstViews(crops, viewOptions), labels, logits, reference });
    run.onLogits?.(backend, offset, logits);
    run.onProgress?.(backend, tally.images, range.to - range.from);
  };

  const start = performance.now();
  const inFlight: Promise<void>[] = [];
  for await (const batch of data.batches(images, range.from, range.to)) {
    if (run.signal?.aborted) break;
    const done = finish(batch.offset, new Uint8Array(batch.imagesNCHW), batch.labels.slice()); // the set uses its buffers again
    done.catch(() => {}); // a failure is thrown where it is awaited, below, even when that is not yet
    inFlight.push(done);
    if (inFlight.length >= IN_FLIGHT) await inFlight.shift();
  }
  await Promise.all(inFlight);
  const seconds = (performance.now() - start) / 1000;
  return {
    backend,
    detail: session.detail,
    tally,
    seconds,
    runtimeSeconds,
    loadSeconds: session.loadSeconds,
    peakMemoryBytes: (await session.peakMemoryBytes()) ?? null,
  };
}
