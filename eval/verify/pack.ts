/** The proof that two ONNX files compute the same: both run in onnxruntime on the same inputs. */
import { readFile } from 'node:fs/promises';
import { QUANTIZER_DOMAINS, qonnx } from '../../converters/onnx/forms/qonnx.ts';
import { decodeModel, encodeModel } from '../../proto/onnx.ts';
import type { ImageSet } from '../../src/data/dataset.ts';
import { InputError, ParityError } from '../../src/errors.ts';
import { loadPackage } from '../../src/packages.ts';
import { firstLine } from '../runtime/first-line.ts';
import type { ClassifierModel } from '../runtime/model-input.ts';
import { type RandomRun, randomRun, type Shapes } from '../runtime/random-run.ts';
import { type RuntimeSession, type RuntimeTensor, runBatch } from '../runtime/runtime.ts';
import { addDifference, type Difference, noDifference, relativeError, top1 } from '../tally/metrics.ts';
import { defaultThresholds } from '../tally/thresholds.ts';

type Outputs = Readonly<Record<string, RuntimeTensor>>;

export interface PackVerification {
  /** Of all outputs on random inputs. */
  readonly relError: number;
  readonly maxAbsDiff: number;
  /** Shapes of the random inputs. */
  readonly inputs: Shapes;
  /** On images of a data set; null without one. */
  readonly data: { readonly images: number; readonly agreement: number; readonly relError: number; readonly maxAbsDiff: number } | null;
}

/** Labelled images, and how the model takes them. */
export interface PackData {
  readonly images: ImageSet;
  readonly classifier: ClassifierModel;
  readonly limit: number;
  readonly onProgress?: (done: number) => void;
}

const BATCH = 16;

/** A file by its path, as external data needs, or its bytes. */
export type PackFile = string | Uint8Array;

export interface VerifyPackOptions {
  /** The file that `packOnnx` or `unpackOnnx` was given. */
  readonly original: PackFile;
  readonly data?: PackData | undefined;
}

/**
 * Runs a packed or unpacked file and its original on onnxruntime's CPU provider.
 * @throws ParityError when an output differs by more than the threshold of `eval`
 * @throws InputError when the original cannot be run
 */
export async function verifyPack(file: PackFile, { original, data }: VerifyPackOptions): Promise<PackVerification> {
  const before = await open(
    original,
    (reason) =>
      new InputError(
        'onnx',
        typeof original === 'string' ? original : 'file',
        `expected a model that onnxruntime runs, so that parity can be proved, got ${reason}`,
      ),
  );
  try {
    const after = await open(file, (reason) => new ParityError(`onnxruntime refuses the new file: ${reason}`));
    try {
      const random = await compareRandom(before, after);
      return { ...random, data: data ? await compareData(before, after, data) : null };
    } finally {
      await after.release();
    }
  } finally {
    await before.release();
  }
}

const options = { executionProviders: ['cpu'], logSeverityLevel: 4 } as const;

async function open(file: PackFile, refuse: (reason: string) => Error): Promise<RuntimeSession> {
  const runtime = await loadPackage('onnxruntime-node');
  try {
    return await runtime.InferenceSession.create(file as string, options);
  } catch (error) {
    const runnable = await withBipolarQuant(file).catch(() => undefined);
    if (runnable) return runnable;
    throw refuse(firstLine(error));
  }
}

/** A file of the FPGA flows calls BipolarQuant, which a stock runtime does not know: it runs with our function of that name. */
async function withBipolarQuant(file: PackFile): Promise<RuntimeSession | undefined> {
  const model = decodeModel(typeof file === 'string' ? await readFile(file) : file);
  const isCalled = (name: string) => model.graph?.node?.some(({ op_type, domain }) => op_type === 'BipolarQuant' && domain === name);
  const isThere = (name: string) => model.functions?.some((f) => f.name === 'BipolarQuant' && f.domain === name);
  const missing = QUANTIZER_DOMAINS.filter((domain) => isCalled(domain) && !isThere(domain));
  if (missing.length === 0) return undefined;
  const opset_import = model.opset_import?.filter(({ domain }) => !domain) ?? [];
  const added = missing.flatMap((domain) => qonnx.functions.map((f) => ({ ...f, domain, opset_import })));
  model.functions = [...(model.functions ?? []), ...added];
  model.ir_version = Math.max(8, Number(model.ir_version));
  const runtime = await loadPackage('onnxruntime-node');
  return runtime.InferenceSession.create(encodeModel(model), options);
}

async function compareRandom(before: RuntimeSession, after: RuntimeSession): Promise<Omit<PackVerification, 'data'>> {
  const runtime = await loadPackage('onnxruntime-node');
  const { shapes, feeds, outputs } = await randomRun(runtime, before, 1);
  return { ...difference(outputs, await runNew(after, feeds)), inputs: shapes };
}

async function runNew(session: RuntimeSession, feeds: RandomRun['feeds']): Promise<Outputs> {
  try {
    return await session.run(feeds);
  } catch (error) {
    throw cannotRun(firstLine(error));
  }
}

const cannotRun = (reason: string) => new ParityError(`onnxruntime cannot run the new file: ${reason}`);

/** Largest relative error of an output, each compared for itself. */
function difference(expected: Outputs, got: Outputs): { relError: number; maxAbsDiff: number } {
  let [relError, maxAbsDiff] = [0, 0];
  for (const [name, value] of Object.entries(expected)) {
    const other = got[name];
    if (!isTensor(value) || !isTensor(other)) continue;
    if (value.type !== other.type || value.dims.join() !== other.dims.join())
      throw new ParityError(`output ${name} has another type or shape`);
    const found = addDifference(noDifference, ...comparable(other, value));
    const error = check(`output ${name}`, found);
    [relError, maxAbsDiff] = [Math.max(relError, error), Math.max(maxAbsDiff, found.max)];
  }
  return { relError, maxAbsDiff };
}

/** Sequences and maps, which outputs may be too, have no type. */
function isTensor(value: unknown): value is RuntimeTensor {
  return typeof value === 'object' && value !== null && 'dims' in value;
}

/** Values as floats; where both hold the same one, e.g. an infinity, 0 stands for an equal pair that has no finite distance. */
function comparable(got: RuntimeTensor, expected: RuntimeTensor): [Float32Array, Float32Array] {
  const [a, b] = [got, expected].map(({ data }) => Array.from(data as ArrayLike<unknown>)) as [unknown[], unknown[]];
  const number = (value: unknown, other: unknown) => {
    if (typeof value === 'string') return Number(value !== other);
    const n = Number(value);
    return Number.isFinite(n) || !Object.is(n, Number(other)) ? n : 0;
  };
  return [Float32Array.from(a, (v, i) => number(v, b[i])), Float32Array.from(b, (v, i) => (typeof v === 'string' ? 0 : number(v, a[i])))];
}

async function compareData(before: RuntimeSession, after: RuntimeSession, data: PackData): Promise<NonNullable<PackVerification['data']>> {
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
  const relError = check(`logits of ${done} images`, total);
  const agreement = equal / done;
  if (agreement < defaultThresholds.agreement) throw new ParityError(`${done - equal} of ${done} images are decided differently`);
  return { images: done, agreement, relError, maxAbsDiff: total.max };
}

function check(what: string, found: Difference): number {
  const relError = relativeError(found);
  if (!(relError <= defaultThresholds.relError)) {
    throw new ParityError(
      `${what} differs from the original: expected a relative error of at most ${defaultThresholds.relError}, got ${relError}`,
    );
  }
  return relError;
}
