/** Format version 2: one call for every block of the network, with its numbers as attributes (docs/format.md). */
import { DataType, type FunctionProto, type ModelProto, type TensorProto } from '../../../proto/onnx.ts';
import { shortenMetadata } from '../../../src/network/file-metadata.ts';
import { LAYERED_DOMAIN } from '../../../src/network/layered.ts';
import type { Model } from '../../../src/network/model.ts';
import type { BitTensor, FloatTensor } from '../../../src/network/tensor.ts';
import { type ConvLayer, IMAGES, type Layer, layers, type NormLayer } from '../../../src/network/topology.ts';
import { TENSORS_SHA256, WEIGHTS_SHA256 } from '../../../src/network/weights-digest.ts';
import { Float, type Graph } from '../graph.ts';
import { block, parts, type Scales, SIGNS, windowOf } from './functions.ts';
import { NUMBERS_SHA256, numbersDigest } from './stored.ts';

/** The graph to add to, and what it computes. */
interface Target {
  readonly graph: Graph;
  readonly model: Model;
  /** Name of the float NCHW images. */
  readonly images: string;
}

/**
 * Whether the blocks of a network are alike enough to share functions: batch norms without learned parameters, shortcuts, one scale
 * for each convolution, and kernels whose output channels fill whole bytes. All published networks with batch norm and shortcuts are.
 */
export function isLayered({ config, tensors }: Model): boolean {
  if (config.bits !== 1 || !config.residual || config.activation !== 'norm-relu') return false;
  if (config.affine === 'all' || config.scale === 'mean-channel') return false;
  return blocksOf(layers(config)).every(([, members]) => {
    const convs = members.filter((layer) => layer.op === 'conv');
    const aligned = convs.every(({ inputChannels, kernel }) => (inputChannels * kernel ** 2) % 8 === 0);
    const [first, second] = convs.map(({ name }) => scaleOf({ tensors }, name));
    return aligned && (halves(members) || first === second);
  });
}

/**
 * Adds the calls of a network to `lowering.graph`; returns the functions that they call.
 * @param lower adds the nodes of a layer that no function computes
 */
export function lowerLayered(lowering: Target, lower: (layer: Layer) => void): FunctionProto[] {
  const { graph, model } = lowering;
  const list = layers(model.config);
  const blocks = new Map(blocksOf(list));
  const functions = parts(model.config.epsilon);
  graph.node('Signs', [], SIGNS, {}, LAYERED_DOMAIN);
  for (const layer of list) {
    const [prefix] = split(layer.name);
    const members = blocks.get(prefix);
    if (members && layer !== members[0]) continue;
    if (members) lowerBlock(prefix, members, lowering, functions);
    else if (layer.op === 'norm' && !layer.affine) lowerNorm(layer, lowering);
    else if (layer.op === 'conv' && layer.bits === 1) lowerConv(layer, lowering);
    else lower({ ...layer, inputs: layer.inputs.map(edge) });
  }
  return functions;
}

/** The file of the calls: their nodes have no names beside those of their outputs, and its metadata are those of format version 2. */
export function toLayered(proto: ModelProto, model: Model): ModelProto {
  const node = (proto.graph?.node ?? []).map(({ name: _, ...rest }) => rest);
  const layered: ModelProto = { ...proto, graph: { ...proto.graph, node }, metadata_props: shortenMetadata(withoutDigests(proto), model) };
  layered.metadata_props?.push({ key: NUMBERS_SHA256, value: numbersDigest(layered) });
  return layered;
}

function withoutDigests({ metadata_props }: ModelProto) {
  return (metadata_props ?? []).filter(({ key }) => key !== WEIGHTS_SHA256 && key !== TENSORS_SHA256);
}

/** A block's call has the block's own name, not that of its last layer. */
const edge = (name: string) => name.replace(/\.add$/, '');

function split(name: string): [prefix: string, local: string] {
  const at = name.lastIndexOf('.');
  return [name.slice(0, at), name.slice(at + 1)];
}

/** The blocks by name, with their layers in order of execution. */
function blocksOf(list: readonly Layer[]): [prefix: string, layers: Layer[]][] {
  const blocks = new Map<string, Layer[]>();
  for (const layer of list) {
    const [prefix] = split(layer.name);
    if (prefix.includes('.')) blocks.set(prefix, [...(blocks.get(prefix) ?? []), layer]);
  }
  return [...blocks];
}

const halves = (members: readonly Layer[]) => members.some(({ op }) => op === 'widen');

function lowerBlock(prefix: string, members: readonly Layer[], { graph, model }: Target, functions: FunctionProto[]): void {
  const name = halves(members) ? 'Halve' : 'Block';
  const scales: Scales = halves(members) ? ['scale0', 'scale1'] : ['scale'];
  if (!functions.some((f) => f.name === name)) functions.push(block(name, members, prefix, scales));
  const attributes: Record<string, TensorProto | Float | Float32Array> = {};
  for (const layer of members) {
    const [, local] = split(layer.name);
    if (layer.op === 'norm') attributes[local] = momentsOf(model, layer);
    if (layer.op === 'conv') attributes[local] = bitsOf(model, layer, [layer.shape[0], -1]);
    if (layer.op === 'widen')
      attributes[local] = { dims: [8], data_type: DataType.INT64, int64_data: [0, 0, 0, 0, 0, layer.shape[0] / 2, 0, 0] };
  }
  for (const [i, scale] of scales.entries()) attributes[scale] = new Float(scaleOf(model, `${prefix}.conv${i}`));
  const [x] = (members[0] as Layer).inputs as [string];
  graph.node(name, [edge(x), SIGNS], prefix, attributes, LAYERED_DOMAIN);
}

function lowerNorm(layer: NormLayer, { graph, model, images }: Target): void {
  const inputs = layer.inputs.map((name) => (name === IMAGES ? images : edge(name)));
  graph.node('Norm', inputs, layer.name, { moments: momentsOf(model, layer) }, LAYERED_DOMAIN);
}

function lowerConv(layer: ConvLayer, { graph, model }: Target): void {
  const { name, inputs, kernel, shape: sizes, inputChannels } = layer;
  const shape = [sizes[0], inputChannels, kernel, kernel];
  const numbers = { bits: bitsOf(model, layer, [-1]), scale: new Float(scaleOf(model, name)) };
  graph.node('SignConv', [...inputs.map(edge), SIGNS], name, { ...numbers, shape, ...windowOf(layer) }, LAYERED_DOMAIN);
}

/** Means, then variances. */
function momentsOf({ tensors }: Model, { name }: NormLayer): Float32Array {
  const [mean, variance] = ['mean', 'variance'].map((field) => tensors.get(`${name}.${field}`) as FloatTensor) as [
    FloatTensor,
    FloatTensor,
  ];
  const moments = new Float32Array(2 * mean.data.length);
  moments.set(mean.data);
  moments.set(variance.data, mean.data.length);
  return moments;
}

/** @param dims of the bytes; -1 stands for what is left */
function bitsOf({ tensors }: Model, { name }: ConvLayer, dims: readonly number[]): TensorProto {
  const { data } = tensors.get(`${name}.kernel`) as BitTensor;
  const known = dims.reduce((product, size) => (size < 0 ? product : product * size), 1);
  return { dims: dims.map((size) => (size < 0 ? data.length / known : size)), data_type: DataType.UINT8, raw_data: data };
}

function scaleOf({ tensors }: Pick<Model, 'tensors'>, conv: string): number {
  return (tensors.get(`${conv}.scale`) as FloatTensor | undefined)?.data[0] ?? Number.NaN;
}
