/** Kernels are OIHW in every file and HWIO in TensorFlow. Gamma and beta have one axis and stay the same. */

/** The shape in a file for a TensorFlow shape. */
export function shapeInFile(shapeHWIO: readonly number[]): readonly number[] {
  const [height = 0, width = 0, inputs = 0, outputs = 0] = shapeHWIO;
  return isKernel(shapeHWIO) ? [outputs, inputs, height, width] : shapeHWIO;
}

/** @param shape of the values, HWIO */
export function toOIHW(kernelHWIO: Float32Array, shape: readonly number[]): Float32Array {
  return reorder(kernelHWIO, shape, (hwio, oihw) => [oihw, hwio]);
}

/** @param shape of the result, HWIO */
export function toHWIO(kernelOIHW: Float32Array, shape: readonly number[]): Float32Array {
  return reorder(kernelOIHW, shape, (hwio, oihw) => [hwio, oihw]);
}

function reorder(
  from: Float32Array,
  shapeHWIO: readonly number[],
  places: (hwio: number, oihw: number) => [to: number, from: number],
): Float32Array {
  if (!isKernel(shapeHWIO)) return from;
  const [height, width, inputs, outputs] = shapeHWIO as [number, number, number, number];
  const result = new Float32Array(from.length);
  let hwio = 0;
  for (let h = 0; h < height; h++) {
    for (let w = 0; w < width; w++) {
      for (let i = 0; i < inputs; i++) {
        for (let o = 0; o < outputs; o++, hwio++) {
          const [to, source] = places(hwio, ((o * inputs + i) * height + h) * width + w);
          result[to] = from[source] as number;
        }
      }
    }
  }
  return result;
}

function isKernel(shape: readonly number[]): boolean {
  return shape.length === 4;
}
