/**
 * The topology: a network as a list of layers in order of execution. Each layer names its inputs.
 * The ONNX lowering, the tfjs lowering, `inspect` and the readers all walk this list.
 *
 *     input -> norm (-> ReLU) -> conv -> groups of n blocks -> norm -> ReLU -> conv 1x1 -> norm -> global average pool -> logits
 *     block: norm -> ReLU -> conv 3x3 -> norm -> ReLU -> conv 3x3, added to the shortcut
 *
 * The shortcut is the identity. Where the resolution halves, it is a 3x3 average pool with stride 2,
 * and zeros double the channels (McDonnell, ICLR 2018, section 3).
 */
import { InputError } from '../errors.ts';
import { blocksPerGroup, type NetworkConfig, type Pads } from './config.ts';
import { heScale } from './sign.ts';

/** Output shape of a layer, without the batch axis. */
export type Shape = readonly [channels: number, height: number, width: number];

interface Common {
  /** Unique and stable, e.g. `group2.block1.conv1`. Also the prefix of the layer's parameter names. */
  readonly name: string;
  /** Names of the input layers; `images` is the network's input. */
  readonly inputs: readonly string[];
  readonly shape: Shape;
}
export interface ConvLayer extends Common {
  readonly op: 'conv';
  readonly kernel: number;
  readonly stride: number;
  readonly pads: Pads;
  readonly inputChannels: number;
  readonly bits: 1 | 32;
  /** He's scale s for this layer: the standard deviation of the initial weights, and the scale of 1-bit weights. */
  readonly heScale: number;
}
export interface NormLayer extends Common {
  readonly op: 'norm';
  readonly affine: boolean;
  readonly epsilon: number;
}
/** (x - mean) / std per channel, with constants from the configuration. */
export interface StandardizeLayer extends Common {
  readonly op: 'standardize';
  readonly mean: readonly number[];
  readonly std: readonly number[];
}
export interface PoolLayer<Op extends PoolOp = PoolOp> extends Common {
  readonly op: Op;
  readonly kernel: number;
  readonly stride: number;
  readonly pads: Pads;
  readonly countsPads: boolean;
}
export type PoolOp = 'averagePool' | 'maxPool';
/** shiftedRelu is max(-1, x). widen doubles the channels with zeros. globalPool is the mean over height and width. */
export type PlainOp = 'relu' | 'shiftedRelu' | 'widen' | 'add' | 'globalPool';
export interface PlainLayer<Op extends PlainOp = PlainOp> extends Common {
  readonly op: Op;
}
/** One union member per value of Op, so that TypeScript can narrow a layer by its `op`. */
type Each<Op extends PoolOp | PlainOp> = Op extends PoolOp ? PoolLayer<Op> : Op extends PlainOp ? PlainLayer<Op> : never;
export interface DivideLayer extends Common {
  readonly op: 'divide';
  readonly divisor: number;
}
export type Layer = ConvLayer | NormLayer | StandardizeLayer | DivideLayer | Each<PoolOp | PlainOp>;

/** Names of the network's input and output. */
export const IMAGES = 'images';
export const LOGITS = 'logits';

/** A parameter that a model must hold. Readers fill it and `inspect` counts it. */
export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: 'float32' | 'bits';
}

function convolve(size: number, kernel: number, stride: number, before: number, after: number): number {
  return Math.floor((size + before + after - kernel) / stride) + 1;
}

/**
 * Every layer of the network, in order of execution. `logits` is the flattened output of the last layer, shape [classes, 1, 1].
 * @throws InputError when the image is too small for the network, or the padding gives the two paths of a block different shapes
 * @example
 * const [input, ...others] = layers(model.config);
 * for (const { op, name, shape } of others) console.log(op, name, shape);
 */
