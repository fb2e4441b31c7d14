/** A recorded function gives what the function itself gives: by op, by kind of attribute, by shape. */
import { expect } from 'vitest';
import { UsageError } from '../../src/errors.ts';
import { graphFunction } from '../../src/train/graph/graph-function.ts';
import { record } from '../../src/train/graph/record.ts';
import { ops } from '../../src/train/ops.ts';
import { randomStream } from '../../src/train/random.ts';
import type { Tensor, TensorFlow } from '../../src/train/tensorflow.ts';
import { testWithTensorFlow } from './tensorflow.ts';

function normal(tf: TensorFlow, shape: readonly number[], seed = 1): Tensor {
  const random = randomStream(seed);
  const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal());
  return tf.tensor(values, shape, 'float32');
}

interface Row {
  readonly name: string;
  readonly inputs: readonly (readonly number[])[];
  readonly body: (tf: TensorFlow, ...x: Tensor[]) => Tensor;
}

/** Every op of the lowering, and each kind of attribute: type, number, list of numbers, float, flag, text. */
const rows: readonly Row[] = [
  {
    name: 'conv, SAME',
    inputs: [
      [2, 8, 8, 3],
      [3, 3, 3, 4],
    ],
    body: (tf, x, w) => ops(tf).conv(x as Tensor, w as Tensor, 1, [1, 1, 1, 1]),
  },
  {
    name: 'conv, explicit pads',
    inputs: [
      [2, 8, 8, 3],
      [3, 3, 3, 4],
    ],
    body: (tf, x, w) => ops(tf).conv(x as Tensor, w as Tensor, 2, [1, 1, 1, 1]),
  },
  {
    name: 'batch norm',
    inputs: [[2, 4, 4, 3], [3], [3]],
    body: (tf, x, g, b) => ops(tf).batchNorm(x as Tensor, g as Tensor, b as Tensor, 1e-5),
  },
  {
    name: 'measured batch norm',
    inputs: [[2, 4, 4, 3], [3], [3]],
    body: (tf, x, g, b) => {
      const { y, mean, variance } = ops(tf).measuredBatchNorm(x as Tensor, g as Tensor, b as Tensor, 1e-5);
      return tf.add(tf.add(y, mean), variance);
    },
  },
  { name: 'relu', inputs: [[2, 5]], body: (tf, x) => ops(tf).relu(x as Tensor) },
  { name: 'shifted relu', inputs: [[2, 5]], body: (tf, x) => ops(tf).shiftedRelu(x as Tensor) },
  { name: 'binarize', inputs: [[3, 3, 2, 2]], body: (tf, w) => ops(tf).binarize(w as Tensor, tf.scalar(0.25)) },
  { name: 'mean scale', inputs: [[3, 3, 2, 2]], body: (tf, w) => ops(tf).meanScale(w as Tensor, 'channel') },
  { name: 'average pool', inputs: [[2, 8, 8, 3]], body: (tf, x) => ops(tf).pool('averagePool', x as Tensor, 3, 2, [0, 0, 1, 1], false) },
  {
    name: 'average pool, pads at both ends',
    inputs: [[2, 8, 8, 3]],
    body: (tf, x) => ops(tf).pool('averagePool', x as Tensor, 3, 2, [1, 1, 1, 1], false),
  },
  { name: 'max pool', inputs: [[2, 8, 8, 3]], body: (tf, x) => ops(tf).pool('maxPool', x as Tensor, 3, 2, [1, 1, 1, 1], false) },
  { name: 'widen', inputs: [[2, 4, 4, 3]], body: (tf, x) => tf.concat([x as Tensor, tf.zerosLike(x as Tensor)], 3) },
  { name: 'cross entropy', inputs: [[4, 5]], body: (tf, x) => ops(tf).crossEntropy(x as Tensor, tf.tensor([0, 2, 4, 1], [4], 'int32')) },
  { name: 'booleans', inputs: [[4]], body: (tf, x) => tf.cast(tf.greaterEqual(x as Tensor, 0), 'float32') },
];

