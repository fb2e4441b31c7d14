/** Runs a classifier over a labelled data set on several backends and compares them with one of them. */
import type { ImageSet } from '../src/data/image-set.ts';
import { checkFits } from '../src/data/kind.ts';
import { InputError } from '../src/errors.ts';
import type { BackendOptions, Session } from './backends/backend.ts';
import { type BackendName, backends } from './backends/table.ts';
import { addDifference, countTopK, noDifference, relativeError, top1 } from './metrics.ts';
import { type ClassifierModel, readClassifier } from './model-input.ts';
import { defaultThresholds, judge, type Thresholds, type Verdict } from './parity.ts';

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
  readonly thresholds?: Thresholds | undefined;
  readonly backendOptions: BackendOptions;
  readonly onProgress?: (backend: BackendName, done: number, total: number) => void;
  /** Logits of a batch as they come, shape [count, classes]. */
  readonly onLogits?: (backend: BackendName, offset: number, logits: Float32Array) => void;
  /** Ends the evaluation after the batches under way; the report holds what was done. */
  readonly signal?: AbortSignal;
}

/** Fractions are 0 to 1; a field that does not apply is null. */
export interface BackendResult {
  readonly backend: BackendName;
  /** What really ran: runtime, version, device. */
  readonly detail: string;
  readonly images: number;
  readonly top1: number | null;
  /** Null for ten classes or fewer. */
  readonly top5: number | null;
  /** Fraction of images whose most likely class is the reference's. */
  readonly agreement: number | null;
  /** Images decided differently than the reference. */
  readonly flips: number | null;
  readonly maxAbsDiff: number | null;
  readonly meanAbsDiff: number | null;
  readonly relError: number | null;
  /** From the first batch to the last result, reading and copying included. */
  readonly imagesPerSecond: number | null;
  readonly loadSeconds: number;
  readonly peakMemoryBytes: number | null;
  readonly verdict: Verdict;
}

export interface Report {
  readonly model: string;
  readonly data: string;
  readonly images: number;
  readonly reference: BackendName;
  readonly thresholds: Thresholds;
  readonly results: readonly BackendResult[];
  readonly verdict: 'pass' | 'fail';
}

/** Batches that a backend has at once: one runs while the next is read and copied. */
const IN_FLIGHT = 2;

/**
 * Evaluates. Images are streamed; only the reference's logits are kept (4 bytes a class and image).
 * @throws InputError when the file is no classifier or does not fit the data
 * @throws DeviceError when a backend is not available
 */
export async function evaluate(options: EvaluateOptions): Promise<Report> {
  const { data, modelName, thresholds = defaultThresholds } = options;
  const model = readClassifier(options.model);
  checkFits('data', data.name, data, { split: data.split, shape: model.input, classes: model.classes });
  const total = Math.min(options.limit ?? data.length, data.length);
  const reference = options.reference ?? (options.backends[0] as BackendName);
  const referenceLogits = new Float32Array(total * model.classes);
  const results = new Map<BackendName, BackendResult>();
  for (const backend of [reference, ...options.backends.filter((name) => name !== reference)]) {
    if (options.signal?.aborted) break;
    const session = await backends[backend].open(options.model, model.input, options.backendOptions);
    try {
      results.set(
        backend,
        await runBackend({ ...options, model, backend, session, total, referenceLogits, isReference: backend === reference, thresholds }),
      );
    } finally {
      await session.close();
    }
  }
  const ordered = options.backends.flatMap((name) => results.get(name) ?? []);
  const images = Math.min(...ordered.map((result) => result.images));
  const verdict = ordered.some((result) => result.verdict === 'fail') ? 'fail' : 'pass';
  return { model: modelName, data: `${data.name} ${data.split}`, images, reference, thresholds, results: ordered, verdict };
}

interface Run extends Omit<EvaluateOptions, 'model' | 'reference'> {
  readonly model: ClassifierModel;
  readonly backend: BackendName;
  readonly session: Session;
  readonly total: number;
  readonly referenceLogits: Float32Array;
  readonly isReference: boolean;
  readonly thresholds: Thresholds;
}

async function runBackend(run: Run): Promise<BackendResult> {
  const { backend, session, model, data, total, referenceLogits, isReference, thresholds } = run;
  const { classes } = model;
  const counts = { images: 0, top1: 0, top5: 0, flips: 0 };
  let differences = noDifference;

  const finish = async (offset: number, labels: Int32Array, pending: ReturnType<Session['run']>) => {
    const logits = (await pending).outputs[model.output]?.data;
    if (logits?.length !== labels.length * classes)
      throw new InputError(
        'onnx',
        `output ${model.output}`,
        `expected ${labels.length * classes} float32 logits, got ${logits?.length ?? 'none'}`,
      );
    counts.images += labels.length;
    counts.top1 += countTopK(logits, labels, classes, 1);
    counts.top5 += countTopK(logits, labels, classes, 5);
    const range = referenceLogits.subarray(offset * classes, (offset + labels.length) * classes);
    if (isReference) range.set(logits);
    else {
      const expected = top1(range, classes);
      counts.flips += top1(logits, classes).filter((c, i) => c !== expected[i]).length;
      differences = addDifference(differences, logits, range);
    }
    run.onLogits?.(backend, offset, logits);
    run.onProgress?.(backend, counts.images, total);
  };

  const start = performance.now();
  const inFlight: Promise<void>[] = [];
  for await (const batch of data.batches(run.backendOptions.batch, 0, total)) {
    if (run.signal?.aborted) break;
    const pending = session.run(new Uint8Array(batch.imagesNCHW), batch.count); // the set uses its buffers again
    const done = finish(batch.offset, batch.labels.slice(), pending);
    done.catch(() => {}); // a failure is thrown where it is awaited, below, even when that is not yet
    inFlight.push(done);
    if (inFlight.length >= IN_FLIGHT) await inFlight.shift();
  }
  await Promise.all(inFlight);
  const seconds = (performance.now() - start) / 1000;

  const { images } = counts;
  const fraction = (count: number) => (images ? count / images : null);
  const compared = isReference || images === 0 ? null : { agreement: 1 - counts.flips / images, relError: relativeError(differences) };
  return {
    backend,
    detail: session.detail,
    images,
    top1: fraction(counts.top1),
    top5: classes > 10 ? fraction(counts.top5) : null,
    agreement: compared?.agreement ?? null,
    flips: compared && counts.flips,
    maxAbsDiff: compared && differences.max,
    meanAbsDiff: compared && differences.sum / differences.count,
    relError: compared?.relError ?? null,
    imagesPerSecond: images ? images / seconds : null,
    loadSeconds: session.loadSeconds,
    peakMemoryBytes: (await session.peakMemoryBytes()) ?? null,
    verdict: isReference ? 'reference' : compared ? judge(compared, thresholds) : 'fail',
  };
}
