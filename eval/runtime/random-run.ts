/** Runs a model of any inputs on random values. Safe for browsers. */
import { InputError } from '../../src/errors.ts';
import { elements } from '../../src/formats/shape.ts';
import { MAX_IMAGE_VALUES } from '../../src/network/config.ts';
import { firstLine } from './first-line.ts';
import { generator } from './noise.ts';
import type { Runtime, RuntimeSession, RuntimeTensor } from './runtime.ts';

export type Shapes = Readonly<Record<string, readonly number[]>>;

export interface RandomRun {
  /** Of the random inputs. */
  readonly shapes: Shapes;
  readonly feeds: Readonly<Record<string, RuntimeTensor>>;
  readonly outputs: Readonly<Record<string, RuntimeTensor>>;
  readonly seconds: number;
}

/** Sizes tried, in this order, for those that a file leaves to the caller, other than the first of an input. */
const FREE_SIZES = [32, 224, 64, 128, 16, 8, 4, 1, 256, 512];

/**
 * Runs a model on random inputs: -1 to 1 for floats, 0 and 1 for 32- and 64-bit integers (indices that every table has).
 * @param batch first size of inputs that leave it to the caller
 * @throws InputError when it takes none of the sizes tried
 */
export async function randomRun(runtime: Runtime, session: RuntimeSession, batch: number): Promise<RandomRun> {
  let refused: InputError | undefined;
  for (const size of FREE_SIZES) {
    const shapes = inputShapes(session, batch, size);
    const count = Object.values(shapes).reduce((sum, dims) => sum + elements(dims), 0);
    if (count > MAX_IMAGE_VALUES) {
      refused ??= new InputError('onnx', 'inputs', `expected at most ${MAX_IMAGE_VALUES} values in all, got ${count}`);
      continue;
    }
    const feeds = randomFeeds(runtime, session, shapes);
    try {
      return { shapes, feeds, ...(await timed(session, feeds)) };
    } catch (error) {
      refused ??= new InputError('onnx', 'inputs', `expected a model that takes random inputs, got ${firstLine(error)}`, { cause: error });
    }
  }
  throw refused;
}

/** Seconds of a run on random inputs, and their shapes; each run of the same batch gets the same values. */
export type RandomTimer = (batch: number) => Promise<{ readonly seconds: number; readonly shapes: Shapes }>;

export function randomTimer(runtime: Runtime, session: RuntimeSession): RandomTimer {
  let first: { readonly batch: number; readonly run: RandomRun } | undefined;
  return async (batch) => {
    const again = first?.batch === batch ? first.run : undefined;
    const run = again ? { ...again, ...(await timed(session, again.feeds)) } : await randomRun(runtime, session, batch);
    for (const value of Object.values(run.outputs)) value.dispose();
    first = { batch, run };
    return { seconds: run.seconds, shapes: run.shapes };
  };
}

async function timed(session: RuntimeSession, feeds: Readonly<Record<string, RuntimeTensor>>) {
  const start = performance.now();
  const outputs = await session.run(feeds);
  return { outputs, seconds: (performance.now() - start) / 1000 };
}

/** Shapes of all inputs, with `batch` for the first size of an input and `free` for others where a file leaves them to the caller. */
function inputShapes(session: RuntimeSession, batch: number, free: number): Record<string, number[]> {
  return Object.fromEntries(
    session.inputMetadata.map((value) => {
      if (!value.isTensor) throw new InputError('onnx', `input ${value.name}`, 'expected a tensor, got a sequence or map');
      const dims = value.shape.map((size, axis) => (typeof size === 'number' && size >= 0 ? size : axis === 0 ? batch : free));
      return [value.name, dims];
    }),
  );
}

function randomFeeds(runtime: Runtime, session: RuntimeSession, shapes: Shapes): Record<string, RuntimeTensor> {
  const next = generator();
  return Object.fromEntries(
    session.inputMetadata.flatMap((value) => {
      const dims = shapes[value.name];
      return value.isTensor && dims ? [[value.name, randomTensor(runtime, value.name, value.type, dims, next)]] : [];
    }),
  );
}

function randomTensor({ Tensor }: Runtime, name: string, type: string, dims: readonly number[], next: () => number): RuntimeTensor {
  const length = elements(dims);
  const coin = () => Number(next() < 0.5);
  const signed = () => 2 * next() - 1;
  switch (type) {
    case 'float32':
      return new Tensor(type, Float32Array.from({ length }, signed), dims);
    case 'float64':
      return new Tensor(type, Float64Array.from({ length }, signed), dims);
    case 'uint8':
      return new Tensor(
        type,
        Uint8Array.from({ length }, () => 256 * next()),
        dims,
      );
    case 'int8':
      return new Tensor(
        type,
        Int8Array.from({ length }, () => 256 * next() - 128),
        dims,
      );
    case 'int32':
      return new Tensor(type, Int32Array.from({ length }, coin), dims);
    case 'int64':
      return new Tensor(
        type,
        BigInt64Array.from({ length }, () => BigInt(coin())),
        dims,
      );
    case 'bool':
      return new Tensor(type, Uint8Array.from({ length }, coin), dims);
    default:
      throw new InputError('onnx', `input ${name}`, `expected numbers, got ${type}`);
  }
}
