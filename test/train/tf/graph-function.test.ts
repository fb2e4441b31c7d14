/** A recorded function gives what the function itself gives: by op, by kind of attribute, by shape. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import { randomStream } from '../../../src/data/random.ts';
import { UsageError } from '../../../src/errors.ts';
import { defaultConfig, type NetworkConfig } from '../../../src/network/config.ts';
import { lower, measuringNorm, storedNorm } from '../../../src/train/network/lower.ts';
import { ops } from '../../../src/train/network/ops.ts';
import { trainingStep } from '../../../src/train/network/step.ts';
import { learned, momentNames } from '../../../src/train/network/variables.ts';
import { graphFunction } from '../../../src/train/tf/graph-function.ts';
import { record, type TensorFunction } from '../../../src/train/tf/record.ts';
import type { Attribute, Tensor, TensorFlow } from '../../../src/train/tf/tensorflow.ts';
import { testWithTensorFlow } from '../tensorflow.ts';

function normal(tf: TensorFlow, shape: readonly number[], seed = 1): Tensor {
  const random = randomStream(seed);
  const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal());
  return tf.tensor(values, shape, 'float32');
}

interface Row {
  readonly name: string;
  readonly inputs: readonly (readonly number[])[];
  readonly body: (tf: TensorFlow, ...x: Tensor[]) => Tensor;
  /** False: no gradient is defined. */
  readonly gradient?: false;
}

const at = (x: readonly Tensor[], i: number) => x[i] as Tensor;
const convInputs = [
  [2, 8, 8, 3],
  [3, 3, 3, 4],
];
const image = [[2, 8, 8, 3]];

/** All that the lowering and the step are made of; the last test holds that no op is left out. */
const rows: readonly Row[] = [
  { name: 'conv, SAME', inputs: convInputs, body: (tf, ...x) => ops(tf).conv(at(x, 0), at(x, 1), 1, [1, 1, 1, 1]) },
  { name: 'conv, explicit pads', inputs: convInputs, body: (tf, ...x) => ops(tf).conv(at(x, 0), at(x, 1), 2, [1, 1, 1, 1]) },
  {
    name: 'conv of many channels',
    inputs: [
      [2, 16, 16, 64],
      [3, 3, 64, 64],
    ],
    body: (tf, ...x) => ops(tf).conv(at(x, 0), at(x, 1), 1, [1, 1, 1, 1]),
  },
  {
    name: 'batch norm',
    inputs: [[2, 4, 4, 3], [3], [3]],
    body: (tf, ...x) => ops(tf).batchNorm(at(x, 0), at(x, 1), at(x, 2), 1e-5),
  },
  {
    name: 'batch norm and relu, which TensorFlow fuses',
    inputs: [[2, 4, 4, 8], [8], [8]],
    body: (tf, ...x) => ops(tf).relu(ops(tf).batchNorm(at(x, 0), at(x, 1), at(x, 2), 1e-5)),
  },
  {
    name: 'measured batch norm',
    inputs: [[2, 4, 4, 3], [3], [3]],
    body: (tf, ...x) => {
      const { y, mean, variance } = ops(tf).measuredBatchNorm(at(x, 0), at(x, 1), at(x, 2), 1e-5);
      return tf.add(tf.add(y, mean), variance);
    },
    gradient: false,
  },
  {
    name: 'stored batch norm',
    inputs: [[2, 4, 4, 3], [3], [3], [3], [3]],
    body: (tf, ...x) => ops(tf).storedBatchNorm(at(x, 0), at(x, 1), at(x, 2), at(x, 3), tf.abs(at(x, 4)), 1e-5),
    gradient: false,
  },
  { name: 'relu', inputs: [[2, 5]], body: (tf, ...x) => ops(tf).relu(at(x, 0)) },
  { name: 'shifted relu', inputs: [[2, 5]], body: (tf, ...x) => ops(tf).shiftedRelu(at(x, 0)) },
  { name: 'binarize', inputs: [[3, 3, 2, 2]], body: (tf, ...x) => ops(tf).binarize(at(x, 0), tf.scalar(0.25)) },
  {
    name: 'binarize by the mean of the layer',
    inputs: [[3, 3, 2, 2]],
    body: (tf, ...x) => ops(tf).binarize(at(x, 0), ops(tf).meanScale(at(x, 0), 'layer')),
  },
  {
    name: 'binarize by the mean of each channel',
    inputs: [[3, 3, 2, 2]],
    body: (tf, ...x) => ops(tf).binarize(at(x, 0), ops(tf).meanScale(at(x, 0), 'channel')),
  },
  { name: 'average pool', inputs: image, body: (tf, ...x) => ops(tf).pool('averagePool', at(x, 0), 3, 2, [0, 0, 1, 1], false) },
  {
    name: 'average pool, pads at both ends',
    inputs: image,
    body: (tf, ...x) => ops(tf).pool('averagePool', at(x, 0), 3, 2, [1, 1, 1, 1], false),
  },
  { name: 'max pool', inputs: image, body: (tf, ...x) => ops(tf).pool('maxPool', at(x, 0), 3, 2, [1, 1, 1, 1], false) },
  { name: 'widen', inputs: image, body: (tf, ...x) => ops(tf).widen(at(x, 0)) },
  { name: 'global pool', inputs: image, body: (tf, ...x) => tf.mean(at(x, 0), [1, 2]) },
  {
    name: 'standardize',
    inputs: image,
    body: (tf, ...x) => tf.div(tf.sub(at(x, 0), tf.tensor([1, 2, 3], [3])), tf.tensor([4, 5, 6], [3])),
  },
  {
    name: 'cross entropy',
    inputs: [[4, 5]],
    body: (tf, ...x) => ops(tf).crossEntropy(at(x, 0), tf.tensor([0, 2, 4, 1], [4], 'int32')),
  },
  {
    name: 'number of errors',
    inputs: [[4, 5]],
    body: (tf, ...x) => {
      const wrong = tf.notEqual(tf.argMax(at(x, 0), 1), tf.tensor([0, 2, 4, 1], [4], 'int32'));
      return tf.stack([tf.sum(tf.cast(wrong, 'float32')), tf.scalar(4)]);
    },
    gradient: false,
  },
];

