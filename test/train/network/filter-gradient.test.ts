/** The kernel's gradient as matrix products against TensorFlow's own op, and where it is used. */
import { describe, expect, test } from 'vitest';
import { randomStream } from '../../../src/data/random.ts';
import { filterGradient, filterGradientPays } from '../../../src/train/network/filter-gradient.ts';
import type { Tensor, TensorFlow } from '../../../src/train/tf/tensorflow.ts';
import { testWithTensorFlow } from '../tensorflow.ts';

/** Conv2DBackpropFilter, stride 1, SAME. */
function native(tf: TensorFlow, x: Tensor, dy: Tensor, kernelShape: readonly number[]): Tensor {
  const backend = tf.backend();
  const { TF_ATTR_TYPE, TF_ATTR_INT, TF_ATTR_STRING, TF_FLOAT } = backend.binding;
  const attributes = [
    { name: 'T', type: TF_ATTR_TYPE, value: TF_FLOAT },
    { name: 'strides', type: TF_ATTR_INT, value: [1, 1, 1, 1] },
    { name: 'padding', type: TF_ATTR_STRING, value: 'SAME' },
    { name: 'data_format', type: TF_ATTR_STRING, value: 'NHWC' },
  ];
  return backend.executeSingleOutput('Conv2DBackpropFilter', attributes, [x, tf.tensor(kernelShape, [4], 'int32'), dy]);
}

describe('equals Conv2DBackpropFilter:', () => {
  for (const [batch, height, width, inputs, outputs, size] of [
    [1, 3, 3, 1, 1, 3],
    [2, 4, 5, 3, 2, 3],
    [10, 5, 4, 2, 3, 3], // five images a product
    [3, 6, 7, 2, 3, 5],
    [2, 1, 1, 2, 2, 3],
    [5, 16, 16, 64, 64, 3],
  ] as const) {
    testWithTensorFlow(`${batch} images ${height}x${width}, ${inputs} to ${outputs} channels, kernel ${size}x${size}`, (tf) => {
      const random = randomStream(3);
      const normal = (shape: readonly number[]) =>
        tf.tensor(
          Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => random.normal()),
          shape,
          'float32',
        );
      tf.tidy(() => {
        const x = normal([batch, height, width, inputs]);
        const dy = normal([batch, height, width, outputs]);
        const got = filterGradient(tf, x, dy, size);
        const expected = native(tf, x, dy, [size, size, inputs, outputs]);
        expect(got.shape).toEqual(expected.shape);
        const values = got.dataSync();
        const tolerance = 1e-6 * Math.sqrt(batch * height * width) + 1e-6; // sums of that many products, each about 1
        for (const [i, value] of expected.dataSync().entries())
          expect(Math.abs((values[i] as number) - value)).toBeLessThan(10 * tolerance);
      });
    });
  }
});

test('is used without AVX-512, for large images of many channels, where the convolution keeps their size', () => {
  const pays = (
    x: number[],
    kernel: number[],
    stride = 1,
    pads: [number, number, number, number] = [1, 1, 1, 1],
    flags = new Set(['avx2']),
  ) => filterGradientPays({ shape: x } as Tensor, { shape: kernel } as Tensor, stride, pads, flags);
  expect(pays([125, 32, 32, 64], [3, 3, 64, 64])).toBe(true);
  expect(pays([125, 32, 32, 64], [3, 3, 64, 128], 2, [0, 0, 1, 1])).toBe(false);
  expect(pays([125, 32, 32, 64], [3, 3, 64, 64], 1, [0, 0, 1, 1])).toBe(false);
  expect(pays([125, 32, 32, 64], [1, 1, 64, 64], 1, [0, 0, 0, 0])).toBe(false);
  expect(pays([125, 32, 32, 3], [3, 3, 3, 64])).toBe(false);
  expect(pays([125, 8, 8, 256], [3, 3, 256, 256])).toBe(false);
  expect(pays([125, 32, 32, 64], [3, 3, 64, 64], 1, [1, 1, 1, 1], new Set(['avx2', 'avx512f']))).toBe(false);
});
