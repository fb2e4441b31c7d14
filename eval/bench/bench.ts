/**
 * Measures how fast files load and run. All files on all backends run in turn, so that a busy machine slows each equally and
 * neighbours in time can be compared.
 */
import { setTimeout } from 'node:timers/promises';
import { InputError } from '../../src/errors.ts';
import { counted } from '../../src/numbers.ts';
import type { BackendOptions, Session } from '../backends/backend.ts';
import { type BackendName, backendOf } from '../backends/table.ts';
import { readInputs, requireFeedable, requireSizes } from '../runtime/model-input.ts';
import { noise } from '../runtime/noise.ts';
import type { Shapes, Sizes } from '../runtime/random-run.ts';
import type { ModelInput } from '../runtime/runtime.ts';
import { type Quartiles, quartiles } from '../tally/statistics.ts';

export interface BenchFile {
  readonly name: string;
  readonly model: Uint8Array;
}

export interface BenchOptions {
  /** `cpu` alone by default. */
  readonly backends?: readonly BackendName[] | undefined;
  /** Batch sizes, or first size of other inputs; by default the one that the first file fixes, or 8. */
  readonly batches?: readonly number[] | undefined;
  /** Sizes that the files leave to the caller; with these, models that take images get random values, too. */
  readonly sizes?: Sizes | undefined;
  /** Threads for CPU and wasm kernels; undefined, the default: the runtime's own choice. */
  readonly threads?: readonly (number | undefined)[] | undefined;
  /** Timed runs of each file in each setting; 10 by default. */
  readonly runs?: number | undefined;
  readonly backendOptions?: Omit<BackendOptions, 'batch' | 'threads'> | undefined;
  readonly signal?: AbortSignal;
  readonly onProgress?: (setting: string, done: number, total: number) => void;
}

export interface Measurement {
  readonly file: string;
  readonly backend: BackendName;
  readonly batch: number;
  readonly threads: number | null;
  readonly detail: string;
  /** Shapes of the random input for models that take no images; null for those that do. */
  readonly inputs: Shapes | null;
  readonly fileBytes: number;
  /** From bytes to ready, without the time to start a process or a browser. */
  readonly loadSeconds: number;
  readonly firstSeconds: number;
  /** Per run: of the turns. */
  readonly seconds: Quartiles;
  readonly imagesPerSecond: number;
  /** Null when unknown. */
  readonly peakMemoryBytes: number | null;
  /** What the process took before it loaded the runtime and the network, a page without them; null when unknown. */
  readonly idleMemoryBytes: number | null;
  /** Relative to the first file in the same setting: above 1 is faster. */
  readonly speedup: number;
  /** Speed relative to the same file on the first backend, round by round: above 1 is faster. */
  readonly ratio: Quartiles;
  /** Load time and memory relative to the first file. */
  readonly loadRatio: number;
  readonly memoryRatio: number | null;
}

/** After a run, the runtime's threads spin for a while waiting for the next one and would take a core from another file's. */
const SETTLE_MS = 100;
/** A turn: so long does a file run again and again. The first of short runs finds caches and clocks cold. */
const TURN_SECONDS = 0.02;
/** A run may be shorter than what the clock of a page can tell. */
const TICK = 0.0001;
/** After a load, the JavaScript engine goes on optimizing hot code and would slow the load of the next file. */
const COMPILE_MS = 1500;
const BATCH = 8;
const RUNS = 10;
/** Untimed warm-up runs after the first: caches fill, clocks rise. */
const WARM_UP = 1;

/**
 * Measures every file in every setting (backend, threads, batch).
 * @param files the others are compared with the first
 * @throws InputError when a file does not take that batch size or random input; UsageError for a size that belongs to nothing;
 * DeviceError when a backend is not available; `signal.reason` when it is aborted
 * @example
 * const files = [{ name: 'packed', model: file }, { name: 'dense', model: toOnnx(model, { form: 'dense' }) }];
 * for await (const one of bench(files, { backends: ['cpu'], batches: [1], runs: 3 })) console.log(one.file, one.imagesPerSecond);
 */
export async function* bench(files: readonly BenchFile[], options: BenchOptions = {}): AsyncGenerator<Measurement, void, undefined> {
  const { backends = ['cpu'], threads = [undefined], sizes = {} } = options;
  for (const name of backends) backendOf(name);
  let { batches = files.slice(0, 1).map(({ model }) => usualBatch(model)) } = options;
  for (const { name, model } of files) {
    const inputs = readInputs(model);
    requireFeedable(inputs.values);
    requireSizes(inputs.values, sizes);
    const chosen = sizes[inputs.values[0]?.name ?? '']?.[0];
    if (chosen !== undefined) batches = [chosen];
    const fixedBatch = chosen === undefined ? inputs.fixedBatch : undefined;
    for (const batch of batches)
      if (fixedBatch !== undefined && fixedBatch !== batch)
        throw new InputError('onnx', name, `expected any batch size, got the fixed batch size ${fixedBatch}. Use --batch ${fixedBatch}`);
  }
  for (const count of threads) for (const batch of batches) yield* benchTurns(files, options, backends, count, batch);
}

