/** The tfjs lowering of the topology: images NHWC, kernels HWIO. */
import type { NetworkConfig } from '../../network/config.ts';
import { type ConvLayer, IMAGES, type Layer, layers, type NormLayer } from '../../network/topology.ts';
import type { Tensor, TensorFlow } from '../tf/tensorflow.ts';
import { type Ops, ops } from './ops.ts';

/** Variables by name (`group0.block1.conv0.kernel`): latent kernels, HWIO; gamma, beta, mean and variance, [channels]. */
export type Variables = ReadonlyMap<string, Tensor>;

/** Returns a variable of the current layer by field. */
type Field = (field: string) => Tensor;

/** A kind of batch norm. Gamma and beta are 1 and 0 if the layer does not learn them. */
export type Norm = (op: Ops, layer: NormLayer, x: Tensor, gamma: Tensor, beta: Tensor, variable: Field) => Tensor;

/** Normalises by the batch moments, for training. */
export const batchNorm: Norm = (op, { epsilon }, x, gamma, beta) => op.batchNorm(x, gamma, beta, epsilon);

/** Normalises by the variables `*.mean` and `*.variance`, for inference. */
export const storedNorm: Norm = (op, { epsilon }, x, gamma, beta, variable) =>
  op.storedBatchNorm(x, gamma, beta, variable('mean'), variable('variance'), epsilon);

/** Normalises by the batch moments and reports them by parameter name: `input.norm.mean`, `input.norm.variance`. */
export function measuringNorm(found: (parameter: string, value: Tensor) => void): Norm {
  return (op, { name, epsilon }, x, gamma, beta) => {
    const { y, mean, variance } = op.measuredBatchNorm(x, gamma, beta, epsilon);
    found(`${name}.mean`, mean);
    found(`${name}.variance`, variance);
    return y;
  };
}

/**
 * The network as a function of raw pixels 0..255, shape [batch, height, width, channels].
 * @returns logits, shape [batch, classes]
 */
export function lower(tf: TensorFlow, config: NetworkConfig, norm: Norm): (imagesNHWC: Tensor, variables: Variables) => Tensor {
  const op = ops(tf);
  const list = layers(config);
  return (imagesNHWC, variables) => {
    const values = new Map<string, Tensor>([[IMAGES, imagesNHWC]]);
    let value = imagesNHWC;
    for (const layer of list) {
      const inputs = layer.inputs.map((name) => values.get(name) as Tensor);
      value = apply(tf, op, config, norm, layer, inputs, (field) => variables.get(`${layer.name}.${field}`) as Tensor);
      values.set(layer.name, value);
    }
    return value;
  };
}

function apply(
  tf: TensorFlow,
  op: Ops,
  config: NetworkConfig,
  norm: Norm,
  layer: Layer,
  inputs: readonly Tensor[],
  variable: Field,
): Tensor {
  const [x, y] = inputs as [Tensor, Tensor];
  const [channels] = layer.shape;
  switch (layer.op) {
    case 'conv':
      return op.conv(x, kernelOf(tf, op, config, layer, variable('kernel')), layer.stride, layer.pads);
    case 'norm': {
      const gamma = layer.affine ? variable('gamma') : tf.fill([channels], 1);
      const beta = layer.affine ? variable('beta') : tf.fill([channels], 0);
      return norm(op, layer, x, gamma, beta, variable);
    }
    case 'standardize':
      return tf.div(tf.sub(x, tf.tensor(layer.mean, [channels])), tf.tensor(layer.std, [channels]));
    case 'relu':
      return op.relu(x);
    case 'shiftedRelu':
      return op.shiftedRelu(x);
    case 'averagePool':
    case 'maxPool':
      return op.pool(layer.op, x, layer.kernel, layer.stride, layer.pads, layer.countsPads);
    case 'widen':
      return op.widen(x);
    case 'add':
      return tf.add(x, y);
    case 'globalPool':
      return tf.mean(x, [1, 2]);
    case 'divide':
      return tf.div(x, layer.divisor);
  }
}

/** The kernel of a convolution: the latent kernel itself, or its signs times He's constant or BWN's mean. */
function kernelOf(tf: TensorFlow, op: Ops, { scale }: NetworkConfig, { bits, heScale }: ConvLayer, latent: Tensor): Tensor {
  if (bits === 32) return latent;
  if (scale === 'he') return op.binarize(latent, tf.scalar(heScale));
  return op.binarize(latent, op.meanScale(latent, scale === 'mean-layer' ? 'layer' : 'channel'));
}
