/**
 * The functions of a file of format version 2: domain `wrn`, version 1. Their bodies are standard operators, which runtimes fold at
 * load. `Signs` computes the table that unpacks bits once for all convolutions, because its 2048 bytes would outweigh a layer's.
 */
import { DataType, type FunctionProto, type NodeProto, type TensorProto } from '../../../proto/onnx.ts';
import { LAYERED_DOMAIN } from '../../../src/network/layered.ts';
import type { ConvLayer, Layer } from '../../../src/network/topology.ts';
import { type Attributes, Float, Given, node, OPSET } from '../graph.ts';

/** Name of the table's edge: plus and minus 1. */
export const SIGNS = 'pm';

/** The default of BatchNormalization. */
const EPSILON = 1e-5;

/** Short, as the nodes have no names of their own: their outputs say what they are. */
function unnamed(nodes: readonly NodeProto[]): NodeProto[] {
  return nodes.map(({ name: _, ...rest }) => rest);
}

interface Signature {
  readonly input: string[];
  readonly output: string;
  readonly attribute: string[];
  /** Whether it calls other functions of the domain. */
  readonly calls?: boolean;
}

function define(name: string, { input, output, attribute, calls = false }: Signature, nodes: readonly NodeProto[]): FunctionProto {
  const opset_import = [{ version: OPSET }, ...(calls ? [{ domain: LAYERED_DOMAIN, version: 1 }] : [])];
  return { domain: LAYERED_DOMAIN, name, input, output: [output], attribute, opset_import, node: unnamed(nodes) };
}

const constant = (output: string, value: Attributes) => node('Constant', [], output, value);

/** The signs of every half byte, most significant bit first: int8 [16, 4]. */
function halfBytes(): TensorProto {
  const signs = Array.from({ length: 64 }, (_, k) => ((k >> 2) & (8 >> (k & 3)) ? 1 : -1));
  return { dims: [16, 4], data_type: DataType.INT8, raw_data: new Uint8Array(Int8Array.from(signs).buffer) };
}

/** `Signs() -> pm`: float32 [256, 8], row b holds the signs of byte b, most significant bit first. */
function signs(): FunctionProto {
  return define('Signs', { input: [], output: SIGNS, attribute: [] }, [
    constant('half', { value: halfBytes() }),
    constant('size', { value_ints: [16, 16, 4] }),
    node('Expand', ['half', 'size'], 'low'),
    node('Transpose', ['low'], 'high', { perm: [1, 0, 2] }),
    node('Concat', ['high', 'low'], 'byte', { axis: 2 }),
    node('Flatten', ['byte'], 'rows', { axis: 2 }),
    node('Cast', ['rows'], SIGNS, { to: DataType.FLOAT }),
  ]);
}

/** `Norm(x; moments) -> y`: batch norm with scale 1 and offset 0; `moments` are the means, then the variances. */
function norm(epsilon: number): FunctionProto {
  return define('Norm', { input: ['x'], output: 'y', attribute: ['moments'] }, [
    constant('moments', { value_floats: new Given('moments', 'FLOATS') }),
    { ...node('Split', ['moments'], 'mean'), output: ['mean', 'var'] },
    node('Sub', ['mean', 'mean'], 'zero'),
    node('Exp', ['zero'], 'one'),
    node('BatchNormalization', ['x', 'one', 'zero', 'mean', 'var'], 'y', epsilon === EPSILON ? {} : { epsilon: new Float(epsilon) }),
  ]);
}

/** `SignConv(x, pm; bits, scale, shape, pads, strides) -> y`: the table times the scale, a row for every byte, in the kernel's shape. */
function signConv(): FunctionProto {
  const attribute = ['bits', 'scale', 'shape', 'pads', 'strides'];
  return define('SignConv', { input: ['x', SIGNS], output: 'y', attribute }, [
    constant('scale', { value_float: new Given('scale', 'FLOAT') }),
    node('Mul', [SIGNS, 'scale'], 'w'),
    constant('bits', { value: new Given('bits', 'TENSOR') }),
    node('Cast', ['bits'], 'i', { to: DataType.INT32 }),
    node('Gather', ['w', 'i'], 'rows'),
    constant('shape', { value_ints: new Given('shape', 'INTS') }),
    node('Reshape', ['rows', 'shape'], 'W'),
    node('Conv', ['x', 'W'], 'y', { pads: new Given('pads', 'INTS'), strides: new Given('strides', 'INTS') }),
  ]);
}

/** The functions that every block calls. */
export function parts(epsilon: number): FunctionProto[] {
  return [signs(), norm(epsilon), signConv()];
}

/** The attributes of a convolution that are the same in all blocks of a kind. None is left out: ONNX's ReferenceEvaluator asks for each. */
export function windowOf({ stride, pads }: Pick<ConvLayer, 'stride' | 'pads'>): Attributes {
  return { pads, strides: [stride, stride] };
}

/** How the function of a block calls the scales of its convolutions: one where both have the same. */
export type Scales = readonly [string] | readonly [string, string];

/**
 * The function of a block: its layers, each writing a tensor of its own name without the block's.
 * @param layers of the first block of this kind
 */
export function block(name: string, layers: readonly Layer[], prefix: string, scales: Scales): FunctionProto {
  const own = (layer: string) => (layer.startsWith(`${prefix}.`) ? layer.slice(prefix.length + 1) : 'x');
  const attribute = layers.flatMap(({ op, name: layer }) => (op === 'norm' || op === 'conv' ? [own(layer)] : []));
  const widens = layers.some(({ op }) => op === 'widen') ? ['widen'] : [];
  const nodes = layers.flatMap((layer) => bodyOf(layer, own, scales));
  return define(name, { input: ['x', SIGNS], output: 'add', attribute: [...attribute, ...scales, ...widens], calls: true }, nodes);
}

function bodyOf(layer: Layer, own: (name: string) => string, scales: Scales): NodeProto[] {
  const [name, inputs] = [own(layer.name), layer.inputs.map(own)];
  switch (layer.op) {
    case 'norm':
      return [node('Norm', inputs, name, { moments: new Given(name, 'FLOATS') }, LAYERED_DOMAIN)];
    case 'relu':
      return [node('Relu', inputs, name)];
    case 'conv': {
      const scale = scales.length === 1 ? scales[0] : (scales[Number(name.slice(-1))] as string);
      const numbers = { bits: new Given(name, 'TENSOR'), scale: new Given(scale, 'FLOAT') };
      const shape = [0, -1, layer.kernel, layer.kernel]; // bits are [outputs, bytes]
      return [node('SignConv', [...inputs, SIGNS], name, { ...numbers, shape, ...windowOf(layer) }, LAYERED_DOMAIN)];
    }
    case 'averagePool': {
      const { kernel, stride, pads, countsPads } = layer;
      const window = { kernel_shape: [kernel, kernel], strides: [stride, stride], pads };
      return [node('AveragePool', inputs, name, { ...window, ...(countsPads ? { count_include_pad: 1 } : {}) })];
    }
    case 'widen':
      return [constant('pads', { value: new Given(name, 'TENSOR') }), node('Pad', [...inputs, 'pads'], name)];
    case 'add':
      return [node('Add', inputs, name)];
    default:
      throw new TypeError(`no block holds a layer ${layer.op}`);
  }
}
