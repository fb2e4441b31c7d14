/** Reads an exported file back to the model, to verify an export and to know a file's topology. */
import { decodeModel, type ModelProto, type TensorProto } from '../../proto/onnx.ts';
import { InputError } from '../../src/errors.ts';
import { elements } from '../../src/formats/shape.ts';
import { readMetadata } from '../../src/network/file-metadata.ts';
import { checkModel, type Model } from '../../src/network/model.ts';
import { packedLength } from '../../src/network/sign.ts';
import { bitTensor, floatTensor, type Tensor } from '../../src/network/tensor.ts';
import { layers, parametersOf } from '../../src/network/topology.ts';
import { forms } from './forms/table.ts';
import { bytesOf, checkShape, dimsOf, floatsOf } from './initializer.ts';
import { storedNumbers } from './layered/stored.ts';

/**
 * Reads a file of any of our forms.
 * @throws InputError when the file was not written by this project or lacks a parameter.
 * @example
 * const { config, tensors, about } = readOnnxModel(await readFile('model.onnx'));
 */
export function readOnnxModel(bytes: Uint8Array): Model {
  return fromOnnx(decodeModel(bytes));
}

export function fromOnnx(proto: ModelProto): Model {
  const metadata = readMetadata(proto.metadata_props);
  if (!metadata) throw new InputError('onnx', 'metadata', 'expected a file exported by wrn-onnx, got none of its metadata');
  const { config, about, form } = metadata;
  if (!Object.hasOwn(forms, form)) {
    const known = Object.keys(forms).join(', ');
    throw new InputError('onnx', 'metadata wrn.form', `expected a form that keeps every number (${known}), got ${form}. Use its source`);
  }
  const initializers = storedNumbers(proto);
  const read = metadata.version === 2 ? readLayeredKernel : readKernel;
  const tensors = new Map<string, Tensor>();
  for (const layer of layers(config)) {
    const [first, second] = parametersOf(layer, config);
    if (first?.dtype === 'bits' && second) {
      const { bits, scale } = read(initializers, layer.name, first.shape);
      tensors.set(first.name, bitTensor(first.shape, bits)).set(second.name, floatTensor(second.shape, perChannel(scale, second.shape)));
      continue;
    }
    for (const { name, shape } of parametersOf(layer, config)) {
      const tensor = initializers.get(name);
      if (!tensor) continue; // checkModel reports what is missing
      checkShape(name, dimsOf(tensor), shape);
      tensors.set(name, floatTensor(shape, floatsOf(tensor)));
    }
  }
  return checkModel({ config, about, tensors }, 'onnx');
}

function readKernel(initializers: ReadonlyMap<string, TensorProto>, name: string, shape: readonly number[]) {
  for (const form of Object.values(forms)) {
    const found = form.read(initializers, name, shape);
    if (found) return found;
  }
  throw new InputError('onnx', name, 'expected the weights of this convolution in one of our forms, got nothing');
}

/** Version 2 stores no shapes beside the bits: the topology has them. */
function readLayeredKernel(stored: ReadonlyMap<string, TensorProto>, name: string, shape: readonly number[]) {
  const [bits, scale] = ['bits', 'scale'].map((field) => stored.get(`${name}.${field}`));
  if (!bits || !scale) throw new InputError('onnx', name, 'expected the bits and the scale of this convolution, got nothing');
  const [data, length] = [bytesOf(bits), packedLength(elements(shape))];
  if (data.length !== length) throw new InputError('onnx', `tensor ${name}.bits`, `expected ${length} bytes, got ${data.length}`);
  return { bits: data, scale: floatsOf(scale) };
}

/** A dense file cannot distinguish one scale per layer from equal scales per channel; the configuration can. */
function perChannel(scale: Float32Array, shape: readonly number[]): Float32Array {
  const [channels] = shape;
  return channels !== undefined && scale.length === 1 ? new Float32Array(channels).fill(scale[0] as number) : scale;
}
