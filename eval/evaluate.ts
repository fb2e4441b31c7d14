/** Runs a classifier over a labelled data set on several backends and compares them with a reference backend. */
import { checkDigest } from '../converters/onnx/pack/digest.ts';
import { sampleDigest } from '../src/data/digest.ts';
import { DeviceError } from '../src/errors.ts';
import type { Session } from './backends/backend.ts';
import { probe } from './backends/probe.ts';
import type { Lobby } from './backends/remote/lobby.ts';
import { type BackendName, backendOf } from './backends/table.ts';
import { firstCrops, runCrops } from './crops.ts';
import { type Plan, type PlannedRow, type PlanOptions, planEvaluation } from './plan.ts';
import { type BackendRun, isReference, type Report, rowName, toReport } from './report.ts';
import { type ClassifierModel, readClassifier } from './runtime/model-input.ts';
import { LogitSpool } from './tally/logit-spool.ts';
import { Tally } from './tally/tally.ts';

/** How an evaluation is followed and stopped. */
export interface Watch {
  /** Called for each file that a backend has opened. */
  readonly onOpen?: (backend: BackendName, model: ClassifierModel) => void;
  /** @param row name of the backend, with the file name when two files are compared */
  readonly onProgress?: (row: string, done: number, total: number) => void;
  /** Logits of a batch as they come, shape [count, classes]. */
  readonly onLogits?: (row: string, offset: number, logits: Float32Array) => void;
  /** Stops the evaluation after the batches in flight. */
  readonly signal?: AbortSignal | undefined;
  /** Gets the partial report before an error or an abort is thrown. */
  readonly onPartial?: (report: Report) => void;
  /** Where the devices of remote backends join. */
  readonly lobby?: Lobby | undefined;
  /** If given, a backend that does not work on this machine is skipped and reported here, unless it is the reference. */
  readonly onMissing?: ((backend: BackendName, reason: string) => void) | undefined;
}

export interface EvaluateOptions extends Watch, Omit<PlanOptions, 'model'> {}

/** Batches in flight per backend: one runs while the next is read and copied. */
const IN_FLIGHT = 2;

/**
 * Opens every backend first, so that a missing one is known before any runs; then evaluates one after the other, so that
 * none disturbs the speed of another. Images are streamed, and the logits of the reference are kept in a temporary file,
 * 4 bytes per class and image: memory does not depend on the number of images.
 * @param file bytes of the ONNX file
 * @throws InputError when the file is not a classifier or does not fit the data
 * @throws DeviceError when a backend is not available
 * @throws UsageError when the temporary folder cannot be written
 * @throws `signal.reason` when it is aborted
 * @example
 * const { verdict, results } = await evaluate(file, { data, backends: ['cpu', 'wasm'], limit: 32 });
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
  let dataDigest: string | undefined;
  const report = () => {
    const backends = plan.subject.backends.filter((name) => !missing.has(name));
    return toReport(
      { ...plan.subject, ...(dataDigest !== undefined && { dataDigest }), backends },
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
    if (plan.subject.shard.count > 1) dataDigest = await sampleDigest(plan.data, plan.subject.total);
    referenceLogits = await LogitSpool.open(plan.classes, plan.range.from);
    for (const [row, session] of sessions) {
      runs.set(row, await runRow(row, session, plan, referenceLogits, watch));
      signal?.throwIfAborted();
      sessions.delete(row);
      await session.close(); // frees its memory for the next
    }
    return report();
  } catch (error) {
    if (signal?.aborted || runs.size > 0) watch.onPartial?.(report());
    if (signal?.aborted) throw signal.reason; // Ctrl-C also kills the runtime's process
    throw error;
  } finally {
    await Promise.all([...sessions.values()].map((session) => session.close()));
    await referenceLogits?.close();
  }
}

/** Undefined when the backend is skipped. A working backend that refuses the model is still an error. */
async function openSession(row: PlannedRow, { subject }: Plan, { onMissing, lobby }: Watch): Promise<Session | undefined> {
  const { backend, file, options } = row;
  try {
    return await backendOf(backend).open(file.bytes, file.input, { ...options, lobby });
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
    const done = finish(images.offset, new Uint8Array(images.imagesNCHW), images.labels.slice()); // the data set reuses its buffers
    done.catch(() => {}); // the failure is thrown below, where it is awaited
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
