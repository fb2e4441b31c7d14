/** A training step as a pure function, run as a TensorFlow graph. */
import type { NetworkConfig } from '../network/config.ts';
import { batchNorm, lower } from './lower.ts';
import { ops } from './ops.ts';
import { type GraphFunction, graphFunction } from './tf/graph-function.ts';
import type { TensorFunction } from './tf/record.ts';
import type { Tensor, TensorFlow } from './tf/tensorflow.ts';
import { learned } from './variables.ts';

/** Momentum and weight decay of stochastic gradient descent. */
export interface Descent {
  readonly momentum: number;
  readonly weightDecay: number;
}

/**
 * The step (images [batch, height, width, channels], labels int32 [batch], rate [], weights..., momenta...) ->
 * ([mean loss, number of errors, sum of the new weights], weights..., momenta...), with weights in the order of `learned`:
 *
 *     m <- momentum * m + dL/dW + weightDecay * W,   W <- W - rate * m
 *
 * Weight decay acts on kernels, not on gamma and beta.
 */
export function trainingStep(tf: TensorFlow, config: NetworkConfig, { momentum, weightDecay }: Descent): TensorFunction {
  const variables = learned(config);
  const forward = lower(tf, config, batchNorm);
  const { crossEntropy } = ops(tf);
  return (images, labels, rate, ...state) => {
    const weights = state.slice(0, variables.length);
    const momenta = state.slice(variables.length);
    let errors: Tensor | undefined;
    const { value, grads } = tf.valueAndGrads((...current) => {
      const logits = forward(images as Tensor, new Map(variables.map(({ name }, i) => [name, current[i] as Tensor])));
      // kept, because valueAndGrads disposes everything except its value
      errors = tf.keep(tf.sum(tf.cast(tf.notEqual(tf.argMax(logits, 1), labels as Tensor), 'float32')));
      return crossEntropy(logits, labels as Tensor);
    })(weights);
    const nextMomenta = momenta.map((m, i) => {
      const gradient = grads[i] as Tensor;
      const decayed = variables[i]?.decays ? tf.add(gradient, tf.mul(weights[i] as Tensor, weightDecay)) : gradient;
      return tf.add(tf.mul(m, momentum), decayed);
    });
    const nextWeights = weights.map((w, i) => tf.sub(w, tf.mul(nextMomenta[i] as Tensor, rate as Tensor)));
    const sum = tf.sum(tf.stack(nextWeights.map((w) => tf.sum(w))));
    const report = tf.stack([value, errors as Tensor, sum]);
    tf.dispose(errors as Tensor);
    return [report, ...nextWeights, ...nextMomenta];
  };
}

export interface StepResult {
  /** Mean cross entropy over the batch. */
  readonly loss: number;
  /** Number of incorrectly classified images in the batch. */
  readonly errors: number;
  /** Whether the weights after the step are finite. The loss does not show it: it is from before the step, and with signs it stays finite. */
  readonly finite: boolean;
}

/** Weights and momenta during training. Owns its tensors. */
export class Learner {
  readonly #tf: TensorFlow;
  readonly #step: GraphFunction;
  readonly #count: number;
  /** Weights, then momenta, in the order of `learned`. */
  #state: Tensor[];

  constructor(tf: TensorFlow, config: NetworkConfig, descent: Descent, weights: readonly Float32Array[], momenta: readonly Float32Array[]) {
    const variables = learned(config);
    const tensors = (values: readonly Float32Array[]) =>
      variables.map(({ shape }, i) => tf.tensor(values[i] as Float32Array, shape, 'float32'));
    this.#tf = tf;
    this.#count = variables.length;
    this.#step = graphFunction(tf, trainingStep(tf, config, descent));
    this.#state = [...tensors(weights), ...tensors(momenta)];
  }

  /** One step of gradient descent. Only three numbers are copied back from the native library. */
  step(imagesNHWC: Float32Array, shape: readonly number[], labels: Int32Array, rate: number): StepResult {
    const tf = this.#tf;
    const inputs = [tf.tensor(imagesNHWC, shape, 'float32'), tf.tensor(labels, [labels.length], 'int32'), tf.scalar(rate)];
    const [report, ...next] = this.#step(...inputs, ...this.#state) as [Tensor, ...Tensor[]];
    const [loss, errors, sum] = report.dataSync();
    tf.dispose([...inputs, report, ...this.#state]);
    this.#state = next;
    return { loss: loss as number, errors: errors as number, finite: Number.isFinite(sum) };
  }

  /** The current weights, valid until the next step. */
  get weights(): readonly Tensor[] {
    return this.#state.slice(0, this.#count);
  }

  /** Copies of all values, in the order of `learned`. */
  read(): { weights: Float32Array[]; momenta: Float32Array[] } {
    const values = this.#state.map((tensor) => Float32Array.from(tensor.dataSync()));
    return { weights: values.slice(0, this.#count), momenta: values.slice(this.#count) };
  }

  dispose(): void {
    this.#step.dispose();
    this.#tf.dispose(this.#state);
    this.#state = [];
  }
}
