/** `dense`: float32 weights +-s, for WebGL, old runtimes and debugging. */

import { elements } from '../../../src/formats/shape.ts';
import { packSigns, scaledSigns } from '../../../src/network/sign.ts';
import { checkShape, dimsOf, floatsOf } from '../initializer.ts';
import type { Form } from './form.ts';

export const dense: Form = {
  title: 'float32 weights: WebGL, old runtimes, debugging',
  functions: [],
  kernel(graph, name, bits, scale) {
    return { weights: graph.floats(`${name}.kernel`, bits.shape, scaledSigns(bits.data, elements(bits.shape), scale.data)) };
  },
  read(initializers, name, shape) {
    const tensor = initializers.get(`${name}.kernel`);
    if (!tensor) return undefined;
    checkShape(`${name}.kernel`, dimsOf(tensor), shape);
    const kernel = floatsOf(tensor);
    const scale = magnitudes(kernel, shape[0] as number);
    // In a file of the form `qonnx` that was packed and unpacked, the scale still multiplies the output.
    const behind = initializers.get(`${name}.scale`);
    return { bits: packSigns(kernel), scale: behind && scale.every((s) => s === 1) ? floatsOf(behind) : scale };
  },
};

/** |w| of each output channel, or one value when all are equal; NaN where a channel holds more than one magnitude. */
function magnitudes(kernel: Float32Array, channels: number): Float32Array {
  const size = kernel.length / channels;
  const scale = Float32Array.from({ length: channels }, (_, c) => {
    const first = Math.abs(kernel[c * size] as number);
    return kernel.subarray(c * size, (c + 1) * size).every((w) => Math.abs(w) === first) ? first : Number.NaN;
  });
  return scale.every((s) => s === scale[0]) ? scale.slice(0, 1) : scale;
}
