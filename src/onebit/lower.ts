/** Steps as words: one row per kind of step; the numbers come from the file. */
import { InputError } from '../errors.ts';
import { elements } from '../formats/shape.ts';

import { signAt } from '../network/sign.ts';
import type { ConvLayer, NormLayer, PoolLayer, StandardizeLayer } from '../network/topology.ts';
import type { Block } from './block.ts';
import type { OneBitFile } from './file.ts';
import type { KernelName } from './kernel.ts';
import type { Placed } from './planes.ts';
import type { Step } from './steps.ts';
import { floatsLength, prepareFloats, prepareSigns, signsLength } from './weights.ts';
import * as w from './words.ts';

/** How real values stand in 8 bits: x ~ scale * (q - zero). */
export interface Quantization {
  readonly scale: number;
  readonly zero: number;
}

export interface Lowering {
  readonly file: OneBitFile;
  readonly block: Block;
  /** By name, those that the step reads and makes. */
  readonly tensors: ReadonlyMap<string, Placed>;
  /** Of a tensor that is stored in 8 bits. */
  quantizationOf(name: string): Quantization | undefined;
}

/** Writes the words of a step; returns the kernel that computes it. */
export function lower(step: Step, lowering: Lowering): KernelName {
  const { source } = step;
  const { block, tensors } = lowering;
  const [channels, height, width] = source.shape;
  const tensorOf = (name: string) => tensors.get(name) as Placed;
  block.tensor(w.INPUT, tensorOf(step.input));
  block.integer(w.INPUT_CHANNELS, tensorOf(step.input).shape[0]);
  block.integer(w.CHANNELS, channels);
  block.integer(w.HEIGHT, height);
  block.integer(w.WIDTH, width);
  if (step.raw !== undefined) block.tensor(w.RAW, tensorOf(step.raw));
  if (step.active !== undefined) block.tensor(w.ACTIVE, tensorOf(step.active));
  if (step.residual !== undefined) {
    block.tensor(w.RESIDUAL, tensorOf(step.residual));
    block.integer(w.RESIDUAL_CHANNELS, tensorOf(step.residual).shape[0]);
  }
  return (table[source.op] as Row)(step, lowering);
}

type Row<S extends Step['source'] = Step['source']> = (step: Step & { readonly source: S }, lowering: Lowering) => KernelName;

const table: { readonly [Op in Step['source']['op']]: Row<Extract<Step['source'], { op: Op }>> } = {
  conv(step, lowering) {
    const { source, input } = step;
    const { block, file, tensors } = lowering;
    block.tensor(w.INPUT, tensors.get(input) as Placed, -source.pads[0], -source.pads[1]);
    block.integer(w.STRIDE, source.stride);
    block.integer(w.WINDOW, source.kernel);
    if (isInteger(file, source)) return integerConv(step, lowering);
    activation(step, lowering);
    return floatConv(source, lowering);
  },
  averagePool: pool,
  maxPool: pool,
  globalPool(step, { block, tensors }) {
    inputSizes(step, block, tensors);
    scaleAll(step, block);
    return 'globalPool';
  },
  add: map,
  norm: map,
  standardize: map,
  relu: map,
  shiftedRelu: map,
  divide: map,
};

/** Whether the file runs a convolution in integers. */
export function isInteger(file: OneBitFile, { name }: ConvLayer): boolean {
  return file.has(`${name}.kernel_scale`);
}

/** Whether an integer convolution took in the norm and the activation behind it: then its own output has no quantization. */
export function isFolded(file: OneBitFile, { name }: ConvLayer): boolean {
  return !file.has(`${name}.q_scale`);
}

function integerConv(step: Step & { readonly source: ConvLayer }, { file, block, quantizationOf, ...rest }: Lowering): KernelName {
  const { source, input, active } = step;
  const { name, kernel, inputChannels } = source;
  const [outputs] = source.shape;
  const quantized = quantizationOf(input);
  const folded = isFolded(file, source);
  if (kernel !== 3 || !quantized || (folded && active === undefined))
    throw new InputError('onnx', `tensor ${name}.kernel_scale`, 'expected none for this convolution, got one');
  const own = folded ? (active as string) : name;
  const output = { scale: file.scale(`${own}.q_scale`), zero: file.byte(`${own}.q_zero`) };
  const scale = each(file.floats(`${name}.kernel_scale`, 1, outputs), outputs);
  // As onnxruntime computes it: float32, in this order.
  block.constants(
    w.SCALE,
    scale.map((s) => Math.fround(s * quantized.scale) / output.scale),
  );
  const bits = file.bits(name, [outputs, inputChannels, kernel, kernel]);
  const size = inputChannels * kernel * kernel;
  const bias = file.has(`${name}.bias_int32`) ? file.integers(`${name}.bias_int32`, outputs) : new Int32Array(outputs);
  block.constants(
    w.BIAS,
    bias.map((b, o) => b - quantized.zero * (quantized.zero === 0 ? 0 : signSum(bits, o * size, size))),
  );
  block.integer(w.ZERO, output.zero);
  block.real(w.STEP, output.scale);
  block.integer(w.DIRECT, folded ? 1 : 0);
  if (!folded) activation(step, { file, block, quantizationOf, ...rest });
  signs(bits, source, block);
  return 'signsByte';
}

