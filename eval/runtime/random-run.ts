/** Runs a model with any inputs on random values. Safe for browsers. */
import { Float16Array } from '@petamoriken/float16';
import { InputError } from '../../src/errors.ts';
import { elements } from '../../src/formats/shape.ts';
import { MAX_IMAGE_VALUES } from '../../src/network/config.ts';
import { firstLine } from './first-line.ts';
import { generator } from './noise.ts';
import type { Runtime, RuntimeSession, RuntimeTensor } from './runtime.ts';

export type Shapes = Readonly<Record<string, readonly number[]>>;

export interface RandomRun {
  /** Shapes of the random inputs. */
  readonly shapes: Shapes;
  readonly feeds: Readonly<Record<string, RuntimeTensor>>;
  readonly outputs: Readonly<Record<string, RuntimeTensor>>;
  readonly seconds: number;
}

/** Sizes that the user chose: all sizes of an input, by its name, or one size, by the name of a dimension. */
export type Sizes = Readonly<Record<string, readonly number[]>>;

/** Sizes tried, in this order, for dimensions that a file leaves open, other than the first of an input. */
const FREE_SIZES = [32, 224, 64, 128, 16, 8, 4, 1, 256, 512];

/**
 * Runs a model on random inputs: -1 to 1 for floats, 0 and 1 for integers of 16 bits and more (indices valid in every table).
 * @param batch first size of inputs that leave it open
 * @throws InputError when no tried size works
 */
export async function randomRun(runtime: Runtime, session: RuntimeSession, batch: number, sizes: Sizes = {}): Promise<RandomRun> {
  let refused: InputError | undefined;
  const free = freeNames(session, sizes);
  for (const size of free.length > 0 ? FREE_SIZES : [1]) {
    const shapes = inputShapes(session, batch, size, sizes);
    const count = Object.values(shapes).reduce((sum, dims) => sum + elements(dims), 0);
    if (count > MAX_IMAGE_VALUES) {
      refused ??= new InputError('onnx', 'inputs', `expected at most ${MAX_IMAGE_VALUES} values in all, got ${count}`);
      continue;
    }
    const feeds = randomFeeds(runtime, session, shapes);
    try {
      return { shapes, feeds, ...(await timed(session, feeds)) };
    } catch (error) {
      const tried = free.length > 0 ? ` of ${free.join(', ')} = ${FREE_SIZES.join(', ')} (choose others with --shape ${free[0]}=N)` : '';
      refused ??= new InputError('onnx', 'inputs', `expected a model that takes random inputs${tried}, got ${firstLine(error)}`);
    }
  }
  throw refused;
}

/** Seconds of a run on random inputs, and their shapes; each run of the same batch gets the same values. */
export type RandomTimer = (batch: number, sizes?: Sizes) => Promise<{ readonly seconds: number; readonly shapes: Shapes }>;