export function layers(config: NetworkConfig): Layer[] {
  const list: Layer[] = [];
  const shapes = new Map<string, Shape>([[IMAGES, [config.input.channels, config.input.height, config.input.width]]]);
  const shapeOf = (name: string): Shape => shapes.get(name) as Shape;
  const push = (layer: Layer): string => {
    const [, height, width] = layer.shape;
    if (height < 1 || width < 1) throw new InputError('configuration', layer.name, `expected at least one pixel, got ${height}x${width}`);
    list.push(layer);
    shapes.set(layer.name, layer.shape);
    return layer.name;
  };
  const plain = (name: string, op: PlainOp, inputs: string[], shape: Shape) => push({ name, op, inputs, shape } as Layer);
  const norm = (name: string, input: string, affine: boolean) =>
    push({ name, op: 'norm', inputs: [input], shape: shapeOf(input), affine: affine || config.affine === 'all', epsilon: config.epsilon });
  const conv = (name: string, input: string, outputChannels: number, kernel: number, stride: number, pads: Pads, bits: 1 | 32) => {
    const [inputChannels, height, width] = shapeOf(input);
    const [top, left, bottom, right] = pads;
    const shape: Shape = [outputChannels, convolve(height, kernel, stride, top, bottom), convolve(width, kernel, stride, left, right)];
    const scale = heScale(kernel, inputChannels, config.residual);
    return push({ name, op: 'conv', inputs: [input], shape, kernel, stride, pads, inputChannels, bits, heScale: scale });
  };
  const pool = (name: string, op: PoolOp, input: string, pads: Pads, countsPads: boolean) => {
    const [channels, height, width] = shapeOf(input);
    const [top, left, bottom, right] = pads;
    const shape: Shape = [channels, convolve(height, 3, 2, top, bottom), convolve(width, 3, 2, left, right)];
    return push({ name, op, inputs: [input], shape, kernel: 3, stride: 2, pads, countsPads } as Layer);
  };
  /** The layers before a convolution: `prefix.norm<i>` and `prefix.relu<i>`, or only the shifted ReLU. */
  const activate = (prefix: string, i: string, input: string) =>
    config.activation === 'shifted-relu'
      ? plain(`${prefix}.relu${i}`, 'shiftedRelu', [input], shapeOf(input))
      : plain(`${prefix}.relu${i}`, 'relu', [norm(`${prefix}.norm${i}`, input, false)], shapeOf(input));

  let x =
    config.inputNorm === 'batch-norm'
      ? norm('input.norm', IMAGES, config.affine === 'first')
      : push({ name: 'input.standardize', op: 'standardize', inputs: [IMAGES], shape: shapeOf(IMAGES), ...config.inputNorm });
  if (config.inputRelu) x = plain('input.relu', 'relu', [x], shapeOf(x));

  const cifar = config.stem === 'cifar';
  const base = (cifar ? 16 : 64) * config.width;
  if (cifar) x = conv('stem.conv', x, base, 3, 1, [1, 1, 1, 1], config.endBits);
  else x = pool('stem.pool', 'maxPool', conv('stem.conv', x, base, 7, 2, [3, 3, 3, 3], config.endBits), [1, 1, 1, 1], false);

  const { convPads, poolPads, poolCountsPads } = config.downsample;
  for (let g = 0; g < (cifar ? 3 : 4); g++) {
    const channels = base * 2 ** g;
    for (let b = 0; b < blocksPerGroup(config); b++) {
      const prefix = `group${g}.block${b}`;
      const halves = g > 0 && b === 0;
      let y = activate(prefix, '0', x);
      y = conv(`${prefix}.conv0`, y, channels, 3, halves ? 2 : 1, halves ? convPads : [1, 1, 1, 1], config.bits);
      y = activate(prefix, '1', y);
      y = conv(`${prefix}.conv1`, y, channels, 3, 1, [1, 1, 1, 1], config.bits);
      if (!config.residual) {
        x = y;
        continue;
      }
      if (halves) {
        x = pool(`${prefix}.pool`, 'averagePool', x, poolPads, poolCountsPads);
        const [, height, width] = shapeOf(x);
        x = plain(`${prefix}.widen`, 'widen', [x], [channels, height, width]);
      }
      const [shortcut, branch] = [shapeOf(x).join(', '), shapeOf(y).join(', ')];
      if (shortcut !== branch)
        throw new InputError('configuration', `${prefix}.add`, `expected a shortcut of [${branch}], got [${shortcut}]`);
      x = plain(`${prefix}.add`, 'add', [x, y], shapeOf(y));
    }
  }

  x = conv('head.conv', activate('head', '', x), config.classes, 1, 1, [0, 0, 0, 0], config.endBits);
  if (config.activation === 'norm-relu') x = norm('head.norm1', x, config.affine === 'last');
  x = plain('head.pool', 'globalPool', [x], [config.classes, 1, 1]);
  if (config.logitsDivisor !== 1) {
    push({ name: 'head.divide', op: 'divide', inputs: [x], shape: [config.classes, 1, 1], divisor: config.logitsDivisor });
  }
  return list;
}

/**
 * Parameters of one layer. A 1-bit convolution has `kernel` (bits, OIHW) and `scale` (shape [] or
 * [outputs, 1, 1, 1]). A float convolution has only `kernel`. A norm has `mean` and `variance`, and `gamma` and `beta` if affine.
 */
export function parametersOf(layer: Layer, config: NetworkConfig): Parameter[] {
  const [channels] = layer.shape;
  const named = (field: string, shape: readonly number[], dtype: Parameter['dtype'] = 'float32') => ({
    name: `${layer.name}.${field}`,
    shape,
    dtype,
  });
  if (layer.op === 'norm') {
    return ['mean', 'variance', ...(layer.affine ? ['gamma', 'beta'] : [])].map((field) => named(field, [channels]));
  }
  if (layer.op !== 'conv') return [];
  const shape = [channels, layer.inputChannels, layer.kernel, layer.kernel];
  if (layer.bits === 32) return [named('kernel', shape)];
  return [named('kernel', shape, 'bits'), named('scale', config.scale === 'mean-channel' ? [channels, 1, 1, 1] : [])];
}

/**
 * Every parameter of the network, in order of execution.
 * @example
 * for (const { name, shape } of parameters(model.config)) console.log(name, shape, model.tensors.get(name)?.dtype);
 */
export function parameters(config: NetworkConfig): Parameter[] {
  return layers(config).flatMap((layer) => parametersOf(layer, config));
}

/**
 * Number of weights in all convolutions.
 * @example
 * weightCount(defaultConfig); // 26_737_120, the paper's WRN-20-10
 */
export function weightCount(config: NetworkConfig): number {
  const counts = layers(config).map((layer) => (layer.op === 'conv' ? layer.shape[0] * layer.inputChannels * layer.kernel ** 2 : 0));
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Multiply-accumulates of one layer per image; 0 for all layers except convolutions. */
export function multiplyAccumulates(layer: Layer): number {
  if (layer.op !== 'conv') return 0;
  const [channels, height, width] = layer.shape;
  return channels * height * width * layer.inputChannels * layer.kernel * layer.kernel;
}
