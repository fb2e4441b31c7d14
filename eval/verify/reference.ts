/**
 * The reference of every export: the topology interpreted layer by layer in this file, from the model's own
 * tensors. Only the convolution itself runs in onnxruntime, one layer at a time, with float32 weights +-s.
 * So a mistake in the lowering, in the unpacking or in a runtime's graph optimizer shows as a difference.
 */
import { Graph } from '../../converters/onnx/graph.ts';
import { DataType, encodeModel } from '../../proto/onnx.ts';
import { elements } from '../../src/formats/shape.ts';
import type { Model } from '../../src/network/model.ts';
import { scaledSigns } from '../../src/network/sign.ts';
import type { Tensor as Parameter } from '../../src/network/tensor.ts';
import { type ConvLayer, IMAGES, type Layer, layers, type PoolLayer, type Shape } from '../../src/network/topology.ts';
import { loadPackage } from '../../src/packages.ts';

/** Activations of a layer for `count` images, shape [count, ...shape]. */
interface Activations {
  readonly shape: Shape;
  readonly data: Float32Array;
}

export interface ReferenceOptions {
  /** Raw pixels 0..255, shape [count, channels, height, width]. */
  readonly imagesNCHW: Uint8Array;
  readonly count: number;
}

/**
 * Logits of a batch.
 * @returns shape [count, classes]
 * @example
 * const logits = await referenceLogits(model, { imagesNCHW: new Uint8Array(28 * 28).fill(128), count: 1 });
 */
export async function referenceLogits(model: Model, { imagesNCHW, count }: ReferenceOptions): Promise<Float32Array> {
  const { channels, height, width } = model.config.input;
  const network = layers(model.config);
  const outputs = new Map<string, Activations>([[IMAGES, { shape: [channels, height, width], data: Float32Array.from(imagesNCHW) }]]);
  const lastUse = new Map(network.flatMap((layer) => layer.inputs.map((input) => [input, layer.name] as const)));
  for (const layer of network) {
    const inputs = layer.inputs.map((name) => outputs.get(name) as Activations);
    const data = layer.op === 'conv' ? await convolve(model, layer, inputs[0] as Activations, count) : compute(model, layer, inputs, count);
    for (const input of layer.inputs) if (lastUse.get(input) === layer.name) outputs.delete(input);
    outputs.set(layer.name, { shape: layer.shape, data });
  }
  return [...outputs.values()].at(-1)?.data as Float32Array;
}

function compute(model: Model, layer: Exclude<Layer, ConvLayer>, inputs: readonly Activations[], count: number): Float32Array {
  const [{ data: x, shape }, second] = inputs as [Activations, Activations | undefined];
  const pixels = shape[1] * shape[2];
  switch (layer.op) {
    case 'norm': {
      const [mean, variance, gamma, beta] = ['mean', 'variance', 'gamma', 'beta'].map(
        (field) => model.tensors.get(`${layer.name}.${field}`)?.data,
      );
      return affine(x, shape, (c) => {
        const factor = (gamma?.[c] ?? 1) / Math.sqrt((variance?.[c] ?? 1) + layer.epsilon);
        return [factor, (beta?.[c] ?? 0) - (mean?.[c] ?? 0) * factor];
      });
    }
    case 'standardize':
      return affine(x, shape, (c) => [1 / (layer.std[c] ?? 1), -(layer.mean[c] ?? 0) / (layer.std[c] ?? 1)]);
    case 'relu':
      return x.map((v) => Math.max(0, v));
    case 'shiftedRelu':
      return x.map((v) => Math.max(-1, v));
    case 'add':
      return x.map((v, i) => v + (second?.data[i] as number));
    case 'divide':
      return x.map((v) => v / layer.divisor);
    case 'widen': {
      const size = elements(shape);
      const wide = new Float32Array(count * elements(layer.shape));
      for (let n = 0; n < count; n++) wide.set(x.subarray(n * size, (n + 1) * size), n * elements(layer.shape));
      return wide;
    }
    case 'globalPool':
      return Float32Array.from({ length: count * shape[0] }, (_, plane) => sum(x, plane * pixels, (plane + 1) * pixels) / pixels);
    case 'averagePool':
    case 'maxPool':
      return pool(layer, inputs[0] as Activations, count);
  }
}