/** Batch size where none is asked for: that which the file fixes, or 8. */
export function usualBatch(model: Uint8Array): number {
  return readInputs(model).fixedBatch ?? BATCH;
}

interface Runner {
  readonly file: BenchFile;
  readonly backend: BackendName;
  readonly session: Session;
  readonly runOnce: () => Promise<{ seconds: number }>;
  readonly inputs: Shapes | null;
  readonly firstSeconds: number;
  readonly times: number[];
}

async function* benchTurns(
  files: readonly BenchFile[],
  { runs = RUNS, sizes, backendOptions, signal, onProgress }: BenchOptions,
  backends: readonly BackendName[],
  threads: number | undefined,
  batch: number,
): AsyncGenerator<Measurement> {
  const setting = [threads && counted(threads, 'thread'), `batch ${batch}`].filter(Boolean).join(', ');
  const runners: Runner[] = [];
  try {
    for (const backend of backends) {
      for (const file of files) {
        if (runners.length > 0) await setTimeout(COMPILE_MS);
        const { images } = sizes ? { images: undefined } : readInputs(file.model);
        const session = await backendOf(backend).open(file.model, images, { ...backendOptions, batch, threads });
        const runOnce = runsOf(session, images, batch, sizes);
        const first = await runOnce().catch(async (error: unknown) => {
          await session.close();
          throw error;
        });
        runners.push({ file, backend, session, runOnce, inputs: first.shapes, firstSeconds: first.seconds, times: [] });
      }
    }
    for (let round = -WARM_UP; round < runs; round++) {
      for (const [i] of runners.entries()) {
        signal?.throwIfAborted();
        // each round begins with another one, so that none always follows the same one
        const runner = runners[(i + round + WARM_UP) % runners.length] as Runner;
        const seconds = await turn(runner);
        await setTimeout(SETTLE_MS);
        if (round >= 0) runner.times.push(seconds);
      }
      onProgress?.(setting, Math.max(0, round + 1), runs);
    }
    const measured = await Promise.all(runners.map((runner) => measure(runner, threads, batch)));
    for (const [i, one] of measured.entries()) {
      const first = measured[i - (i % files.length)] as typeof one;
      const { times } = runners[i % files.length] as Runner;
      yield {
        ...one,
        speedup: first.seconds.median / one.seconds.median,
        ratio: quartiles((runners[i] as Runner).times.map((seconds, round) => (times[round] as number) / seconds)),
        loadRatio: one.loadSeconds / first.loadSeconds,
        memoryRatio: one.peakMemoryBytes && first.peakMemoryBytes ? one.peakMemoryBytes / first.peakMemoryBytes : null,
      };
    }
  } catch (error) {
    // Ctrl-C also kills the runtime's process while it loads
    signal?.throwIfAborted();
    throw error;
  } finally {
    for (const { session } of runners) await session.close();
  }
}

/** The median of the runs of a turn, in seconds. */
async function turn({ runOnce }: Runner): Promise<number> {
  const times: number[] = [];
  for (let spent = 0; spent < TURN_SECONDS; ) {
    const { seconds } = await runOnce();
    times.push(seconds);
    spent += Math.max(seconds, TICK);
  }
  return quartiles(times).median;
}

/** Classifiers get pixels, which every backend converts to its own input; other models get random input. */
function runsOf(session: Session, images: ModelInput | undefined, batch: number, sizes: Sizes | undefined) {
  if (!images) return () => session.time(batch, sizes);
  const pixels = noise(batch * images.channels * images.height * images.width);
  return async () => ({ seconds: (await session.run(pixels, batch)).seconds, shapes: null });
}

async function measure({ file, backend, session, inputs, firstSeconds, times }: Runner, threads: number | undefined, batch: number) {
  const seconds = quartiles(times);
  return {
    file: file.name,
    backend,
    batch,
    threads: threads ?? null,
    detail: session.detail,
    inputs,
    fileBytes: file.model.length,
    loadSeconds: session.loadSeconds,
    firstSeconds,
    seconds,
    imagesPerSecond: batch / seconds.median,
    peakMemoryBytes: (await session.peakMemoryBytes()) ?? null,
    idleMemoryBytes: session.idleMemoryBytes ?? null,
  };
}
