/** Gradients of the ops against central differences, and the one that is defined otherwise against its definition. */
import { describe, expect } from 'vitest';
import { randomStream } from '../../../src/data/random.ts';
import { ops } from '../../../src/train/network/ops.ts';
import type { Tensor, TensorFlow } from '../../../src/train/tf/tensorflow.ts';
import { testWithTensorFlow } from '../tensorflow.ts';

const STEP = 1e-2;

interface Row {
  readonly name: string;
  readonly inputs: readonly (readonly number[])[];
  readonly body: (tf: TensorFlow, x: readonly Tensor[]) => Tensor;
}

const at = (x: readonly Tensor[], i: number) => x[i] as Tensor;
const conv = (name: string, stride: number, pads: [number, number, number, number]): Row => ({
  name,
  inputs: [
    [2, 6, 6, 2],
    [3, 3, 2, 3],
  ],
  body: (tf, x) => ops(tf).conv(at(x, 0), at(x, 1), stride, pads),
});

const rows: readonly Row[] = [
  conv('conv', 1, [1, 1, 1, 1]),
  conv('conv, stride 2, pads at the end', 2, [0, 0, 1, 1]),
  conv('conv, stride 2, pads at both ends', 2, [1, 1, 1, 1]),
  { name: 'batch norm', inputs: [[2, 4, 4, 3], [3], [3]], body: (tf, x) => ops(tf).batchNorm(at(x, 0), at(x, 1), at(x, 2), 1e-5) },
  { name: 'relu', inputs: [[3, 7]], body: (tf, x) => ops(tf).relu(at(x, 0)) },
  { name: 'shifted relu', inputs: [[3, 7]], body: (tf, x) => ops(tf).shiftedRelu(at(x, 0)) },
  { name: 'average pool', inputs: [[2, 6, 6, 2]], body: (tf, x) => ops(tf).pool('averagePool', at(x, 0), 3, 2, [0, 0, 1, 1], false) },
  {
    name: 'average pool, pads at both ends',
    inputs: [[2, 6, 6, 2]],
    body: (tf, x) => ops(tf).pool('averagePool', at(x, 0), 3, 2, [1, 1, 1, 1], false),
  },
  {
    name: 'average pool, pads counted',
    inputs: [[2, 6, 6, 2]],
    body: (tf, x) => ops(tf).pool('averagePool', at(x, 0), 3, 2, [1, 1, 1, 1], true),
  },
  { name: 'widen', inputs: [[2, 3, 3, 2]], body: (tf, x) => ops(tf).widen(at(x, 0)) },
  { name: 'cross entropy', inputs: [[4, 5]], body: (tf, x) => ops(tf).crossEntropy(at(x, 0), tf.tensor([0, 4, 2, 2], [4], 'int32')) },
];

describe('gradient equals central differences:', () => {
  for (const { name, inputs, body } of rows) {
    testWithTensorFlow(name, (tf) => {
      const random = randomStream(7);
      const values = inputs.map((shape) =>
        Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => awayFromKinks(random.normal())),
      );
      const tensors = (of: readonly Float32Array[]) => of.map((v, i) => tf.tensor(v, inputs[i] as number[], 'float32'));
      // a weighted sum, so that every output has a gradient of its own
      const weights = new Map<string, Tensor>();
      const scalar = (x: readonly Tensor[]) => {
        const y = body(tf, x);
        const shape = y.shape.join();
        const count = y.shape.reduce((a, b) => a * b, 1);
        if (!weights.has(shape))
          weights.set(
            shape,
            tf.keep(
              tf.tensor(
                Float32Array.from({ length: count }, () => random.normal()),
                y.shape,
                'float32',
              ),
            ),
          );
        return tf.sum(tf.mul(y, weights.get(shape) as Tensor));
      };
      const value = (of: readonly Float32Array[]) => tf.tidy(() => scalar(tensors(of)).dataSync()[0] as number);
      value(values); // draws the weights outside the gradient
      const gradients = tf.tidy(() =>
        tf
          .valueAndGrads((...x) => scalar(x))(tensors(values))
          .grads.map((g) => Float32Array.from(g.dataSync())),
      );
      for (const [i, gradient] of gradients.entries()) {
        for (let probe = 0; probe < Math.min(gradient.length, 12); probe++) {
          const k = gradient.length <= 12 ? probe : random.integer(gradient.length);
          const moved = (by: number) => values.map((v, j) => (j === i ? v.map((x, n) => (n === k ? x + by : x)) : v));
          const difference = (value(moved(STEP)) - value(moved(-STEP))) / (2 * STEP);
          expect(Math.abs((gradient[k] as number) - difference), `input ${i}, element ${k}`).toBeLessThan(
            2e-3 * Math.max(1, Math.abs(difference)) + 2e-3,
          );
        }
      }
      tf.dispose([...weights.values()]);
    });
  }
});

/** Away from 0 and -1, where relu and shifted relu have no derivative. */
function awayFromKinks(value: number): number {
  return Math.abs(value) < 0.1 || Math.abs(value + 1) < 0.1 ? value + 0.25 : value;
}

testWithTensorFlow('binarize: s * sign(w) with sign(0) = +1; the gradient passes unchanged', (tf) => {
  tf.tidy(() => {
    const w = tf.tensor([-2, -0.5, -0, 0, 0.5, 3], [6], 'float32');
    const upstream = tf.tensor([1, -2, 3, -4, 5, -6], [6], 'float32');
    const { value, grads } = tf.valueAndGrads((x) => tf.sum(tf.mul(ops(tf).binarize(x as Tensor, tf.scalar(0.25)), upstream)))([w]);
    expect([...ops(tf).binarize(w, tf.scalar(0.25)).dataSync()]).toEqual([-0.25, -0.25, 0.25, 0.25, 0.25, 0.25]);
    expect(value.dataSync()[0]).toBe(0.25 * (-1 + 2 + 3 - 4 + 5 - 6));
    expect([...(grads[0] as Tensor).dataSync()]).toEqual([1, -2, 3, -4, 5, -6]);
  });
});

testWithTensorFlow('widen: the channels as they are, then as many of zeros', (tf) => {
  tf.tidy(() => {
    const y = ops(tf).widen(tf.tensor([1, 2, 3, 4], [1, 1, 2, 2], 'float32'));
    expect(y.shape).toEqual([1, 1, 2, 4]);
    expect([...y.dataSync()]).toEqual([1, 2, 0, 0, 3, 4, 0, 0]);
  });
});

testWithTensorFlow('mean scale: of the layer and of each output channel', (tf) => {
  tf.tidy(() => {
    const w = tf.tensor([1, -2, 3, -4, 5, -6], [1, 1, 3, 2], 'float32');
    expect([...ops(tf).meanScale(w, 'layer').dataSync()]).toEqual([3.5]);
    expect([...ops(tf).meanScale(w, 'channel').dataSync()]).toEqual([3, 4]);
  });
});
