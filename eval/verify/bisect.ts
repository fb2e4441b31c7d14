/** Finds where two runs of a network differ first: compares the output of every layer in order of execution. */

import { flatten } from '../../converters/onnx/layered/flatten.ts';
import { UsageError } from '../../src/errors.ts';
import { layers } from '../../src/network/topology.ts';
import type { BackendOptions } from '../backends/backend.ts';
import { type BackendName, backendOf } from '../backends/table.ts';
import { type ClassifierModel, readClassifier } from '../runtime/model-input.ts';
import type { Output } from '../runtime/runtime.ts';
import { addDifference, noDifference, relativeError } from '../tally/metrics.ts';
import { thresholdsOf } from '../tally/thresholds.ts';
import { withOutputs } from './with-outputs.ts';

/** A file on a backend. */
export interface Side {
  readonly name: string;
  readonly model: Uint8Array;
  readonly backend: BackendName;
}

export interface DecodedSide extends Omit<Side, 'model'> {
  readonly model: ClassifierModel;
}

export interface LayerDifference {
  /** Name of the layer's output; in files of this project the name of the layer. */
  readonly layer: string;
  readonly op: string;
  /** Null when `problem` says why. */
  readonly relError: number | null;
  readonly maxAbsDiff: number | null;
  /** `not finite`: from a NaN or an infinity, or from a layer that is all zeros in A. */
  readonly problem: 'other shape' | 'not finite' | null;
}

export interface Bisection {
  readonly a: string;
  readonly b: string;
  readonly images: number;
  readonly tolerance: number;
  /** Every layer that both sides have, in order of execution. */
  readonly layers: readonly LayerDifference[];
  /** The first layer beyond the tolerance; null when there is none. */
  readonly first: LayerDifference | null;
}

export interface BisectOptions {
  /** Raw pixels 0..255, shape [count, channels, height, width]. */
  readonly imagesNCHW: Uint8Array;
  readonly count: number;
  /** Largest relative error of a layer's output; by default the threshold of the less exact form of the two files. */
  readonly tolerance?: number | undefined;
  readonly backendOptions?: Omit<BackendOptions, 'batch'> | undefined;
}

/**
 * Compares two sides layer by layer. All layers become outputs of the files, so that a runtime cannot fuse across them:
 * an error that only fusion causes is not found.
 * @throws UsageError when the sides share no layer, take images of different shapes, or fix a smaller batch size than `count`
 * @throws DeviceError when a backend is not available
 * @example
 * const batch = { imagesNCHW: new Uint8Array(2 * 28 * 28).fill(128), count: 2 };
 * const dense = toOnnx(model, { form: 'dense' });
 * const sides = [{ name: 'packed', model: file, backend: 'cpu' }, { name: 'dense', model: dense, backend: 'cpu' }] as const;
 * const { first } = await bisect(sides, batch);
 */
export function bisect([a, b]: readonly [Side, Side], options: BisectOptions): Promise<Bisection> {
  const decoded = (side: Side): DecodedSide => ({ ...side, model: readClassifier(side.model) });
  return bisectDecoded(decoded(a), decoded(b), options);
}

/** The same for decoded files. */
export async function bisectDecoded(first: DecodedSide, second: DecodedSide, options: BisectOptions): Promise<Bisection> {
  const [a, b] = [withLayers(first), withLayers(second)];
  const [modelA, modelB] = [a.model, b.model];
  if (imageShape(modelA) !== imageShape(modelB))
    throw new UsageError(`${a.name} takes images of ${imageShape(modelA)}, ${b.name} of ${imageShape(modelB)}: expected the same`);
  const most = Math.min(...[modelA, modelB].map(({ input }) => input.fixedBatch ?? options.count));
  if (options.count > most) throw new UsageError(`expected at most ${most} images, the batch size fixed in a file, got ${options.count}`);
  const tolerance = options.tolerance ?? Math.max(...[modelA, modelB].map(({ metadata }) => thresholdsOf(metadata?.form).relError));
  const namesB = new Set(outputsOf(modelB).map(({ name }) => name));
  const shared = outputsOf(modelA).filter(({ name }) => namesB.has(name));
  if (shared.length === 0) throw new UsageError(`${a.name} and ${b.name} have no layer of the same name`);
  const names = shared.map(({ name }) => name);
  const outputsA = await run(a, names, options);
  const outputsB = await run(b, names, options);
  const compared = shared.flatMap(({ name, op }) => {
    const [x, y] = [outputsA, outputsB].map((outputs) => (Object.hasOwn(outputs, name) ? outputs[name] : undefined));
    return x && y ? [{ layer: name, op, ...compare(x, y) }] : []; // integer outputs are not compared
  });
  if (compared.length === 0) throw new UsageError(`${a.backend} and ${b.backend} return no common layer of ${a.name} and ${b.name}`);
  const differs = compared.find(({ relError }) => relError === null || relError > tolerance) ?? null;
  return {
    a: `${a.name} on ${a.backend}`,
    b: `${b.name} on ${b.backend}`,
    images: options.count,
    tolerance,
    layers: compared,
    first: differs,
  };
}

/** A side with a node for every layer: calls of functions hide those inside. */
function withLayers(side: DecodedSide): DecodedSide {
  return { ...side, model: { ...side.model, proto: flatten(side.model.proto) } };
}

function imageShape({ input: { channels, height, width } }: ClassifierModel): string {
  return `${channels} x ${height} x ${width}`;
}

/** Outputs of the layers, in order: those of the topology in files of this project, every node's in others. */
function outputsOf({ proto, metadata }: ClassifierModel): { name: string; op: string }[] {
  const topology = metadata && new Set(layers(metadata.config).map(({ name }) => name));
  const nodes = (proto.graph?.node ?? []).flatMap(({ output, op_type }) => (output ?? []).map((name) => ({ name, op: op_type ?? '' })));
  return topology ? nodes.filter(({ name }) => topology.has(name)) : nodes.filter(({ name }) => name !== '');
}

async function run(
  { model, backend }: DecodedSide,
  names: readonly string[],
  options: BisectOptions,
): Promise<Readonly<Record<string, Output>>> {
  const backendOptions = { ...options.backendOptions, batch: model.input.fixedBatch ?? options.count };
  const session = await backendOf(backend).open(withOutputs(model.proto, names), model.input, backendOptions);
  try {
    return (await session.run(options.imagesNCHW, options.count)).outputs;
  } finally {
    await session.close();
  }
}

function compare(x: Output, y: Output): Omit<LayerDifference, 'layer' | 'op'> {
  if (x.shape.join() !== y.shape.join()) return { relError: null, maxAbsDiff: null, problem: 'other shape' };
  const difference = addDifference(noDifference, y.data, x.data);
  const relError = finite(relativeError(difference));
  return { relError, maxAbsDiff: finite(difference.max), problem: relError === null ? 'not finite' : null };
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
