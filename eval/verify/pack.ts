/** Verifies that two ONNX files compute the same: runs both in onnxruntime on the same inputs. */
import { readFile } from 'node:fs/promises';
import { Float16Array } from '@petamoriken/float16';
import type { Value } from '../../converters/inspect/onnx-summary.ts';
import type { ReadExternal } from '../../converters/onnx/external-data.ts';
import { flatten } from '../../converters/onnx/layered/flatten.ts';
import type { Packed } from '../../converters/onnx/pack/pack.ts';
import { WEIGHTS, weightModels } from '../../converters/onnx/pack/weight-models.ts';
import { DataType, decodeModel, encodeModel, type ModelProto } from '../../proto/onnx.ts';
import type { ImageSet } from '../../src/data/dataset.ts';
import { InputError, ParityError } from '../../src/errors.ts';
import { loadPackage } from '../../src/packages.ts';
import { firstLine } from '../runtime/first-line.ts';
import { type ClassifierModel, readInputs, requireSizes } from '../runtime/model-input.ts';
import { type RandomRun, randomRun, type Shapes, type Sizes } from '../runtime/random-run.ts';
import { type RuntimeSession, type RuntimeTensor, runBatch } from '../runtime/runtime.ts';
import { addDifference, type Difference, noDifference, relativeError, top1 } from '../tally/metrics.ts';
import { defaultThresholds } from '../tally/thresholds.ts';
import { withQuantizers } from './quantizers.ts';

type Outputs = Readonly<Record<string, RuntimeTensor>>;

export interface PackVerification {
  /** Every packed weight, as onnxruntime computes it from both files; all signs are equal. */
  readonly weights: WeightComparison;
  /** Largest error of the outputs on random inputs; null when they were not compared, see `unproven`. */
  readonly relError: number | null;
  readonly maxAbsDiff: number | null;
  /** Shapes of the random inputs. */
  readonly inputs: Shapes;
  /** True when outputs agree only with onnxruntime's optimizer off, because it runs the original in fewer bits (8-bit products). */
  readonly asWritten?: boolean;
  /** Why outputs were not compared: the model is random, or takes inputs that cannot be random. */
  readonly unproven?: string;
  /** On images of a data set; null without one. */
  readonly data: { readonly images: number; readonly agreement: number; readonly relError: number; readonly maxAbsDiff: number } | null;
}

export interface WeightComparison {
  readonly count: number;
  /** Largest relative difference of a weight; 0 is bit for bit. */
  readonly difference: number;
}

/** Labelled images, and how the model takes them. */
export interface PackData {
  readonly images: ImageSet;
  readonly classifier: ClassifierModel;
  readonly limit: number;
  readonly onProgress?: (done: number) => void;
}

const BATCH = 16;

/** A file: its path, needed for external data, or its bytes. */
export type PackFile = string | Uint8Array;

export interface VerifyPackOptions {
  /** The input file of `packOnnx` or `unpackOnnx`. */
  readonly original: PackFile;
  /** The weights that `packOnnx` packed; they are compared one by one. */
  readonly packed?: readonly Pick<Packed, 'tensor' | 'layer' | 'error'>[] | undefined;
  /** Reads the external data of the original. */
  readonly read?: ReadExternal | undefined;
  /** Sizes of inputs that the model leaves open. */
  readonly sizes?: Sizes | undefined;
  readonly data?: PackData | undefined;
}

/**
 * Compares the weights of a packed or unpacked file with those of its original, one by one, then runs both on onnxruntime's CPU provider.
 * @throws ParityError when a sign differs, or a weight or an output differs by more than the tolerance and the threshold of `eval`
 * @throws InputError when the original cannot be run
 * @example
 * const original = toOnnx(model, { form: 'dense' });
 * const { model: file, packed } = packOnnx(original);
 * const { relError } = await verifyPack(file, { original, packed });
 */
export async function verifyPack(
  file: PackFile,
  { original, data, packed = [], read, sizes }: VerifyPackOptions,
): Promise<PackVerification> {
  const [before, after] = await Promise.all([bytesOf(original), bytesOf(file)]);
  const weights = await compareWeights(flatten(decodeModel(before)), flatten(decodeModel(after)), packed, read);
  const first = await open(
    original,
    (reason) =>
      new InputError(
        'onnx',
        typeof original === 'string' ? original : 'file',
        `expected a model that onnxruntime runs, to verify parity, got ${reason}`,
      ),
  );
  try {
    const second = await open(file, (reason) => new ParityError(`onnxruntime refuses the new file: ${reason}`));
    try {
      const threshold = Math.max(defaultThresholds.relError, 10 * Math.max(0, ...packed.map(({ error }) => error)));
      const random = await compareRandom(first, second, {
        original,
        file,
        values: readInputs(before).values,
        sizes,
        threshold,
      });
      return { weights, ...random, data: data ? await compareData(first, second, data, threshold) : null };
    } finally {
      await second.release();
    }
  } finally {
    await first.release();
  }
}