/** The row's result and, where it has one, the gradient of a function of it for every input. */
function resultAndGradients({ body, gradient }: Row): (tf: TensorFlow, ...x: Tensor[]) => Tensor[] {
  return (tf, ...x) => {
    const result = body(tf, ...x);
    if (gradient === false) return [result];
    const square = (y: Tensor) => tf.sum(tf.mul(y, y));
    return [result, ...tf.valueAndGrads((...x) => square(body(tf, ...x)))(x).grads];
  };
}

for (const row of rows) {
  testWithTensorFlow(`${row.name}: graph equals function`, (tf) => {
    const before = tf.memory().numTensors;
    const body = resultAndGradients(row);
    const x = row.inputs.map((shape, i) => normal(tf, shape, i + 1));
    const graph = graphFunction(tf, (...args) => body(tf, ...args));
    const eager = tf.tidy(() => body(tf, ...x));
    const results = graph(...x);
    expect(results.length).toBe(eager.length);
    for (const [n, expected] of eager.entries()) {
      const got = results[n] as Tensor;
      expect(got.shape).toEqual(expected.shape);
      expect(got.dtype).toBe(expected.dtype);
      const values = got.dataSync();
      expect(values.length).toBeGreaterThan(0);
      for (const [i, value] of expected.dataSync().entries()) {
        const error = Math.abs((values[i] as number) - value);
        expect(error, `result ${n}, element ${i}`).toBeLessThan(1e-5 * Math.max(1, Math.abs(value)));
      }
    }
    tf.dispose([...x, ...eager, ...results]);
    graph.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
}

testWithTensorFlow('these are all ops that networks run, in training, measuring and inference', (tf) => {
  const small: NetworkConfig = { ...defaultConfig, depth: 8, width: 0.25, input: { channels: 3, height: 8, width: 8 } };
  const imagenet: NetworkConfig = { ...small, stem: 'imagenet', depth: 10, width: 1 / 64, input: { channels: 3, height: 32, width: 32 } };
  const variants: Partial<NetworkConfig>[] = [
    {},
    { width: 4, input: { channels: 3, height: 16, width: 16 } },
    { bits: 32, endBits: 32, residual: false, affine: 'all', inputRelu: true },
    { scale: 'mean-layer' },
    { scale: 'mean-channel', downsample: { convPads: [1, 1, 1, 1], poolPads: [1, 1, 1, 1], poolCountsPads: true } },
    { activation: 'shifted-relu', logitsDivisor: 10, inputNorm: { mean: [1, 2, 3], std: [4, 5, 6] } },
  ];
  const run = new Set<string>();
  const tested = new Set<string>();
  const note = (ops: Set<string>, body: TensorFunction, inputs: readonly Tensor[]) => {
    for (const { op } of record(tf, body, inputs).nodes) ops.add(op);
  };
  tf.tidy(() => {
    for (const row of rows)
      note(
        tested,
        (...x) => resultAndGradients(row)(tf, ...x),
        row.inputs.map((shape) => normal(tf, shape)),
      );
    for (const config of [...variants.map((change) => ({ ...small, ...change })), imagenet]) {
      const { channels, height, width } = config.input;
      const images = normal(tf, [2, height, width, channels]);
      const weights = learned(config).map(({ shape }) => normal(tf, shape));
      const momenta = learned(config).map(({ shape }) => normal(tf, shape));
      const labels = tf.tensor([1, 2], [2], 'int32');
      note(run, trainingStep(tf, config, { momentum: 0.9, weightDecay: 5e-4 }), [images, labels, tf.scalar(0.1), ...weights, ...momenta]);
      const moments = new Map<string, Tensor>();
      const named = new Map(learned(config).map(({ name }, i) => [name, weights[i] as Tensor]));
      const measuring = lower(
        tf,
        config,
        measuringNorm((name, value) => moments.set(name, value)),
      );
      note(run, (x) => [measuring(x as Tensor, named), ...moments.values()], [images]);
      const stored = new Map(momentNames(config).map((name) => [name, tf.fill(moments.get(name)?.shape ?? [], 1)]));
      note(run, (x) => [lower(tf, config, storedNorm)(x as Tensor, new Map([...named, ...stored]))], [images]);
    }
  });
  expect([...run].filter((op) => !tested.has(op))).toEqual([]);
  expect(run.size).toBeGreaterThan(25);
});

testWithTensorFlow('every kind of attribute keeps its value', (tf) => {
  const backend = tf.backend();
  const { binding } = backend;
  const placeholder = { name: 'T', type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT };
  const kinds: [Attribute, object][] = [
    [{ name: 'a', type: binding.TF_ATTR_STRING, value: 'SAME' }, { s: Buffer.from('SAME') }],
    [{ name: 'a', type: binding.TF_ATTR_INT, value: 3 }, { i: 3 }],
    [{ name: 'a', type: binding.TF_ATTR_INT, value: [1, 2] }, { list: { i: [1, 2] } }],
    [{ name: 'a', type: binding.TF_ATTR_FLOAT, value: 0.5 }, { f: 0.5 }],
    [{ name: 'a', type: binding.TF_ATTR_BOOL, value: false }, { b: false }],
    [placeholder, { type: binding.TF_FLOAT }],
    [{ name: 'a', type: binding.TF_ATTR_SHAPE, value: [2, 3] }, { shape: { dim: [{ size: 2 }, { size: 3 }] } }],
  ];
  const x = tf.tensor([1], [1], 'float32');
  const { executeSingleOutput } = backend;
  try {
    for (const [attribute, expected] of kinds) {
      backend.executeSingleOutput = () => tf.tensor([1], [1], 'float32'); // whatever the op: what is recorded is at test
      const { nodes } = record(tf, (t) => [backend.executeSingleOutput('Any', [attribute], [t as Tensor])], [x]);
      expect(nodes.at(-1)?.attr).toEqual({ [attribute.name]: expected });
    }
    const odd = { name: 'a', type: -1, value: 0 };
    expect(() => record(tf, (t) => [backend.executeSingleOutput('Any', [odd], [t as Tensor])], [x])).toThrow('attribute a');
  } finally {
    backend.executeSingleOutput = executeSingleOutput;
    x.dispose();
  }
});

testWithTensorFlow('an op that TensorFlow refuses is its error, in the function and in the graph', (tf) => {
  const before = tf.memory().numTensors;
  const [x, y] = [tf.fill([2, 3], 1), tf.fill([5], 1)];
  const type = { name: 'T', type: tf.backend().binding.TF_ATTR_TYPE, value: tf.backend().binding.TF_FLOAT };
  const graph = graphFunction(tf, (a, b) => [tf.backend().executeSingleOutput('AddV2', [type], [a as Tensor, b as Tensor])]);
  expect(() => graph(x, y)).toThrow('Incompatible shapes');
  tf.dispose([x, y]);
  expect(tf.memory().numTensors).toBe(before);
});

testWithTensorFlow('an example that comes twice is refused', (tf) => {
  const x = tf.fill([2], 1);
  expect(() => record(tf, (a) => [a as Tensor], [x, x])).toThrow('expected each example tensor once');
  x.dispose();
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
  expect(() => record(tf, decides, [x])).toThrow('got a read of input0');
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

testWithTensorFlow('a temporary folder that is not there is one line', (tf) => {
  const graph = graphFunction(tf, (x) => [tf.add(x as Tensor, 1)]);
  const x = tf.scalar(1);
  vi.stubEnv('TMPDIR', join(tmpdir(), 'no-such'));
  try {
    expect(() => graph(x)).toThrow(UsageError);
    expect(() => graph(x)).toThrow(/^graph: cannot be written into .*no-such, the folder does not exist\. /);
  } finally {
    vi.unstubAllEnvs();
    x.dispose();
  }
});

testWithTensorFlow('after dispose a call is refused', (tf) => {
  const graph = graphFunction(tf, (x) => [tf.add(x as Tensor, 1)]);
  graph.dispose();
  const x = tf.scalar(1);
  expect(() => graph(x)).toThrow(UsageError);
  x.dispose();
});
