/**
 * The ops of a network with their gradients. Each is one or two native TensorFlow ops, where tfjs composes slow ones.
 * Tensors are NHWC, kernels HWIO. Op names and attributes follow TensorFlow's op registry.
 */
import type { Pads } from '../../network/config.ts';
import type { Attribute, Tensor, TensorFlow } from '../tf/tensorflow.ts';
import { filterGradient, filterGradientPays } from './filter-gradient.ts';

export type Ops = ReturnType<typeof ops>;

export function ops(tf: TensorFlow) {
  const backend = tf.backend();
  const { binding } = backend;
  const type = (name: string): Attribute => ({ name, type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT });
  const float = (name: string, value: number): Attribute => ({ name, type: binding.TF_ATTR_FLOAT, value });
  const flag = (name: string, value: boolean): Attribute => ({ name, type: binding.TF_ATTR_BOOL, value });
  const ints = (name: string, value: readonly number[]): Attribute => ({ name, type: binding.TF_ATTR_INT, value });
  const text = (name: string, value: string): Attribute => ({ name, type: binding.TF_ATTR_STRING, value });
  const nhwc = text('data_format', 'NHWC');

  const normAttributes = (epsilon: number, training: boolean) => [
    type('T'),
    type('U'),
    float('epsilon', epsilon),
    nhwc,
    flag('is_training', training),
  ];

  /** y, mean, unbiased variance, and three tensors for the gradient. */
  const fusedBatchNorm = (x: Tensor, gamma: Tensor, beta: Tensor, epsilon: number): Tensor[] => {
    const none = tf.tensor([], [0], 'float32');
    const attributes = [...normAttributes(epsilon, true), float('exponential_avg_factor', 1)];
    return backend.executeMultipleOutputs('FusedBatchNormV3', attributes, [x, gamma, beta, none, none], 6);
  };

  /** A function with a custom gradient, which may use the tensors that `forward` saves. */
  const withGradient = (
    inputs: readonly Tensor[],
    forward: (...inputs: Tensor[]) => {
      value: Tensor;
      keep: readonly Tensor[];
      gradient: (dy: Tensor, kept: Tensor[]) => Tensor | Tensor[];
    },
  ): Tensor =>
    tf.customGrad((...args) => {
      const save = args.pop() as (tensors: readonly Tensor[]) => void;
      const { value, keep, gradient } = forward(...(args as Tensor[]));
      save(keep);
      return { value, gradFunc: gradient };
    })(...inputs);

  return {
    /** Convolution without bias. `pads` are explicit; where they equal TensorFlow's SAME, it uses SAME. */
    conv(x: Tensor, kernel: Tensor, stride: number, pads: Pads): Tensor {
      const [, height = 0, width = 0] = x.shape;
      const [size = 0] = kernel.shape;
      const same = isSame(pads, size, stride, height, width);
      const [top, left, bottom, right] = pads;
      const attributes = [
        type('T'),
        ints('strides', [1, stride, stride, 1]),
        text('padding', same ? 'SAME' : 'EXPLICIT'),
        ...(same ? [] : [ints('explicit_paddings', [0, 0, top, bottom, left, right, 0, 0])]),
        nhwc,
        ints('dilations', [1, 1, 1, 1]),
      ];
      const byProducts = filterGradientPays(x, kernel, stride, pads);
      const shapes = { x: tf.tensor(x.shape, [4], 'int32'), kernel: tf.tensor(kernel.shape, [4], 'int32') };
      return withGradient([x, kernel], (x, kernel) => ({
        value: backend.executeSingleOutput('Conv2D', attributes, [x, kernel]),
        keep: [x, kernel, shapes.x, shapes.kernel],
        gradient: (dy, kept) => {
          const [x, kernel, xShape, kernelShape] = kept as [Tensor, Tensor, Tensor, Tensor];
          return [
            backend.executeSingleOutput('Conv2DBackpropInput', attributes, [xShape, kernel, dy]),
            byProducts
              ? filterGradient(tf, x, dy, size)
              : backend.executeSingleOutput('Conv2DBackpropFilter', attributes, [x, kernelShape, dy]),
          ];
        },
      }));
    },

    /** Batch norm with batch moments: gamma * (x - mean) / sqrt(variance + epsilon) + beta, per channel. */
    batchNorm(x: Tensor, gamma: Tensor, beta: Tensor, epsilon: number): Tensor {
      return withGradient([x, gamma, beta], (x, gamma, beta) => {
        const [value, , , ...reserved] = fusedBatchNorm(x, gamma, beta, epsilon);
        return {
          value: value as Tensor,
          keep: [x, gamma, ...reserved],
          gradient: (dy, kept) =>
            backend.executeMultipleOutputs('FusedBatchNormGradV3', normAttributes(epsilon, true), [dy, ...kept], 5).slice(0, 3),
        };
      });
    },

    /** The same, and also returns the moments: one value per channel, the variance unbiased. Has no gradient. */
    measuredBatchNorm(x: Tensor, gamma: Tensor, beta: Tensor, epsilon: number): { y: Tensor; mean: Tensor; variance: Tensor } {
      const [y, mean, variance] = fusedBatchNorm(x, gamma, beta, epsilon) as [Tensor, Tensor, Tensor];
      return { y, mean, variance };
    },

    /** Batch norm with stored moments. Has no gradient. */
    storedBatchNorm(x: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, variance: Tensor, epsilon: number): Tensor {
      const attributes = [...normAttributes(epsilon, false), float('exponential_avg_factor', 1)];
      const [y] = backend.executeMultipleOutputs('FusedBatchNormV3', attributes, [x, gamma, beta, mean, variance], 6);
      return y as Tensor;
    },

    /** max(0, x). */
    relu(x: Tensor): Tensor {
      return withGradient([x], (x) => {
        const value = backend.executeSingleOutput('Relu', [type('T')], [x as Tensor]);
        return { value, keep: [value], gradient: (dy, [y]) => backend.executeSingleOutput('ReluGrad', [type('T')], [dy, y as Tensor]) };
      });
    },

    /** max(-1, x) = relu(x + 1) - 1. */
    shiftedRelu(x: Tensor): Tensor {
      return tf.sub(this.relu(tf.add(x, 1)), 1);
    },

    /**
     * W_hat = s * sign(W), sign(0) = +1 (network/sign.ts). The gradient goes straight through sign and scale:
     * dL/dW = dL/dW_hat. `scale` is s, a tensor that broadcasts to the kernel.
     */
    binarize(weights: Tensor, scale: Tensor): Tensor {
      return withGradient([weights], (w) => ({
        value: tf.where(tf.greaterEqual(w as Tensor, 0), scale, tf.neg(scale)),
        keep: [],
        gradient: (dy) => dy,
      }));
    },

    /** BWN's scale: mean |W| of the layer (shape []), or of each output channel of a HWIO kernel (shape [1, 1, 1, outputs]). */
    meanScale(weights: Tensor, per: 'layer' | 'channel'): Tensor {
      return per === 'layer' ? tf.mean(tf.abs(weights)) : tf.mean(tf.abs(weights), [0, 1, 2], true);
    },

    /** 2-D pooling. An average divides by the kernel size, or by the number of pixels inside the image if `countsPads` is false. */
    pool(op: 'averagePool' | 'maxPool', x: Tensor, size: number, stride: number, pads: Pads, countsPads: boolean): Tensor {
      const [, height = 0, width = 0] = x.shape;
      const native = op === 'maxPool' ? tf.maxPool : tf.avgPool;
      if (isSame(pads, size, stride, height, width) && !countsPads) return native(x, size, stride, 'same');
      const [top, left, bottom, right] = pads;
      const axes = [
        [0, 0],
        [top, bottom],
        [left, right],
        [0, 0],
      ] as const;
      const padded = (image: Tensor) => tf.pad(image, axes, op === 'maxPool' ? LOWEST : 0);
      const y = native(padded(x), size, stride, 'valid');
      if (op === 'maxPool' || countsPads) return y;
      return tf.div(y, native(padded(tf.fill([1, height, width, 1], 1)), size, stride, 'valid'));
    },

    /** Doubles the channels; the new ones are zero. */
    widen(x: Tensor): Tensor {
      const [, , , channels = 0] = x.shape;
      return tf.pad(x, [...NONE, [0, channels]]);
    },

    /** Mean cross entropy of softmax(logits / temperature) and probabilities, both [batch, classes]. */
    softCrossEntropy(logits: Tensor, probabilities: Tensor, temperature: number): Tensor {
      return withGradient([logits], (x) => {
        const inputs = [tf.div(x as Tensor, temperature), probabilities];
        const [losses, gradient] = backend.executeMultipleOutputs('SoftmaxCrossEntropyWithLogits', [type('T')], inputs, 2) as [
          Tensor,
          Tensor,
        ];
        const each = tf.div(gradient, temperature * (x?.shape[0] ?? 1));
        return { value: tf.mean(losses), keep: [each], gradient: (dy, [each]) => tf.mul(each as Tensor, dy) };
      });
    },

    /** Mean softmax cross entropy of logits [batch, classes] and labels int32 [batch]. */
    crossEntropy(logits: Tensor, labels: Tensor): Tensor {
      const attributes = [type('T'), { name: 'Tlabels', type: binding.TF_ATTR_TYPE, value: binding.TF_INT32 }];
      return withGradient([logits], (x) => {
        const outputs = backend.executeMultipleOutputs('SparseSoftmaxCrossEntropyWithLogits', attributes, [x as Tensor, labels], 2);
        const [losses, gradient] = outputs as [Tensor, Tensor];
        const batch = x?.shape[0] ?? 1;
        return { value: tf.mean(losses), keep: [tf.div(gradient, batch)], gradient: (dy, [each]) => tf.mul(each as Tensor, dy) };
      });
    },
  };
}

/** No padding of batch, height and width. */
const NONE = [
  [0, 0],
  [0, 0],
  [0, 0],
] as const;

/** The lowest finite float32, which never wins a maximum. */
const LOWEST = -3.4028234663852886e38;

/** Whether these pads equal TensorFlow's SAME: the least padding that covers the image, with an odd pixel at the end. */
function isSame([top, left, bottom, right]: Pads, size: number, stride: number, height: number, width: number): boolean {
  const total = (length: number) => Math.max((Math.ceil(length / stride) - 1) * stride + size - length, 0);
  const fits = (before: number, after: number, length: number) =>
    before === Math.floor(total(length) / 2) && after === Math.ceil(total(length) / 2);
  return fits(top, bottom, height) && fits(left, right, width);
}