/** Allowed difference of a scale that the file computes: runtimes sum a mean in different orders. */
const ROUNDING = new Map<number, number>([
  [DataType.FLOAT16, 2 ** -9],
  [DataType.BFLOAT16, 2 ** -6],
]);
const FLOAT_ROUNDING = 1e-5;

async function compareWeights(
  before: ModelProto,
  after: ModelProto,
  packed: NonNullable<VerifyPackOptions['packed']>,
  read: ReadExternal | undefined,
): Promise<WeightComparison> {
  const about = new Map(packed.map((row) => [row.tensor, row]));
  const news = weightModels(after, new Set(about.keys()), undefined);
  let [count, difference, compared] = [0, 0, 0];
  for (const one of weightModels(before, new Set(about.keys()), read)) {
    const row = about.get(one.tensor);
    const other = news.next().value;
    if (!row || other?.tensor !== one.tensor) throw new ParityError(`${one.tensor}: expected these weights in the new file, got none`);
    const expected = await weightsOf(
      one.model,
      (reason) => new InputError('onnx', row.layer, `expected weights that onnxruntime computes, got ${reason}`),
    );
    const got = await weightsOf(other.model, cannotRun);
    if (got.length !== expected.length) throw new ParityError(`weights of ${row.layer}: expected ${expected.length}, got ${got.length}`);
    const negative = (w: number) => w < 0 || Object.is(w, -0);
    let flipped = 0;
    let largest = 0;
    for (let i = 0; i < expected.length; i++) {
      const [a, b] = [expected[i] as number, got[i] as number];
      if (negative(a) !== negative(b)) flipped++;
      if (a !== b) largest = Math.max(largest, Math.abs(a - b) / Math.abs(a));
    }
    if (flipped > 0)
      throw new ParityError(`weights of ${row.layer}: expected the signs of the original, got ${flipped} of ${got.length} different`);
    const allowed = row.error * 1.001 + (ROUNDING.get(one.type) ?? FLOAT_ROUNDING);
    if (!(largest <= allowed))
      throw new ParityError(`weights of ${row.layer}: expected a difference of at most ${allowed}, got ${largest}`);
    [count, difference, compared] = [count + got.length, Math.max(difference, largest), compared + 1];
  }
  if (compared < packed.length) throw new ParityError(`expected ${packed.length} layers to compare, got ${compared}`);
  return { count, difference };
}

async function weightsOf(model: ModelProto, refuse: (reason: string) => Error): Promise<Float32Array | Float64Array> {
  const session = await open(encodeModel(model), refuse);
  try {
    const outputs = await session.run({});
    return outputs[WEIGHTS]?.data as Float32Array | Float64Array;
  } finally {
    await session.release();
  }
}

const options = { executionProviders: ['cpu'], logSeverityLevel: 4 } as const;

async function bytesOf(file: PackFile): Promise<Uint8Array> {
  return typeof file === 'string' ? readFile(file) : file;
}

async function open(file: PackFile, refuse: (reason: string) => Error): Promise<RuntimeSession> {
  try {
    return await create(file);
  } catch (error) {
    throw refuse(firstLine(error));
  }
}

/** A file for FPGA flows calls quantizers, unknown to stock runtimes: local functions of these names make it run. */
async function create(source: PackFile, more: PlainOptions = {}): Promise<RuntimeSession> {
  const { InferenceSession } = await loadPackage('onnxruntime-node');
  const sessionOptions = { ...options, ...more };
  const load = (from: PackFile): Promise<RuntimeSession> =>
    typeof from === 'string' ? InferenceSession.create(from, sessionOptions) : InferenceSession.create(from, sessionOptions);
  try {
    return await load(source);
  } catch (error) {
    const runnable = withQuantizers(decodeModel(await bytesOf(source)));
    if (!runnable) throw error;
    return load(encodeModel(runnable));
  }
}

interface PlainOptions {
  readonly graphOptimizationLevel?: 'disabled';
}

interface RandomChoice {
  readonly original: PackFile;
  readonly file: PackFile;
  readonly values: readonly Value[];
  readonly sizes: Sizes | undefined;
  readonly threshold: number;
}

async function compareRandom(
  before: RuntimeSession,
  after: RuntimeSession,
  { original, file, values, sizes, threshold }: RandomChoice,
): Promise<Omit<PackVerification, 'data' | 'weights'>> {
  const unproven = (why: string, inputs: Shapes = {}) => ({ relError: null, maxAbsDiff: null, inputs, unproven: why });
  const stranger = values.find(({ kind }) => kind !== 'tensor');
  if (stranger) return unproven(`input ${stranger.name} is ${stranger.type}, which cannot be random`);
  requireSizes(values, sizes ?? {});
  const { shapes, feeds, outputs } = await randomRun(await loadPackage('onnxruntime-node'), before, 1, sizes);
  const got = await runNew(after, feeds);
  try {
    return { ...difference(outputs, got, threshold), inputs: shapes };
  } catch (error) {
    if (!isAlike(outputs, await before.run(feeds)))
      return unproven('the model is not deterministic: two runs of the original on the same inputs differ', shapes);
    const [plain, plainNew] = [await runAsWritten(original, feeds), await runAsWritten(file, feeds)];
    if (isAlike(plain, outputs)) throw error; // the optimizer does not cause the difference
    return { ...difference(plain, plainNew, threshold), inputs: shapes, asWritten: true };
  }
}