/** factor * x + offset, per channel. */
function affine(
  x: Float32Array,
  [channels, height, width]: Shape,
  of: (channel: number) => readonly [factor: number, offset: number],
): Float32Array {
  const y = new Float32Array(x.length);
  const pixels = height * width;
  for (let plane = 0; plane < x.length / pixels; plane++) {
    const [factor, offset] = of(plane % channels);
    for (let i = plane * pixels; i < (plane + 1) * pixels; i++) y[i] = (x[i] as number) * factor + offset;
  }
  return y;
}

function sum(values: Float32Array, from: number, to: number): number {
  let total = 0;
  for (let i = from; i < to; i++) total += values[i] as number;
  return total;
}

function pool(layer: PoolLayer, { shape, data }: Activations, count: number): Float32Array {
  const [channels, height, width] = shape;
  const [, outHeight, outWidth] = layer.shape;
  const [top, left] = layer.pads;
  const output = new Float32Array(count * elements(layer.shape));
  for (let plane = 0, o = 0; plane < count * channels; plane++) {
    for (let y = 0; y < outHeight; y++) {
      for (let x = 0; x < outWidth; x++, o++) {
        const window: number[] = [];
        for (let ky = y * layer.stride - top; ky < y * layer.stride - top + layer.kernel; ky++) {
          for (let kx = x * layer.stride - left; kx < x * layer.stride - left + layer.kernel; kx++) {
            if (ky >= 0 && ky < height && kx >= 0 && kx < width) window.push(data[(plane * height + ky) * width + kx] as number);
          }
        }
        const divisor = layer.countsPads ? layer.kernel ** 2 : window.length;
        output[o] = layer.op === 'maxPool' ? Math.max(...window) : window.reduce((a, b) => a + b, 0) / divisor;
      }
    }
  }
  return output;
}

/** One convolution in onnxruntime, without graph optimization. */
async function convolve(model: Model, layer: ConvLayer, { shape, data }: Activations, count: number): Promise<Float32Array> {
  const graph = new Graph();
  const { kernel, stride, pads } = layer;
  const dims = [layer.shape[0], layer.inputChannels, kernel, kernel];
  graph.floats('w', dims, floatKernel(model, layer));
  graph.node('Conv', ['x', 'w'], 'y', { kernel_shape: [kernel, kernel], strides: [stride, stride], pads });
  const floatTensor = (name: string) => ({ name, type: { tensor_type: { elem_type: DataType.FLOAT } } });
  const bytes = encodeModel({
    ir_version: 8,
    opset_import: [{ domain: '', version: 17 }],
    graph: { name: layer.name, node: graph.nodes, initializer: graph.initializers, input: [floatTensor('x')], output: [floatTensor('y')] },
  });
  const { InferenceSession, Tensor } = await loadPackage('onnxruntime-node');
  const session = await InferenceSession.create(bytes, { graphOptimizationLevel: 'disabled', enableCpuMemArena: false });
  try {
    const { y } = await session.run({ x: new Tensor('float32', data, [count, ...shape]) });
    return y?.data as Float32Array;
  } finally {
    await session.release();
  }
}

function floatKernel(model: Model, layer: ConvLayer): Float32Array {
  const kernel = model.tensors.get(`${layer.name}.kernel`) as Parameter;
  if (kernel.dtype === 'float32') return kernel.data;
  const scale = model.tensors.get(`${layer.name}.scale`)?.data as Float32Array;
  return scaledSigns(kernel.data, elements(kernel.shape), scale);
}
