/**
 * Model to the `fp16` form: activations and all operators in float16, for GPUs that compute it natively (WebGPU with
 * shader-f16, CUDA). One-bit kernels stay bits; they unpack to float32 +-s, rounded to float16 last, because
 * onnxruntime folds these nodes at load with its CPU kernels, which do not multiply in float16.
 *
 * A batch norm's own moments do not fit float16 well: variances of raw pixels are thousands and their squares overflow,
 * and epsilon, 1e-5, is below the smallest normal number, 6.1e-5. So moments, gamma and beta are folded in double
 * precision into y = factor * x + offset, and the two are rounded once.
 */
import { DataType, encodeModel, type ModelProto } from '../../../../proto/onnx.ts';
import type { InputLayout } from '../../../../src/network/file-metadata.ts';
import type { Model } from '../../../../src/network/model.ts';
import { IMAGES, layers, type NormLayer } from '../../../../src/network/topology.ts';
import { Float, type FloatType, floats, Graph } from '../../graph.ts';
import { type SignatureOptions, setSignature } from '../../signature.ts';
import { imagesNCHW, type Lowering, lower, toProto } from '../../write.ts';
import { foldNorm } from '../fold-norm.ts';
import { int8Signs } from '../inline.ts';
import { toFloat } from '../unpack-signs.ts';

export interface Fp16Options extends SignatureOptions {
  /** How the file takes images; `nchw-float` by default. */
  readonly input?: InputLayout | undefined;
  /** Also use float16 for images (unless they are uint8) and logits; by default they are float32, with casts inside. */
  readonly float16Io?: boolean | undefined;
}

/**
 * Encodes a model in float16.
 * @throws InputError when a number of the model exceeds the range of float16
 * @example
 * await writeFile('model-fp16.onnx', toFp16Onnx(model, { float16Io: true }));
 */
export function toFp16Onnx(model: Model, options: Fp16Options = {}): Uint8Array {
  return encodeModel(toFp16Proto(model, options));
}

export function toFp16Proto(model: Model, { input = 'nchw-float', float16Io, ...signature }: Fp16Options = {}): ModelProto {
  const io: FloatType = float16Io ? DataType.FLOAT16 : DataType.FLOAT;
  const graph = new Graph(DataType.FLOAT16);
  const lowering: Lowering = { graph, model, form: bitsToHalf, images: imagesNCHW(graph, input, io) };
  for (const layer of layers(model.config)) {
    if (layer.op === 'norm') lowerNorm(layer, lowering);
    else lower(layer, lowering);
  }
  const proto = toProto(lowering, 'fp16', input, io);
  setSignature(proto, signature);
  return proto;
}

const bitsToHalf: Lowering['form'] = {
  functions: [],
  kernel(graph, name, bits, scale) {
    graph.nodes.push(toFloat(int8Signs(graph, name, bits), `${name}.sign`));
    graph.constant(`${name}.scale`, () => floats(scale.shape, scale.data));
    graph.node('Mul', [`${name}.sign`, `${name}.scale`], `${name}.float`);
    return { weights: graph.node('Cast', [`${name}.float`], `${name}.kernel`, { to: DataType.FLOAT16 }) };
  },
};

/** A batch norm with mean 0, variance 1 and epsilon 0 only multiplies and adds: one operator, without rounding in between. */
function lowerNorm(layer: NormLayer, { graph, model, images }: Lowering): void {
  const [channels] = layer.shape;
  const { factor, offset } = foldNorm(model, layer);
  const vector = (name: string, values: ArrayLike<number>) => graph.floats(name, [channels], Float32Array.from(values));
  const constant = (name: string, value: number) => vector(`${name}.${channels}`, new Float32Array(channels).fill(value));
  const x = layer.inputs.map((name) => (name === IMAGES ? images : name));
  const inputs = [
    ...x,
    vector(`${layer.name}.factor`, factor),
    vector(`${layer.name}.offset`, offset),
    constant('zero', 0),
    constant('one', 1),
  ];
  graph.node('BatchNormalization', inputs, layer.name, { epsilon: new Float(0) });
}