/** Runs a file without onnxruntime's optimizer. */
async function runAsWritten(file: PackFile, feeds: RandomRun['feeds']): Promise<Outputs> {
  const session = await create(file, { graphOptimizationLevel: 'disabled' });
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

function isAlike(a: Outputs, b: Outputs): boolean {
  try {
    difference(a, b, defaultThresholds.relError);
    return true;
  } catch {
    return false;
  }
}

async function runNew(session: RuntimeSession, feeds: RandomRun['feeds']): Promise<Outputs> {
  try {
    return await session.run(feeds);
  } catch (error) {
    throw cannotRun(firstLine(error));
  }
}

const cannotRun = (reason: string) => new ParityError(`onnxruntime cannot run the new file: ${reason}`);

/** Largest relative error of any output, each compared separately. */
function difference(expected: Outputs, got: Outputs, threshold: number): { relError: number; maxAbsDiff: number } {
  let [relError, maxAbsDiff] = [0, 0];
  for (const [name, value] of Object.entries(expected)) {
    const other = got[name];
    if (!isTensor(value) || !isTensor(other)) continue;
    if (value.type !== other.type || value.dims.join() !== other.dims.join())
      throw new ParityError(`output ${name} has another type or shape`);
    const found = addDifference(noDifference, ...comparable(other, value));
    const error = check(`output ${name}`, found, threshold);
    [relError, maxAbsDiff] = [Math.max(relError, error), Math.max(maxAbsDiff, found.max)];
  }
  return { relError, maxAbsDiff };
}

/** Outputs may also be sequences and maps, which have no type. */
function isTensor(value: unknown): value is RuntimeTensor {
  return typeof value === 'object' && value !== null && 'dims' in value;
}

/** Values as floats; 0 replaces equal pairs that have no finite distance, such as two infinities. */
function comparable(got: RuntimeTensor, expected: RuntimeTensor): [Float32Array, Float32Array] {
  const values = ({ type, data }: RuntimeTensor): ArrayLike<unknown> =>
    type === 'float16' ? halves(data as Uint16Array) : (data as Float32Array);
  const [a, b] = [got, expected].map((tensor) => Array.from(values(tensor))) as [unknown[], unknown[]];
  const number = (value: unknown, other: unknown) => {
    if (typeof value === 'string') return Number(value !== other);
    const n = Number(value);
    return Number.isFinite(n) || !Object.is(n, Number(other)) ? n : 0;
  };
  return [Float32Array.from(a, (v, i) => number(v, b[i])), Float32Array.from(b, (v, i) => (typeof v === 'string' ? 0 : number(v, a[i])))];
}

/** Runtimes return float16 as bits when JavaScript has no Float16Array. */
function halves(data: Uint16Array): ArrayLike<number> {
  return data instanceof Uint16Array ? new Float16Array(data.slice().buffer) : data;
}

async function compareData(
  before: RuntimeSession,
  after: RuntimeSession,
  data: PackData,
  threshold: number,
): Promise<NonNullable<PackVerification['data']>> {
  const { images, limit, classifier } = data;
  const { input, output, classes } = classifier;
  const runtime = await loadPackage('onnxruntime-node');
  let [total, done, equal]: [Difference, number, number] = [noDifference, 0, 0];
  for await (const { imagesNCHW, count } of images.batches(input.fixedBatch ?? BATCH, 0, Math.min(limit, images.length))) {
    const logits = async (session: RuntimeSession, refuse: (reason: string) => Error) => {
      const { outputs } = await runBatch(runtime, session, input, imagesNCHW, count).catch((error: unknown) => {
        throw refuse(firstLine(error));
      });
      const values = outputs[output]?.data;
      if (!values) throw new InputError('onnx', `output ${output}`, 'expected float32 logits, got another type');
      return values;
    };
    const expected = await logits(
      before,
      (reason) => new InputError('onnx', `input ${input.name}`, `expected a model that takes ${count} images at once, got ${reason}`),
    );
    const got = await logits(after, cannotRun);
    total = addDifference(total, got, expected);
    const classesBefore = top1(expected, classes);
    equal += top1(got, classes).filter((label, i) => label === classesBefore[i]).length;
    done += count;
    data.onProgress?.(done);
  }
  const relError = check(`logits of ${done} images`, total, threshold);
  const agreement = equal / done;
  if (agreement < defaultThresholds.agreement) throw new ParityError(`${done - equal} of ${done} images are decided differently`);
  return { images: done, agreement, relError, maxAbsDiff: total.max };
}

function check(what: string, found: Difference, threshold: number): number {
  const relError = relativeError(found);
  if (!(relError <= threshold)) {
    throw new ParityError(`${what} differs from the original: expected a relative error of at most ${threshold}, got ${relError}`);
  }
  return relError;
}