export function randomTimer(runtime: Runtime, session: RuntimeSession): RandomTimer {
  let first: { readonly batch: number; readonly run: RandomRun } | undefined;
  return async (batch, sizes) => {
    const again = first?.batch === batch ? first.run : undefined;
    const run = again ? { ...again, ...(await timed(session, again.feeds)) } : await randomRun(runtime, session, batch, sizes);
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

/** Whether the file fixes the size; named, unnamed and negative sizes are the caller's to choose. */
function isFixed(size: number | string): size is number {
  return typeof size === 'number' && size >= 0;
}

/** Shapes of the inputs, as the file states them. */
function statedShapes(session: RuntimeSession): (readonly [name: string, dims: readonly (number | string)[]])[] {
  return session.inputMetadata.map((value) => {
    if (value.isTensor) return [value.name, value.shape] as const;
    throw new InputError('onnx', `input ${value.name}`, 'expected a tensor, got a sequence, a map or an optional value');
  });
}

/** A name means one size everywhere: sizes given for dimensions, and sizes from the given shapes of inputs. */
function namedSizes(session: RuntimeSession, sizes: Sizes): Map<string, number> {
  const named = new Map<string, number>();
  for (const [name, dims] of statedShapes(session)) {
    const given = sizes[name];
    if (given && given.length !== dims.length)
      throw new InputError(
        'onnx',
        `input ${name}`,
        `expected ${dims.length} sizes, one for each of [${dims.join(', ')}], got ${given.join('x')}`,
      );
    for (const [axis, size] of dims.entries()) {
      const chosen = given?.[axis] ?? (isFixed(size) ? undefined : sizes[size]?.[0]);
      if (!isFixed(size) && size && chosen !== undefined) named.set(`${size}`, chosen);
    }
  }
  return named;
}

/** What to try several sizes for: names of dimensions, or of inputs whose dimensions have none. */
function freeNames(session: RuntimeSession, sizes: Sizes): string[] {
  const named = namedSizes(session, sizes);
  const leading = leadingNames(session);
  const names = statedShapes(session).flatMap(([name, dims]) =>
    sizes[name]
      ? []
      : dims.flatMap((size, axis) => (isFixed(size) || named.has(`${size}`) ? [] : size ? [`${size}`] : axis > 0 ? [name] : [])),
  );
  return [...new Set(names)].filter((name) => !leading.has(name));
}

/** Names of first dimensions: they count images, rows or sequences. */
function leadingNames(session: RuntimeSession): ReadonlySet<string> {
  return new Set(statedShapes(session).flatMap(([, [first]]) => (typeof first === 'string' && first ? [first] : [])));
}

/** Shapes of all inputs, with `batch` for an open first size and `free` for other open sizes. */
function inputShapes(session: RuntimeSession, batch: number, free: number, sizes: Sizes): Record<string, number[]> {
  const named = namedSizes(session, sizes);
  const leading = leadingNames(session);
  return Object.fromEntries(
    statedShapes(session).map(([name, dims]) => {
      const size = (stated: number | string, axis: number) =>
        isFixed(stated) ? stated : (named.get(`${stated}`) ?? (axis === 0 || leading.has(`${stated}`) ? batch : free));
      return [name, [...(sizes[name] ?? dims.map(size))]];
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
  const fill = fillers[type];
  if (!fill) throw new InputError('onnx', `input ${name}`, `expected numbers or strings, got ${type}`);
  return new Tensor(type as 'float32', fill({ length }, next) as Float32Array, dims);
}

type Next = () => number;
const signed = (next: Next) => () => 2 * next() - 1;
const coin = (next: Next) => () => Number(next() < 0.5);
const bigCoin = (next: Next) => () => BigInt(next() < 0.5 ? 1 : 0);

/** Random values for each type that a runtime takes. float16 is passed as bits. */
const fillers: Readonly<Record<string, (length: { length: number }, next: Next) => ArrayLike<unknown>>> = {
  float32: (length, next) => Float32Array.from(length, signed(next)),
  float64: (length, next) => Float64Array.from(length, signed(next)),
  float16: (length, next) => new Uint16Array(Float16Array.from(length, signed(next)).buffer),
  uint8: (length, next) => Uint8Array.from(length, () => 256 * next()),
  int8: (length, next) => Int8Array.from(length, () => 256 * next() - 128),
  uint16: (length, next) => Uint16Array.from(length, coin(next)),
  int16: (length, next) => Int16Array.from(length, coin(next)),
  int32: (length, next) => Int32Array.from(length, coin(next)),
  uint32: (length, next) => Uint32Array.from(length, coin(next)),
  int64: (length, next) => BigInt64Array.from(length, bigCoin(next)),
  uint64: (length, next) => BigUint64Array.from(length, bigCoin(next)),
  bool: (length, next) => Uint8Array.from(length, coin(next)),
  string: (length, next) => Array.from(length, () => (next() < 0.5 ? 'a' : 'b')),
};
