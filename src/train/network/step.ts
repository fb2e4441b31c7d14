/** A training step as a pure function, run as a TensorFlow graph. */
import type { NetworkConfig } from '../../network/config.ts';
import type { SoftTargets, Teaching } from '../batches/teacher.ts';
import { type GraphFunction, graphFunction } from '../tf/graph-function.ts';
import type { TensorFunction } from '../tf/record.ts';
import type { Tensor, TensorFlow } from '../tf/tensorflow.ts';
import { batchNorm, lower } from './lower.ts';
import { ops } from './ops.ts';
import { learned } from './variables.ts';

/** Settings of stochastic gradient descent with momentum and weight decay. */
export interface Descent {
  readonly momentum: number;
  readonly weightDecay: number;
  /** Absent when the labels alone teach. */
  readonly teacher?: Pick<Teaching, 'weight' | 'temperature'>;
}

/**
 * The step (images [batch, height, width, channels], labels int32 [batch], rate [], weights..., momenta...) ->
 * ([mean loss, number of errors, sum of the new weights], weights..., momenta...), with weights in the order of `learned`:
 *
 *     m <- momentum * m + dL/dW + weightDecay * W,   W <- W - rate * m
 *
 * Weight decay acts on kernels, not on gamma and beta. With a teacher, L is that of `Teaching`; its probabilities follow the rate,
 * and the mean cross entropy with them follows the sum.
 */
export function trainingStep(tf: TensorFlow, config: NetworkConfig, { momentum, weightDecay, teacher }: Descent): TensorFunction {
  const variables = learned(config);
  const forward = lower(tf, config, batchNorm);
  const { crossEntropy, softCrossEntropy } = ops(tf);
  return (images, labels, rate, ...rest) => {
    const [probabilities, state] = teacher ? [rest[0], rest.slice(1)] : [undefined, rest];
    const weights = state.slice(0, variables.length);
    const momenta = state.slice(variables.length);
    let seen: Tensor[] = [];
    const { grads } = tf.valueAndGrads((...current) => {
      const logits = forward(images as Tensor, new Map(variables.map(({ name }, i) => [name, current[i] as Tensor])));
      const errors = tf.sum(tf.cast(tf.notEqual(tf.argMax(logits, 1), labels as Tensor), 'float32'));
      const loss = crossEntropy(logits, labels as Tensor);
      const taught = teacher && softCrossEntropy(logits, probabilities as Tensor, teacher.temperature);
      // kept, because valueAndGrads disposes everything except its value
      seen = [loss, errors, ...(taught ? [taught] : [])].map((tensor) => tf.keep(tensor));
      return taught ? tf.add(tf.mul(loss, 1 - teacher.weight), tf.mul(taught, teacher.weight * teacher.temperature ** 2)) : loss;
    })(weights);
    const nextMomenta = momenta.map((m, i) => {
      const gradient = grads[i] as Tensor;
      const decayed = variables[i]?.decays ? tf.add(gradient, tf.mul(weights[i] as Tensor, weightDecay)) : gradient;
      return tf.add(tf.mul(m, momentum), decayed);
    });
    const nextWeights = weights.map((w, i) => tf.sub(w, tf.mul(nextMomenta[i] as Tensor, rate as Tensor)));
    const sum = tf.sum(tf.stack(nextWeights.map((w) => tf.sum(w))));
    const [loss, errors, ...taught] = seen as [Tensor, Tensor, ...Tensor[]];
    const report = tf.stack([loss, errors, sum, ...taught]);
    tf.dispose(seen);
    return [report, ...nextWeights, ...nextMomenta];
  };
}

export interface StepResult {
  /** Mean cross entropy with the labels over the batch. */
  readonly loss: number;
  /** Mean KL divergence from the teacher's answers, when there is a teacher. */
  readonly teacherLoss: number | undefined;
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

  /**
   * One step of gradient descent. Only three or four numbers are copied back from the native library.
   * @param targets the teacher's answers, if there is a teacher
   */
  step(imagesNHWC: Float32Array, shape: readonly number[], labels: Int32Array, rate: number, targets?: SoftTargets): StepResult {
    const tf = this.#tf;
    const count = labels.length;
    const inputs = [tf.tensor(imagesNHWC, shape, 'float32'), tf.tensor(labels, [count], 'int32'), tf.scalar(rate)];
    if (targets) inputs.push(tf.tensor(targets.probabilities, [count, targets.probabilities.length / count], 'float32'));
    const [report, ...next] = this.#step(...inputs, ...this.#state) as [Tensor, ...Tensor[]];
    const [loss, errors, sum, taught = 0] = report.dataSync();
    tf.dispose([...inputs, report, ...this.#state]);
    this.#state = next;
    const teacherLoss = targets && taught - targets.entropy;
    return { loss: loss as number, teacherLoss, errors: errors as number, finite: Number.isFinite(sum) };
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