function floatConv(source: ConvLayer, { file, block }: Lowering): KernelName {
  const { name, bits, kernel, inputChannels, stride } = source;
  const [outputs] = source.shape;
  const shape = [outputs, inputChannels, kernel, kernel];
  // 8-bit rounding behind the first convolution makes its last bits count: it is computed in onnxruntime's order.
  const fuses = file.runsIntegers && kernel === 3 && stride === 1;
  const bytes = 4 * floatsLength(outputs, inputChannels, kernel);
  const store = (weightAt: (index: number) => number) =>
    block.weights(bytes, (memory, address) => {
      prepareFloats(weightAt, outputs, inputChannels, kernel, new Float32Array(memory, address, bytes / 4));
    });
  const scale = bits === 32 ? new Float32Array(outputs).fill(1) : each(file.floats(`${name}.scale`, 1, outputs), outputs);
  block.constants(w.SCALE, fuses ? new Float32Array(outputs).fill(1) : scale);
  if (bits === 32) {
    const stored = file.floats(`${name}.kernel`, elements(shape));
    store((index) => stored[index] as number);
    return fuses ? 'fusedFloats' : 'floats';
  }
  const packed = file.bits(name, shape);
  if (fuses) {
    store((index) => signAt(packed, index) * (scale[Math.floor(index / (inputChannels * kernel * kernel))] as number));
    return 'fusedFloats';
  }
  if (kernel === 3) {
    signs(packed, source, block);
    return 'signsFloat';
  }
  store((index) => signAt(packed, index));
  return 'floats';
}

function signs(
  bits: Uint8Array,
  { inputChannels, stride, shape: [outputs] }: Pick<ConvLayer, 'inputChannels' | 'stride' | 'shape'>,
  block: Block,
): void {
  const bytes = signsLength(outputs, inputChannels);
  block.weights(bytes, (memory, address) => prepareSigns(bits, outputs, inputChannels, stride, new Uint8Array(memory, address, bytes)));
}

function signSum(bits: Uint8Array, from: number, count: number): number {
  let sum = 0;
  for (let k = from; k < from + count; k++) sum += signAt(bits, k);
  return sum;
}

function pool(step: Step & { readonly source: PoolLayer }, { block, tensors }: Lowering): KernelName {
  const { op, kernel, stride, pads, countsPads } = step.source;
  inputSizes(step, block, tensors);
  block.integer(w.STRIDE, stride);
  block.integer(w.WINDOW, kernel);
  block.integer(w.TOP, pads[0]);
  block.integer(w.LEFT, pads[1]);
  block.integer(w.COUNTS_PADS, countsPads ? 1 : 0);
  return op;
}

function inputSizes({ input }: Step, block: Block, tensors: Lowering['tensors']): void {
  const [, height, width] = (tensors.get(input) as Placed).shape;
  block.integer(w.INPUT_HEIGHT, height);
  block.integer(w.INPUT_WIDTH, width);
}

function map(step: Step, lowering: Lowering): KernelName {
  scaleAll(step, lowering.block);
  activation(step, lowering);
  return 'map';
}

function scaleAll(
  {
    source: {
      shape: [channels],
    },
    divisor = 1,
  }: Step,
  block: Block,
): void {
  block.constants(w.SCALE, new Float32Array(channels).fill(1 / divisor));
}

const FLOORS = { relu: 0, shiftedRelu: -1 } as const;

function activation({ source, norm, clip, active }: Step, { file, block, quantizationOf }: Lowering): void {
  if (active === undefined) return;
  const [channels] = source.shape;
  const { factor, offset } = norm?.op === 'norm' ? folded(file, norm) : standardized(norm, channels);
  block.constants(w.FACTOR, factor);
  block.constants(w.SHIFT, offset);
  block.real(w.FLOOR, clip ? FLOORS[clip.op] : Number.NEGATIVE_INFINITY);
  const quantization = quantizationOf(active);
  if (!quantization) return;
  block.real(w.ACTIVE_STEP, quantization.scale);
  block.integer(w.ACTIVE_ZERO, quantization.zero);
}

/** (x - mean) / std as a factor and an offset; 1 and 0 where there is no norm. */
function standardized(norm: StandardizeLayer | undefined, channels: number) {
  const std = (c: number) => norm?.std[c] ?? 1;
  return {
    factor: Float32Array.from({ length: channels }, (_, c) => 1 / std(c)),
    offset: Float32Array.from({ length: channels }, (_, c) => -(norm?.mean[c] ?? 0) / std(c)),
  };
}

/**
 * Batch norm as a factor and an offset: gamma / sqrt(variance + epsilon) and beta - mean * factor, in float32 and in the
 * order in which onnxruntime computes it. Another order would
 * decide ties of the 8-bit rounding behind it otherwise, and what differs spreads from block to block.
 */
function folded(file: OneBitFile, { name, affine, epsilon, shape: [channels] }: NormLayer) {
  const field = (field: string) => file.floats(`${name}.${field}`, channels);
  const [mean, variance] = [field('mean'), field('variance')];
  const negative = variance.findIndex((value) => value < 0);
  if (negative >= 0)
    throw new InputError(
      'onnx',
      `tensor ${name}.variance`,
      `expected variances of at least 0, got ${variance[negative]} at index ${negative}`,
    );
  const f = Math.fround;
  const inverse = variance.map((v) => 1 / f(Math.sqrt(f(v + f(epsilon)))));
  const gamma = affine ? field('gamma') : undefined;
  const factor = gamma ? inverse.map((s, c) => s * (gamma[c] as number)) : inverse;
  const beta = affine ? field('beta') : new Float32Array(channels);
  return { factor, offset: beta.map((b, c) => b - f((mean[c] as number) * (factor[c] as number))) };
}

/** One value for all channels or one per channel, as one per channel. */
function each(values: Float32Array, channels: number): Float32Array {
  return values.length === channels ? values : new Float32Array(channels).fill(values[0] as number);
}
