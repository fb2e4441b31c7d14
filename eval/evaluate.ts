/** Runs a classifier over a labelled data set on several backends and compares them with one of them. */
import { checkDigest } from '../converters/onnx/pack/digest.ts';
import { DeviceError } from '../src/errors.ts';
import type { Session } from './backends/backend.ts';
import { probe } from './backends/probe.ts';
import { type BackendName, backends } from './backends/table.ts';
import { firstCrops, runCrops } from './crops.ts';
import { type Plan, type PlannedRow, type PlanOptions, planEvaluation } from './plan.ts';
import { type BackendRun, isReference, type Report, rowName, toReport } from './report.ts';
import { type ClassifierModel, readClassifier } from './runtime/model-input.ts';
import { LogitSpool } from './tally/logit-spool.ts';
import { Tally } from './tally/tally.ts';

/** How an evaluation is followed and stopped. */
export interface Watch {
  /** Called for each file on each backend that takes it. */
  readonly onOpen?: (backend: BackendName, model: ClassifierModel) => void;
  /** @param row its backend, with the file where two are compared */
  readonly onProgress?: (row: string, done: number, total: number) => void;
  /** Logits of a batch as they come, shape [count, classes]. */
  readonly onLogits?: (row: string, offset: number, logits: Float32Array) => void;
  /** Ends the evaluation after the batches under way. */
  readonly signal?: AbortSignal | undefined;
  /** Gets what was found until an error or an abort, before that is thrown. */
  readonly onPartial?: (report: Report) => void;
  /** Given, a backend other than the reference that this machine does not have is left out and named here. */
  readonly onMissing?: ((backend: BackendName, reason: string) => void) | undefined;
}

export interface EvaluateOptions extends Watch, Omit<PlanOptions, 'model'> {}

/** Batches that a backend has at once: one runs while the next is read and copied. */
const IN_FLIGHT = 2;

/**
 * Opens every backend, so that one that is not there is known before any runs; then evaluates one after the other, so
 * that none disturbs the speed of another. Images are streamed; the logits of the reference lie in a temporary file,
 * 4 bytes per class and image: memory does not depend on the number of images.
 * @param file bytes of the ONNX file
 * @throws InputError when the file is no classifier or does not fit the data
 * @throws DeviceError when a backend is not available
 * @throws UsageError when the temporary folder cannot be written
 * @throws `signal.reason` when it is aborted
 * @example
 * const report = await evaluate(file, { data: await openImageSet('cifar-10'), backends: ['cpu', 'wasm'], limit: 500 });
 */
export async function evaluate(file: Uint8Array, options: EvaluateOptions): Promise<Report> {
  const model = readClassifier(file);
  checkDigest(model.proto);
  return runPlan(planEvaluation({ ...options, model }), options);
}

/** Carries out a plan. Throws as `evaluate` does. */
export async function runPlan(plan: Plan, watch: Watch = {}): Promise<Report> {
  const { signal } = watch;
  const sessions = new Map<PlannedRow, Session>();
  const missing = new Set<BackendName>();
  const runs = new Map<PlannedRow, BackendRun>();
  const report = () => {
    const backends = plan.subject.backends.filter((name) => !missing.has(name));
    return toReport(
      { ...plan.subject, backends },
      plan.rows.flatMap((row) => runs.get(row) ?? []),
    );
  };
  let referenceLogits: LogitSpool | undefined;
  try {
    for (const row of [...plan.rows].sort((a, b) => Number(isReference(plan.subject, b)) - Number(isReference(plan.subject, a)))) {
      signal?.throwIfAborted();
      if (missing.has(row.backend)) continue;
      const session = await openSession(row, plan, watch);
      if (!session) {
        missing.add(row.backend);
        continue;
      }
      sessions.set(row, session);
      watch.onOpen?.(row.backend, row.file);
    }
    referenceLogits = await LogitSpool.open(plan.classes, plan.range.from);
    for (const [row, session] of sessions) {
      runs.set(row, await runRow(row, session, plan, referenceLogits, watch));
      signal?.throwIfAborted();
      sessions.delete(row);
      await session.close(); // its memory is free for the next
    }
    return report();
  } catch (error) {
    if (signal?.aborted || runs.size > 0) watch.onPartial?.(report());
    if (signal?.aborted) throw signal.reason; // Ctrl-C reaches the runtime's process, too, which dies of it
    throw error;
  } finally {
    await Promise.all([...sessions.values()].map((session) => session.close()));
    await referenceLogits?.close();
  }
}

/** Undefined when the backend is left out. That a working backend refuses the model is an error all the same. */
async function openSession(row: PlannedRow, { subject }: Plan, { onMissing }: Watch): Promise<Session | undefined> {
  const { backend, file, options } = row;
  try {
    return await backends[backend].open(file.bytes, file.input, options);
  } catch (error) {
    if (!onMissing || backend === subject.reference || !(error instanceof DeviceError)) throw error;
    const availability = await probe(backend, options);
    if (availability.ok) throw error;
    onMissing(backend, availability.reason);
    return undefined;
  }
}

/** @param referenceLogits written by the reference, read by the others */
async function runRow(
  { backend, model, file, options }: PlannedRow,
  session: Session,
  { subject, classes, data, range }: Plan,
  referenceLogits: LogitSpool,
  { signal, onLogits, onProgress }: Watch,
): Promise<BackendRun> {
  const first = isReference(subject, { backend, model });
  const name = rowName(subject, { backend, model });
  const cropOptions = { batch: options.batch, perImage: data.crops ?? 1, shape: data };
  const tally = new Tally(classes);
  let runtimeSeconds = 0;

  const finish = async (offset: number, crops: Uint8Array, labels: Int32Array) => {
    const { logits, seconds } = await runCrops(session, file, crops, cropOptions);
    runtimeSeconds += seconds;
    const reference = first ? undefined : referenceLogits.read(offset, labels.length);
    if (first) referenceLogits.write(offset, logits);
    tally.add({ offset, shape: data, imagesNCHW: firstCrops(crops, cropOptions), labels, logits, reference });
    onLogits?.(name, offset, logits);
    onProgress?.(name, tally.images, range.to - range.from);
  };

  const start = performance.now();
  const inFlight: Promise<void>[] = [];
  for await (const images of data.batches(subject.batch, range.from, range.to)) {
    if (signal?.aborted) break;
    const done = finish(images.offset, new Uint8Array(images.imagesNCHW), images.labels.slice()); // the set uses its buffers again
    done.catch(() => {}); // a failure is thrown where it is awaited, below, even when that is not yet
    inFlight.push(done);
    if (inFlight.length >= IN_FLIGHT) await inFlight.shift();
  }
  await Promise.all(inFlight);
  const seconds = (performance.now() - start) / 1000;
  return {
    backend,
    ...(model === undefined ? {} : { model }),
    detail: session.detail,
    tally,
    seconds,
    runtimeSeconds,
    loadSeconds: session.loadSeconds,
    peakMemoryBytes: (await session.peakMemoryBytes()) ?? null,
  };
}
