/** Model to ONNX: the topology walked once, every layer lowered by one row of a table. */
import { DataType, encodeModel, type ModelProto } from '../../proto/onnx.ts';
import { requireChoice } from '../../src/choice.ts';
import { networkName } from '../../src/network/config.ts';
import { type InputLayout, inputLayouts, type RecordedForm, writeMetadata } from '../../src/network/file-metadata.ts';
import type { Model } from '../../src/network/model.ts';
import type { BitTensor, FloatTensor } from '../../src/network/tensor.ts';
import { IMAGES, type Layer, LOGITS, layers } from '../../src/network/topology.ts';
import type { Form, Kernel } from './forms/form.ts';
import { type FormName, formNames, forms } from './forms/table.ts';
import { Float, type FloatType, Graph, valueInfo } from './graph.ts';
import { isLayered, lowerLayered, toLayered } from './layered/write.ts';
import { type SignatureOptions, setSignature } from './signature.ts';
import { ownDigest, stateDigest } from './weights-digest.ts';

export interface ExportOptions extends SignatureOptions {
  /** How weights are stored; `packed` by default. */
  readonly form?: FormName | undefined;
  /** How the file takes images; `nchw-float` by default. */
  readonly input?: InputLayout | undefined;
}

/**
 * Encodes a model as an ONNX file. The same model and options give the same bytes on any machine.
 *
 * Input `images` (or `inputName`): float32 [batch, channels, height, width] or uint8 [batch, height, width, channels], pixels 0..255.
 * Output `logits`: float32 [batch, classes]. Tensors in between are named after the layers of the topology.
 * @throws UsageError when a form or layout is unknown
 * @example
 * await writeFile('model.onnx', toOnnx(model, { form: 'packed' }));
 */
export function toOnnx(model: Model, options: ExportOptions = {}): Uint8Array {
  return encodeModel(toOnnxProto(model, options));
}

export function toOnnxProto(
  model: Model,
  { form: formName = 'packed', input = 'nchw-float', ...signature }: ExportOptions = {},
): ModelProto {
  const form: Form = forms[requireChoice('form', formName, formNames)];
  const graph = new Graph();
  const lowering: Lowering = { graph, model, form, images: imagesNCHW(graph, input) };
  if (formName === 'packed' && isLayered(model)) {
    const functions = lowerLayered(lowering, (layer) => lower(layer, lowering));
    return sign(toLayered(toProto({ ...lowering, form: { ...form, functions } }, formName, input), model), signature);
  }
  for (const layer of layers(model.config)) lower(layer, lowering);
  return sign(toProto(lowering, formName, input), signature);
}

/**
 * The same network as `toOnnxProto` writes in the form `packed`, in format version 1: every layer is a node, every number an initializer
 * named after its layer. Tools that look for layers in the graph take this one.
 */
export function toFlatProto(model: Model, { input = 'nchw-float', ...signature }: Omit<ExportOptions, 'form'> = {}): ModelProto {
  const graph = new Graph();
  const lowering: Lowering = { graph, model, form: forms.packed, images: imagesNCHW(graph, input) };
  for (const layer of layers(model.config)) lower(layer, lowering);
  return sign(toProto(lowering, 'packed', input), signature);
}

function sign(proto: ModelProto, signature: SignatureOptions): ModelProto {
  setSignature(proto, signature);
  return proto;
}

/**
 * The file of a graph whose nodes compute the last layer of the topology; `formName` goes into the metadata.
 * @param io type of the logits, and of images other than uint8
 */
export function toProto(
  { graph, model, form }: Lowering,
  formName: RecordedForm,
  input: InputLayout,
  io: FloatType = DataType.FLOAT,
): ModelProto {
  const last = (layers(model.config).at(-1) as Layer).name;
  if (graph.floatType === io) graph.node('Flatten', [last], LOGITS, { axis: 1 });
  else graph.node('Cast', [graph.node('Flatten', [last], 'logits.flat', { axis: 1 })], LOGITS, { to: io });
  const { channels, height, width } = model.config.input;
  const imageShape = input === 'nchw-float' ? [channels, height, width] : [height, width, channels];
  const domains = new Set(form.functions.map((f) => f.domain as string));
  const called = new Set([...graph.nodes, ...form.functions.flatMap((f) => f.node ?? [])].map((n) => n.op_type));
  const base = graph.toModel(
    networkName(model.config),
    [valueInfo(IMAGES, input === 'nchw-float' ? io : DataType.UINT8, ['batch', ...imageShape])],
    [valueInfo(LOGITS, io, ['batch', model.config.classes])],
  );
  const proto: ModelProto = {
    ...base,
    producer_name: 'wrn-onnx',
    opset_import: [...(base.opset_import ?? []), ...[...domains].map((domain) => ({ domain, version: 1 }))],
    functions: form.functions.filter((f) => called.has(f.name as string)),
    metadata_props: writeMetadata(model, formName, input),
  };
  stateDigest(proto, ownDigest(proto, model.config));
  return proto;
}

