/** Steps as a graph and as eager ops, memory, and that a network learns. */
import { expect } from 'vitest';
import { randomStream } from '../../../src/data/random.ts';
import { defaultConfig } from '../../../src/network/config.ts';
import { Learner, trainingStep } from '../../../src/train/network/step.ts';
import { initialWeights, learned } from '../../../src/train/network/variables.ts';
import { testWithTensorFlow } from '../tensorflow.ts';

const config = { ...defaultConfig, depth: 8, width: 0.5, affine: 'all' as const, input: { channels: 3, height: 8, width: 8 } };
const descent = { momentum: 0.9, weightDecay: 5e-4 };
const variables = learned(config);
const weights = () => initialWeights(variables, randomStream(1));
const zeros = () => weights().map(({ length }) => new Float32Array(length));
const shape = [20, 8, 8, 3];
const labels = Int32Array.from({ length: 20 }, (_, i) => i % 10);
const random = randomStream(2);
const images = Float32Array.from({ length: 20 * 192 }, (_, i) => random.integer(64) + 19 * (Math.floor(i / 192) % 10));

testWithTensorFlow('a step of the graph equals the eager step', (tf) => {
  const learner = new Learner(tf, config, descent, weights(), zeros());
  const { loss } = learner.step(images, shape, labels, 0.1);
  const { weights: graphWeights, momenta: graphMomenta } = learner.read();
  learner.dispose();
  tf.tidy(() => {
    const tensors = (values: readonly Float32Array[]) => variables.map((v, i) => tf.tensor(values[i] as Float32Array, v.shape, 'float32'));
    const inputs = [tf.tensor(images, shape, 'float32'), tf.tensor(labels, [20], 'int32'), tf.scalar(0.1)];
    const [report, ...state] = trainingStep(tf, config, descent)(...inputs, ...tensors(weights()), ...tensors(zeros()));
    expect(report?.dataSync()[0]).toBeCloseTo(loss, 6);
    for (const [i, expected] of [...graphWeights, ...graphMomenta].entries()) {
      const got = state[i]?.dataSync() ?? [];
      expect(got.length).toBe(expected.length);
      for (const [k, value] of expected.entries()) expect(Math.abs((got[k] as number) - value)).toBeLessThan(1e-5 + 1e-4 * Math.abs(value));
    }
  });
});

testWithTensorFlow('200 steps keep no tensor, and the network learns its batch', (tf) => {
  const before = tf.memory().numTensors;
  const learner = new Learner(tf, config, descent, weights(), zeros());
  const first = learner.step(images, shape, labels, 0.1);
  const held = tf.memory();
  let last = first;
  for (let i = 0; i < 200; i++) last = learner.step(images, shape, labels, 0.05);
  expect(tf.memory()).toEqual(held);
  expect(last.loss).toBeLessThan(first.loss / 4);
  expect(last.errors).toBeLessThan(first.errors);
  learner.dispose();
  expect(tf.memory().numTensors).toBe(before);
});
