/** The proof that two ONNX files compute the same: both run in onnxruntime on the same inputs. */
import { readFile } from 'node:fs/promises';
import * as runtime from 'onnxruntime-node';
import { QUANTIZER_DOMAINS, qonnx } from '../converters/onnx/form-qonnx.ts';
import { decodeModel, encodeModel } from '../proto/onnx.ts';
import type { ImageSet } from '../src/data/image-set.ts';
import { InputError, ParityError } from '../src/errors.ts';
import { MAX_IMAGE_VALUES } from '../src/network/config.ts';
import { elements } from '../src/network/tensor.ts';
import { firstLine } from './backends/runtime-error.ts';
import { addDifference, type Difference, noDifference, relativeError, top1 } from './metrics.ts';
import type { ClassifierModel } from './model-input.ts';
import { generator } from './noise.ts';
import { runBatch } from './page/runtime.ts';
import { defaultThresholds } from './parity.ts';

type Session = runtime.InferenceSession;
type Outputs = runtime.InferenceSession.OnnxValueMapType;

export interface PackVerification {
  /** Of all outputs on random inputs. */
  readonly relError: number;
  readonly maxAbsDiff: number;
  /** Shapes of the random inputs. */
  readonly inputs: Readonly<Record<string, readonly number[]>>;
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

/** Sizes tried, in this order, for those that a file leaves to the caller, other than the first of an input. */
const FREE_SIZES = [32, 224, 64, 128, 16, 8, 4, 1, 256, 512];
const BATCH = 16;

/**
 * Runs both files, named by their paths, on onnxruntime's CPU provider.
 * @throws ParityError when an output differs by more than the threshold of `eval`
 * @throws InputError when the original cannot be run
 */
export async function verifyPack(original: string, packed: string, data?: PackData): Promise<PackVerification> {
  const before = await open(
    original,
    (reason) => new InputError('onnx', original, `expected a model that onnxruntime runs, so that parity can be proved, got ${reason}`),
  );
  try {
    const after = await open(packed, (reason) => new ParityError(`onnxruntime refuses the new file: ${reason}`));
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

const options: runtime.InferenceSession.SessionOptions = { executionProviders: ['cpu'], logSeverityLevel: 4 };

async function open(path: string, refuse: (reason: string) => Error): Promise<Session> {
  try {
    return await runtime.InferenceSession.create(path, options);
  } catch (error) {
    const runnable = await withBipolarQuant(path).catch(() => undefined);
    if (runnable) return runnable;
    throw refuse(firstLine(error));
  }
}

/** A file of the FPGA flows calls BipolarQuant, which a stock runtime does not know: it runs with our function of that name. */
async function withBipolarQuant(path: string): Promise<Session | undefined> {
  const model = decodeModel(await readFile(path));
  const isCalled = (name: string) => model.graph?.node?.some(({ op_type, domain }) => op_type === 'BipolarQuant' && domain === name);
  const isThere = (name: string) => model.functions?.some((f) => f.name === 'BipolarQuant' && f.domain === name);
  const missing = QUANTIZER_DOMAINS.filter((domain) => isCalled(domain) && !isThere(domain));
  if (missing.length === 0) return undefined;
  const opset_import = model.opset_import?.filter(({ domain }) => !domain) ?? [];
  const added = missing.flatMap((domain) => qonnx.functions.map((f) => ({ ...f, domain, opset_import })));
  model.functions = [...(model.functions ?? []), ...added];
  model.ir_version = Math.max(8, Number(model.ir_version));
  return runtime.InferenceSession.create(encodeModel(model), options);
}

type Feeds = Record<string, runtime.Tensor>;

async function compareRandom(before: Session, after: Session): Promise<Omit<PackVerification, 'data'>> {
  let refused: InputError | undefined;
  for (const size of FREE_SIZES) {
    const shapes = inputShapes(before, size);
    const count = Object.values(shapes).reduce((sum, dims) => sum + elements(dims), 0);
    if (count > MAX_IMAGE_VALUES) {
      refused ??= new InputError('onnx', 'inputs', `expected at most ${MAX_IMAGE_VALUES} values in all, got ${count}`);
      continue;
    }
    const feeds = randomFeeds(before, shapes);
    let expected: Outputs;
    try {
      expected = await before.run(feeds);
    } catch (error) {
      refused ??= new InputError('onnx', 'inputs', `expected a model that takes random inputs, got ${firstLine(error)}`);
      continue;
    }
    const got = await runNew(after, feeds);
    const { relError, maxAbsDiff } = difference(expected, got);
    return { relError, maxAbsDiff, inputs: shapes };
  }
  throw refused;
}

async function runNew(session: Session, feeds: Feeds): Promise<Outputs> {
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
    if (!(value instanceof runtime.Tensor) || !(other instanceof runtime.Tensor)) continue;
    if (value.type !== other.type || value.dims.join() !== other.dims.join())
      throw new ParityError(`output ${name} has another type or shape`);
    const found = addDifference(noDifference, ...comparable(other, value));
    const error = check(`output ${name}`, found);
    [relError, maxAbsDiff] = [Math.max(relError, error), Math.max(maxAbsDiff, found.max)];
  }
  return { relError, maxAbsDiff };
}

/** Values as floats; where both hold the same one, e.g. an infinity, 0 stands for an equal pair that has no finite distance. */
function comparable(got: runtime.Tensor, expected: runtime.Tensor): [Float32Array, Float32Array] {
  const [a, b] = [got, expected].map(({ data }) => Array.from(data as ArrayLike<unknown>)) as [unknown[], unknown[]];
  const number = (value: unknown, other: unknown) => {
    if (typeof value === 'string') return Number(value !== other);
    const n = Number(value);
    return Number.isFinite(n) || !Object.is(n, Number(other)) ? n : 0;
  };
  return [Float32Array.from(a, (v, i) => number(v, b[i])), Float32Array.from(b, (v, i) => (typeof v === 'string' ? 0 : number(v, a[i])))];
}

async function compareData(before: Session, after: Session, data: PackData): Promise<NonNullable<PackVerification['data']>> {
  const { images, limit, classifier } = data;
  const { input, output, classes } = classifier;
  let [total, done, equal]: [Difference, number, number] = [noDifference, 0, 0];
  for await (const { imagesNCHW, count } of images.batches(input.fixedBatch ?? BATCH, 0, Math.min(limit, images.length))) {
    const logits = async (session: Session, refuse: (reason: string) => Error) => {
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

/** Shapes of all inputs, with 1 for the first size of an input and `free` for others where a file leaves them to the caller. */
function inputShapes(session: Session, free: number): Record<string, number[]> {
  return Object.fromEntries(
    session.inputMetadata.map((value) => {
      if (!value.isTensor) throw new InputError('onnx', `input ${value.name}`, 'expected a tensor, got a sequence or map');
      const dims = value.shape.map((size, axis) => (typeof size === 'number' && size >= 0 ? size : axis === 0 ? 1 : free));
      return [value.name, dims];
    }),
  );
}

/** Random values for every input: -1 to 1 for floats, 0 and 1 for integers (indices that every table has). */
function randomFeeds(session: Session, shapes: Readonly<Record<string, number[]>>): Feeds {
  const next = generator();
  return Object.fromEntries(
    session.inputMetadata.flatMap((value) => {
      const dims = shapes[value.name];
      return value.isTensor && dims ? [[value.name, randomTensor(value.name, value.type, dims, next)]] : [];
    }),
  );
}

function randomTensor(name: string, type: string, dims: number[], next: () => number): runtime.Tensor {
  const count = elements(dims);
  const coin = () => Number(next() < 0.5);
  const signed = () => 2 * next() - 1;
  switch (type) {
    case 'float32':
      return new runtime.Tensor('float32', Float32Array.from({ length: count }, signed), dims);
    case 'float64':
      return new runtime.Tensor('float64', Float64Array.from({ length: count }, signed), dims);
    case 'uint8':
      return new runtime.Tensor(
        'uint8',
        Uint8Array.from({ length: count }, () => 256 * next()),
        dims,
      );
    case 'int8':
      return new runtime.Tensor(
        'int8',
        Int8Array.from({ length: count }, () => 256 * next() - 128),
        dims,
      );
    case 'int32':
      return new runtime.Tensor('int32', Int32Array.from({ length: count }, coin), dims);
    case 'int64':
      return new runtime.Tensor(
        'int64',
        BigInt64Array.from({ length: count }, () => BigInt(coin())),
        dims,
      );
    case 'bool':
      return new runtime.Tensor('bool', Uint8Array.from({ length: count }, coin), dims);
    default:
      throw new InputError('onnx', `input ${name}`, `expected numbers, got ${type}`);
  }
}