/** Casts and transposes the images if needed; returns the name of the NCHW images in the graph's float type. */
export function imagesNCHW(graph: Graph, input: InputLayout, io: FloatType = DataType.FLOAT): string {
  requireChoice('input', input, inputLayouts);
  if (input === 'nchw-float' && graph.floatType === io) return IMAGES;
  graph.node('Cast', [IMAGES], 'images.float', { to: graph.floatType });
  if (input === 'nchw-float') return 'images.float';
  return graph.node('Transpose', ['images.float'], 'images.nchw', { perm: [0, 3, 1, 2] });
}

/** A graph under construction. */
export interface Lowering {
  readonly graph: Graph;
  readonly model: Model;
  readonly form: Pick<Form, 'kernel' | 'functions'>;
  /** Name of the float NCHW images. */
  readonly images: string;
}

type Lower<Op extends Layer['op']> = (layer: Extract<Layer, { op: Op }>, inputs: readonly string[], lowering: Lowering) => void;

/** One row per kind of layer; each writes a tensor named after the layer. */
const table: { readonly [Op in Layer['op']]: Lower<Op> } = {
  norm(layer, inputs, { graph, model }) {
    const [channels] = layer.shape;
    // Shared by all layers of one size: stored once, and drawn without edges in viewers.
    const constant = (name: string, v: number) => graph.floats(`${name}.${channels}`, [channels], new Float32Array(channels).fill(v));
    const parameter = (field: string) => graph.floats(`${layer.name}.${field}`, [channels], float(model, `${layer.name}.${field}`).data);
    const gamma = layer.affine ? parameter('gamma') : constant('one', 1);
    const beta = layer.affine ? parameter('beta') : constant('zero', 0);
    const moments = [parameter('mean'), parameter('variance')];
    graph.node('BatchNormalization', [...inputs, gamma, beta, ...moments], layer.name, { epsilon: new Float(layer.epsilon) });
  },
  standardize(layer, inputs, { graph }) {
    const shape = [1, layer.mean.length, 1, 1];
    const mean = graph.floats(`${layer.name}.mean`, shape, Float32Array.from(layer.mean));
    const std = graph.floats(`${layer.name}.std`, shape, Float32Array.from(layer.std));
    const centred = graph.node('Sub', [...inputs, mean], `${layer.name}.centred`);
    graph.node('Div', [centred, std], layer.name);
  },
  relu(layer, inputs, { graph }) {
    graph.node('Relu', inputs, layer.name);
  },
  shiftedRelu(layer, inputs, { graph }) {
    const minusOne = graph.floats('minus_one', [], new Float32Array([-1]));
    graph.node('Max', [...inputs, minusOne], layer.name);
  },
  conv(layer, inputs, { graph, model, form }) {
    const kernel = model.tensors.get(`${layer.name}.kernel`) as BitTensor | FloatTensor;
    const { weights, outputScale }: Kernel =
      kernel.dtype === 'bits'
        ? form.kernel(graph, layer.name, kernel, float(model, `${layer.name}.scale`))
        : { weights: graph.floats(`${layer.name}.kernel`, kernel.shape, kernel.data) };
    const { kernel: size, stride, pads } = layer;
    const output = outputScale === undefined ? layer.name : `${layer.name}.unscaled`;
    const window = { kernel_shape: [size, size], strides: [stride, stride], pads };
    graph.node('Conv', [...inputs, weights], output, { ...window, dilations: [1, 1], group: 1 }); // qonnx needs every attribute
    if (outputScale !== undefined) graph.node('Mul', [output, outputScale], layer.name);
  },
  averagePool(layer, inputs, { graph }) {
    const { kernel, stride, pads, countsPads } = layer;
    const window = { kernel_shape: [kernel, kernel], strides: [stride, stride], pads };
    graph.node('AveragePool', inputs, layer.name, { ...window, count_include_pad: countsPads ? 1 : 0 });
  },
  maxPool(layer, inputs, { graph }) {
    const { kernel, stride, pads } = layer;
    graph.node('MaxPool', inputs, layer.name, { kernel_shape: [kernel, kernel], strides: [stride, stride], pads });
  },
  widen(layer, inputs, { graph }) {
    const zeros = layer.shape[0] / 2;
    graph.node('Pad', [...inputs, graph.int64s(`${layer.name}.pads`, [0, 0, 0, 0, 0, zeros, 0, 0])], layer.name);
  },
  add(layer, inputs, { graph }) {
    graph.node('Add', inputs, layer.name);
  },
  globalPool(layer, inputs, { graph }) {
    graph.node('GlobalAveragePool', inputs, layer.name);
  },
  divide(layer, inputs, { graph }) {
    const divisor = graph.floats(`${layer.name}.divisor`, [], new Float32Array([layer.divisor]));
    graph.node('Div', [...inputs, divisor], layer.name);
  },
};

/** Adds the nodes of one layer; they compute a tensor named after the layer from its inputs. */
export function lower<Op extends Layer['op']>(layer: Extract<Layer, { op: Op }>, lowering: Lowering): void {
  const inputs = layer.inputs.map((name) => (name === IMAGES ? lowering.images : name));
  (table[layer.op as Op] as Lower<Op>)(layer, inputs, lowering);
}

function float(model: Model, name: string): FloatTensor {
  return model.tensors.get(name) as FloatTensor;
}
