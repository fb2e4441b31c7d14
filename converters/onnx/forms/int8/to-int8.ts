/**
 * Model to the `int8` form: one-bit kernels as int8 +-1, activations between them as uint8, in the standard QDQ form
 * (QuantizeLinear and DequantizeLinear around float operators), which runtimes with integer kernels run in integers.
 * Shortcuts and their sums stay float32; so do the first and the last convolution.
 * `int8-amx` is the same with kernels of {0, 2} behind a zero point of 1: onnxruntime uses AMX only where it is not 0.
 */
import { DataType, encodeModel, type ModelProto, type TensorProto } from '../../../../proto/onnx.ts';
import { requireChoice } from '../../../../src/choice.ts';
import type { InputLayout } from '../../../../src/network/file-metadata.ts';
import type { Model } from '../../../../src/network/model.ts';
import type { BitTensor, FloatTensor } from '../../../../src/network/tensor.ts';
import { layers } from '../../../../src/network/topology.ts';
import { Graph } from '../../graph.ts';
import { type SignatureOptions, setSignature } from '../../signature.ts';
import { imagesNCHW, type Lowering, lower, toProto } from '../../write.ts';
import { foldNorm } from '../fold-norm.ts';
import { castless, inline, int8Signs, type StoredSigns } from '../inline.ts';
import { indicesNames } from '../unpack-signs.ts';
import { type Int8Plan, type IntegerConv, planInt8 } from './plan.ts';
import { type Quantization, quantizationOf, type Range } from './quantization.ts';

/** Range of every tensor that `planInt8` names. */
export type Ranges = ReadonlyMap<string, Range>;

export interface Int8ExportOptions extends StoredSigns, SignatureOptions {
  /** The result of `calibrate`. */
  readonly ranges: Ranges;
  /** How the file takes images; `nchw-float` by default. */
  readonly input?: InputLayout | undefined;
}

/**
 * Encodes a model with 8-bit activations.
 * @throws InputError when the network has no one-bit weights, or a range is empty
 * @example
 * const int8 = toInt8Onnx(model, { ranges: await calibrate(model, { data, images: 32 }) });
 */
export function toInt8Onnx(model: Model, options: Int8ExportOptions): Uint8Array {
  return encodeModel(toInt8Proto(model, options));
}

export function toInt8Proto(model: Model, { ranges, input = 'nchw-float', batch, inputName, ...signs }: Int8ExportOptions): ModelProto {
  requireChoice('indices', signs.indices ?? 'cast', indicesNames);
  const plan = planInt8(model);
  const quantizations = quantizationsOf(plan, ranges);
  const graph = new Graph();
  const lowering: Lowering = { graph, model, form: signs.indices === 'product' ? castless : inline, images: imagesNCHW(graph, input) };
  for (const layer of layers(model.config)) {
    const conv = plan.convs.get(layer.name);
    if (conv) lowerConv(conv, lowering, quantizations, plan.folded, signs);
    else if (!plan.folded.has(layer.name)) lower(layer, lowering);
  }
  const proto = toProto(lowering, signs.zeroPoint === 1 ? 'int8-amx' : 'int8', input);
  setSignature(proto, { batch, inputName });
  return proto;
}

/** By the name of the tensor, in order of execution. */
export function quantizationsOf({ tensors }: Int8Plan, ranges: Ranges): ReadonlyMap<string, Quantization> {
  return new Map(tensors.map((tensor) => [tensor.name, quantizationOf(tensor, ranges.get(tensor.name) as Range)]));
}

function lowerConv(
  { layer, input, folded }: IntegerConv,
  { graph, model }: Lowering,
  quantizations: ReadonlyMap<string, Quantization>,
  allFolded: ReadonlySet<string>,
  stored: StoredSigns,
): void {
  const { name, kernel, stride, pads } = layer;
  const of = (tensor: string) => quantizations.get(tensor) as Quantization;
  // An activation absorbed by a convolution is 8-bit already.
  const x = allFolded.has(input) ? input : quantize(graph, input, input, of(input), `${input}.dq`);
  const inputScale = of(input).scale;
  const { scale, bias } = scaleAndBias(model, folded?.norm, layer, inputScale);
  const signs = int8Signs(graph, name, model.tensors.get(`${name}.kernel`) as BitTensor, stored);
  const inputs = [x, dequantize(graph, signs, `${name}.kernel`, `${name}.kernel_scale`, scale, DataType.INT8, stored.zeroPoint)];
  if (bias) inputs.push(integerBias(graph, name, bias, scale, inputScale));
  const made = folded ? (folded.norm?.name ?? `${name}.float`) : `${name}.float`;
  graph.node('Conv', inputs, made, { kernel_shape: [kernel, kernel], strides: [stride, stride], pads, dilations: [1, 1], group: 1 });
  const output = folded?.activation ?? name;
  quantize(graph, made, output, of(output), output);
}

