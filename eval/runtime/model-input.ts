/** The inputs and outputs of an ONNX file, read from the file itself. */

import { describeValue, type Value } from '../../converters/inspect/onnx-summary.ts';
import { graphInputs } from '../../converters/onnx/graph-inputs.ts';
import { typeName } from '../../converters/onnx/initializer.ts';
import { DataType, decodeModel, type ModelProto, type TypeProto, toNumber } from '../../proto/onnx.ts';
import { InputError, UsageError } from '../../src/errors.ts';
import { elements } from '../../src/formats/shape.ts';
import { MAX_CLASSES, MAX_IMAGE_VALUES } from '../../src/network/config.ts';
import { type InputLayout, type Metadata, readMetadata } from '../../src/network/file-metadata.ts';
import type { Sizes } from './random-run.ts';
import type { ModelInput, Output } from './runtime.ts';

export interface ClassifierModel {
  /** Bytes of the file. */
  readonly bytes: Uint8Array;
  readonly proto: ModelProto;
  readonly input: ModelInput;
  /** Name of the output that holds the logits. */
  readonly output: string;
  readonly classes: number;
  /** What the file says of itself when this project wrote it. */
  readonly metadata: Metadata | undefined;
}

/**
 * Reads an image classifier: one image input [batch, C, H, W] (float32 or float16) or [batch, H, W, C] (uint8), raw pixels
 * 0..255, and one output [batch, classes].
 * @throws InputError when the file is not an ONNX model, or not such a classifier
 */
export function readClassifier(bytes: Uint8Array): ClassifierModel {
  return classifierOf(bytes, decodeModel(bytes));
}

function classifierOf(bytes: Uint8Array, proto: ModelProto): ClassifierModel {
  const inputs = graphInputs(proto);
  const [image] = inputs;
  const output = proto.graph?.output?.[0];
  if (inputs.length !== 1 || !image || !output)
    throw new InputError('onnx', 'graph', `expected one input and an output, got ${inputs.length} inputs`);
  const dims = shapeOf(image.type);
  const type = image.type?.tensor_type?.elem_type;
  if (dims.length !== 4 || dims.slice(1).some((size) => !size)) {
    throw new InputError(
      'onnx',
      `input ${image.name}`,
      `expected images of a fixed size, [batch, 3, height, width], got [${dims.map((d) => d ?? '?').join(', ')}]`,
    );
  }
  const pixelType = pixelTypes.get(type);
  if (!pixelType) throw new InputError('onnx', `input ${image.name}`, `expected float32, float16 or uint8, got ${typeName(type)}`);
  const [batch, a = 0, b = 0, c = 0] = dims;
  const metadata = readMetadata(proto.metadata_props);
  const layout = metadata ? layouts[metadata.input] : likelyLayout(a, c);
  const [channels, height, width] = layout === 'nchw' ? [a, b, c] : [c, a, b];
  const values = elements([batch ?? 1, a, b, c]);
  if (values > MAX_IMAGE_VALUES)
    throw new InputError('onnx', `input ${image.name}`, `expected at most ${MAX_IMAGE_VALUES} values, got ${values}`);
  const classes = shapeOf(output.type).at(-1);
  if (!classes) throw new InputError('onnx', `output ${output.name}`, 'expected a fixed number of classes, got none');
  if (classes > MAX_CLASSES)
    throw new InputError('onnx', `output ${output.name}`, `expected at most ${MAX_CLASSES} classes, got ${classes}`);
  const name = image.name ?? '';
  const input: ModelInput = {
    name,
    type: pixelType,
    layout,
    channels,
    height,
    width,
    ...(batch ? { fixedBatch: batch } : {}),
  };
  return { bytes, proto, input, output: output.name ?? '', classes, metadata };
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
  /** What the file says of itself when this project wrote it. */
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
    return { images: classifierOf(bytes, proto).input, values, fixedBatch, metadata };
  } catch (error) {
    if (error instanceof InputError) return { images: undefined, values, fixedBatch, metadata };
    throw error;
  }
}

const layouts: Readonly<Record<InputLayout, ModelInput['layout']>> = { 'nchw-float': 'nchw', 'nhwc-uint8': 'nhwc' };

/** Files of other projects do not say: assume at most four channels and longer sides. */
function likelyLayout(first: number, last: number): ModelInput['layout'] {
  return last <= 4 && first > 4 ? 'nhwc' : 'nchw';
}

const pixelTypes = new Map<number | null | undefined, ModelInput['type']>([
  [DataType.FLOAT, 'float32'],
  [DataType.FLOAT16, 'float16'],
  [DataType.UINT8, 'uint8'],
]);

/** Sizes of a tensor type; undefined for a size that is not fixed; some exporters write -1 there. */
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
