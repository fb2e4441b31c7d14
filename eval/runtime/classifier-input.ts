/** How a file takes images and where it gives classes. Safe for browsers, and small: it needs no codec. */
import { readMetadataPairs, readSignature } from '../../proto/reader.ts';
import { InputError } from '../../src/errors.ts';
import { elements } from '../../src/formats/shape.ts';
import { MAX_CLASSES, MAX_IMAGE_VALUES } from '../../src/network/config.ts';
import { type InputLayout, type Metadata, readMetadata } from '../../src/network/file-metadata.ts';
import type { ModelInput } from './runtime.ts';

export interface ClassifierInput {
  readonly input: ModelInput;
  /** Name of the output that holds the logits. */
  readonly output: string;
  readonly classes: number;
  /** Metadata of a file that this project wrote. */
  readonly metadata: Metadata | undefined;
}

/**
 * Reads an image classifier: one image input [batch, C, H, W] (float32 or float16) or [batch, H, W, C] (uint8), raw pixels
 * 0..255, and one output [batch, classes].
 * @throws InputError when the file is no ONNX model or takes something else
 */
export function readClassifierInput(bytes: Uint8Array): ClassifierInput {
  const { inputs, outputs } = readSignature(bytes);
  const [image] = inputs;
  const [output] = outputs;
  if (inputs.length !== 1 || !image || !output)
    throw new InputError('onnx', 'graph', `expected one input and an output, got ${inputs.length} inputs`);
  const { name, type, dims } = image;
  if (dims.length !== 4 || dims.slice(1).some((size) => !size)) {
    const got = dims.map((d) => d ?? '?').join(', ');
    throw new InputError('onnx', `input ${name}`, `expected images of a fixed size, [batch, 3, height, width], got [${got}]`);
  }
  const pixelType = pixelTypes[type];
  if (!pixelType) throw new InputError('onnx', `input ${name}`, `expected float32, float16 or uint8, got data type ${type}`);
  const [batch, a = 0, b = 0, c = 0] = dims;
  const metadata = readMetadata(readMetadataPairs(bytes));
  const layout = metadata ? layouts[metadata.input] : likelyLayout(a, c);
  const [channels, height, width] = layout === 'nchw' ? [a, b, c] : [c, a, b];
  const values = elements([batch ?? 1, a, b, c]);
  if (values > MAX_IMAGE_VALUES)
    throw new InputError('onnx', `input ${name}`, `expected at most ${MAX_IMAGE_VALUES} values, got ${values}`);
  const classes = output.dims.at(-1);
  if (!classes) throw new InputError('onnx', `output ${output.name}`, 'expected a fixed number of classes, got none');
  if (classes > MAX_CLASSES)
    throw new InputError('onnx', `output ${output.name}`, `expected at most ${MAX_CLASSES} classes, got ${classes}`);
  const input: ModelInput = { name, type: pixelType, layout, channels, height, width, ...(batch ? { fixedBatch: batch } : {}) };
  return { input, output: output.name, classes, metadata };
}

const layouts: Readonly<Record<InputLayout, ModelInput['layout']>> = { 'nchw-float': 'nchw', 'nhwc-uint8': 'nhwc' };

/** For files that do not state it: at most four channels, and longer sides. */
function likelyLayout(first: number, last: number): ModelInput['layout'] {
  return last <= 4 && first > 4 ? 'nhwc' : 'nchw';
}

/** By the value of TensorProto.DataType. */
const pixelTypes: Readonly<Record<number, ModelInput['type']>> = { 1: 'float32', 2: 'uint8', 10: 'float16' };