/** Largest bias: sums of 8-bit products are added to it in 32 bits (9 * 2^22 weights per channel would fill the rest). */
const MAX_BIAS = 2 ** 30;
/** Smallest normal float32. */
const MIN_NORMAL = 2 ** -126;

/**
 * Scale and bias that turn the convolution with +-1 weights into the output: one scale in all or per channel, and a bias
 * per channel when a norm is absorbed: factor * (s * acc) + offset.
 * For an almost constant norm, factor is so small that the offset exceeds int32 in units of s * factor. A larger factor
 * replaces it: the sum then still counts for less than about half a level of an output that covers the offset.
 */
function scaleAndBias(model: Model, norm: NonNullable<IntegerConv['folded']>['norm'], { name }: IntegerConv['layer'], inputScale: number) {
  const scale = (model.tensors.get(`${name}.scale`) as FloatTensor).data;
  if (!norm) return { scale, bias: undefined };
  const { factor, offset } = foldNorm(model, norm);
  const smallest = (c: number) => Math.max(Math.abs(offset[c] as number) / MAX_BIAS, MIN_NORMAL) / inputScale;
  const product = (f: number, c: number) => f * (scale[scale.length === 1 ? 0 : c] as number);
  return { scale: Float32Array.from(factor, (f, c) => Math.max(product(f, c), smallest(c))), bias: offset };
}

/** QuantizeLinear of tensor `x` and back, as `output`; the names of scale and zero point follow `stored`. */
export function quantize(graph: Graph, x: string, stored: string, { scale, zeroPoint }: Quantization, output: string): string {
  const parameters = [
    graph.floats(`${stored}.q_scale`, [], new Float32Array([scale])),
    graph.constant(`${stored}.q_zero`, () => ({ dims: [], data_type: DataType.UINT8, raw_data: new Uint8Array([zeroPoint]) })),
  ];
  graph.node('QuantizeLinear', [x, ...parameters], `${stored}.q`);
  return graph.node('DequantizeLinear', [`${stored}.q`, ...parameters], output);
}

/** int32, in units of the accumulator: scale of the input times scale of the kernel. */
function integerBias(graph: Graph, name: string, bias: Float64Array, scale: Float32Array, inputScale: number): string {
  const units = Float32Array.from(scale, (s) => s * inputScale);
  const values = Int32Array.from(bias, (b, c) => Math.round(b / (units[c] as number)));
  graph.constant(`${name}.bias_int32`, () => integers(DataType.INT32, values));
  return dequantize(graph, `${name}.bias_int32`, `${name}.bias`, `${name}.bias_scale`, units, DataType.INT32);
}

/** DequantizeLinear of a constant, with one scale in all or per channel, and one zero point for all. */
function dequantize(
  graph: Graph,
  x: string,
  output: string,
  scaleName: string,
  scale: Float32Array,
  type: number,
  zeroPoint: 0 | 1 = 0,
): string {
  const channels = scale.length;
  const dims = channels === 1 ? [] : [channels];
  const typeName = type === DataType.INT8 ? 'int8' : 'int32';
  const zeros = (type === DataType.INT8 ? new Int8Array(channels) : new Int32Array(channels)).fill(zeroPoint);
  const zero = graph.constant(`${typeName}_${zeroPoint === 0 ? 'zero' : 'one'}.${channels}`, () => integers(type, zeros, dims));
  return graph.node('DequantizeLinear', [x, graph.floats(scaleName, dims, scale), zero], output, channels === 1 ? {} : { axis: 0 });
}

function integers(type: number, values: Int8Array | Int32Array, dims: readonly number[] = [values.length]): TensorProto {
  return { dims: [...dims], data_type: type, raw_data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) };
}
