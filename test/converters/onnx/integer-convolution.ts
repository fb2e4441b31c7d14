/** A one-bit convolution of 8-bit values in plain integers, straight from the definition. */
import { signAt } from '../../../src/network/sign.ts';
import type { BitTensor } from '../../../src/network/tensor.ts';
import type { ConvLayer, Shape } from '../../../src/network/topology.ts';

/**
 * Sums of +-1 times (q - zero point); beyond the border there is real 0.
 * @param x q, shape [count, ...shape]
 * @returns shape [count, ...layer.shape]
 */
export function accumulate(
  x: ArrayLike<number>,
  zeroPoint: number,
  [, height, width]: Shape,
  layer: ConvLayer,
  kernel: BitTensor,
  count: number,
): Int32Array {
  const { kernel: size, stride, pads, inputChannels, shape } = layer;
  const [channels, rows, columns] = shape;
  const sums = new Int32Array(count * channels * rows * columns);
  for (let n = 0, i = 0; n < count; n++)
    for (let o = 0; o < channels; o++)
      for (let y = 0; y < rows; y++)
        for (let z = 0; z < columns; z++, i++) {
          let sum = 0;
          for (let c = 0; c < inputChannels; c++)
            for (let ky = 0; ky < size; ky++)
              for (let kx = 0; kx < size; kx++) {
                const [row, column] = [y * stride - pads[0] + ky, z * stride - pads[1] + kx];
                if (row < 0 || row >= height || column < 0 || column >= width) continue;
                const q = x[((n * inputChannels + c) * height + row) * width + column] as number;
                sum += signAt(kernel.data, ((o * inputChannels + c) * size + ky) * size + kx) * (q - zeroPoint);
              }
          sums[i] = sum;
        }
  return sums;
}
