/** The inputs and outputs of an ONNX file, read from the file itself. */

import { describeValue, type Value } from '../../converters/inspect/onnx-summary.ts';
import { graphInputs } from '../../converters/onnx/nodes.ts';
import { decodeModel, type ModelProto, type TypeProto, toNumber } from '../../proto/onnx.ts';
import { InputError, UsageError } from '../../src/errors.ts';
import { type Metadata, readMetadata } from '../../src/network/file-metadata.ts';
import { type ClassifierInput, readClassifierInput } from './classifier-input.ts';
import type { Sizes } from './random-run.ts';
import type { ModelInput, Output } from './runtime.ts';

export interface ClassifierModel extends ClassifierInput {
  /** Of the file. */
  readonly bytes: Uint8Array;
  readonly proto: ModelProto;
}

/**
 * Reads an image classifier as `readClassifierInput` does, and decodes it.
 * @throws InputError when the file is no ONNX model or takes something else
 * @example
 * const { input, classes } = readClassifier(file);
 */
export function readClassifier(bytes: Uint8Array): ClassifierModel {
  return { bytes, proto: decodeModel(bytes), ...readClassifierInput(bytes) };
}

/**
 * The logits of `count` images among the outputs of a run.
 * @throws InputError when their number does not fit the file's classes
 */
export function logitsOf(
  outputs: Readonly<Record<string, Output>>,
  { output, classes }: Pick<ClassifierModel, 'output' | 'classes'>,
  count: number,
): Float32Array {
  const logits = outputs[output]?.data;
  if (logits?.length === count * classes) return logits;
  throw new InputError('onnx', `output ${output}`, `expected ${count * classes} float logits, got ${logits?.length ?? 'none'}`);
}

/** How a model of any kind is run: `images` is undefined when it is not an image classifier. */
export interface Inputs {
  readonly images: ModelInput | undefined;
  /** All inputs that the caller feeds. */
  readonly values: readonly Value[];
  /** First size of its inputs, when fixed for every input. */
  readonly fixedBatch: number | undefined;
  /** Metadata of a file that this project wrote. */
  readonly metadata: Metadata | undefined;
}

/** @throws InputError when the file is not an ONNX model, or a damaged one of ours */
export function readInputs(bytes: Uint8Array): Inputs {
  const proto = decodeModel(bytes);
  const sizes = graphInputs(proto).map(({ type }) => shapeOf(type)[0]);
  const fixedBatch = sizes.includes(undefined) ? undefined : sizes[0];
  const metadata = readMetadata(proto.metadata_props);
  const values = graphInputs(proto).map(describeValue);
  try {
    return { images: readClassifierInput(bytes).input, values, fixedBatch, metadata };
  } catch (error) {
    if (error instanceof InputError) return { images: undefined, values, fixedBatch, metadata };
    throw error;
  }
}

/** Sizes of a tensor type; undefined where a size is not fixed: some exporters write -1 there. */
function shapeOf(type: TypeProto | null | undefined): (number | undefined)[] {
  return (type?.tensor_type?.shape?.dim ?? []).map(({ dim_value }) => {
    const size = toNumber(dim_value, 'dim_value');
    return size > 0 ? size : undefined;
  });
}

/** @throws InputError when an input cannot be filled with random values */
export function requireFeedable(values: readonly Value[]): void {
  const stranger = values.find(({ kind }) => kind !== 'tensor');
  if (stranger) throw new InputError('onnx', `input ${stranger.name}`, `expected a tensor, got ${stranger.type}, which cannot be random`);
}

/** @throws UsageError when a size belongs to neither an input nor a dimension */
export function requireSizes(values: readonly Value[], sizes: Sizes): void {
  const known = values.flatMap(({ name, shape }) => [name, ...(shape ?? []).filter((size) => typeof size === 'string')]);
  for (const [name, given] of Object.entries(sizes)) {
    if (!known.includes(name))
      throw new UsageError(`--shape ${name}: expected an input or a dimension (${[...new Set(known)].join(', ')}), got neither`);
    if (given.length !== 1 && !values.some((value) => value.name === name))
      throw new UsageError(`--shape ${name}: expected one size for a dimension, got ${given.join('x')}`);
  }
}