for (const { name, inputs, body } of rows) {
  testWithTensorFlow(`${name}: graph equals function`, (tf) => {
    const before = tf.memory().numTensors;
    const x = inputs.map((shape, i) => normal(tf, shape, i + 1));
    const graph = graphFunction(tf, (...args) => [body(tf, ...args)]);
    const eager = tf.tidy(() => body(tf, ...x));
    const [result] = graph(...x) as [Tensor];
    expect(result.shape).toEqual(eager.shape);
    expect(result.dtype).toBe(eager.dtype);
    const [expected, got] = [eager.dataSync(), result.dataSync()];
    expect(got.length).toBeGreaterThan(0);
    for (const [i, value] of expected.entries()) expect(got[i]).toBeCloseTo(value, 5);
    tf.dispose([...x, eager, result]);
    graph.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
}

testWithTensorFlow('gradients are part of the graph', (tf) => {
  const graph = graphFunction(tf, (x, w) => {
    const { value, grads } = tf.valueAndGrads((w) => tf.sum(ops(tf).relu(ops(tf).conv(x as Tensor, w as Tensor, 1, [1, 1, 1, 1]))))([
      w as Tensor,
    ]);
    return [value, ...grads];
  });
  const inputs = [normal(tf, [1, 4, 4, 2]), normal(tf, [3, 3, 2, 2], 2)];
  const [value, gradient] = graph(...inputs) as [Tensor, Tensor];
  expect(value.shape).toEqual([]);
  expect(gradient.shape).toEqual([3, 3, 2, 2]);
  tf.dispose([...inputs, value, gradient]);
  graph.dispose();
});

testWithTensorFlow('a new shape is recorded anew, an old one is not', (tf) => {
  let calls = 0;
  const graph = graphFunction(tf, (x) => {
    calls++;
    return [tf.sum(x as Tensor)];
  });
  for (const length of [3, 4, 3, 4, 4]) {
    const x = tf.fill([length], 2);
    const [sum] = graph(x) as [Tensor];
    expect(sum.dataSync()[0]).toBe(2 * length);
    tf.dispose([x, sum]);
  }
  expect(calls).toBe(2);
  graph.dispose();
});

testWithTensorFlow('a captured tensor is a constant of the graph', (tf) => {
  const captured = tf.tensor([1, 2, 3], [3], 'float32');
  const graph = graphFunction(tf, (x) => [tf.mul(x as Tensor, captured)]);
  const x = tf.tensor([4, 5, 6], [3], 'float32');
  tf.dispose(graph(x));
  captured.dispose();
  const [y] = graph(x) as [Tensor];
  expect([...y.dataSync()]).toEqual([4, 10, 18]);
  tf.dispose([x, y]);
  graph.dispose();
});

testWithTensorFlow('an input may be a result, and a result may come twice', (tf) => {
  const graph = graphFunction(tf, (x) => {
    const y = tf.add(x as Tensor, 1);
    return [x as Tensor, y, y];
  });
  const x = tf.tensor([1], [1], 'float32');
  const results = graph(x);
  expect(results.map((r) => r.dataSync()[0])).toEqual([1, 2, 2]);
  tf.dispose([x, ...results]);
  graph.dispose();
});

testWithTensorFlow('reading a value inside the function is refused, and the backend is as before', (tf) => {
  const x = tf.tensor([1], [1], 'float32');
  const decides = (t: Tensor | undefined) => (((t as Tensor).dataSync()[0] as number) > 0 ? [t as Tensor] : []);
  expect(() => record(tf, (t) => decides(tf.add(t as Tensor, 1)), [x])).toThrow(UsageError);
  expect(() => record(tf, decides, [x])).toThrow('reads the value of input0');
  const y = tf.add(x, 1);
  expect(y.dataSync()[0]).toBe(2);
  tf.dispose([x, y]);
});

testWithTensorFlow('an error of the function passes, and nothing stays recorded', (tf) => {
  const before = tf.memory().numTensors;
  const x = tf.tensor([1, 2], [2], 'float32');
  const graph = graphFunction(tf, (t) => {
    tf.add(t as Tensor, 1);
    throw new RangeError('no');
  });
  expect(() => graph(x)).toThrow(RangeError);
  x.dispose();
  expect(tf.memory().numTensors).toBe(before);
});

testWithTensorFlow('after dispose a call is refused', (tf) => {
  const graph = graphFunction(tf, (x) => [tf.add(x as Tensor, 1)]);
  graph.dispose();
  const x = tf.scalar(1);
  expect(() => graph(x)).toThrow(UsageError);
  x.dispose();
});
