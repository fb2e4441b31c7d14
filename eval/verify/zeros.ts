/** Measures the effect of storing +1 for latent weights that are exactly zero in the source. */
import { elements } from '../../src/formats/shape.ts';
import { decidedClass } from '../../src/network/logits.ts';
import type { Model } from '../../src/network/model.ts';
import { scaledSigns } from '../../src/network/sign.ts';
import { floatTensor, type Tensor } from '../../src/network/tensor.ts';
import { noise } from '../runtime/noise.ts';
import { addDifference, noDifference, relativeError } from '../tally/metrics.ts';
import { referenceLogits } from './reference.ts';

export interface ZerosDifference {
  /** Latent weights that were exactly zero. */
  readonly weights: number;
  /** Random images that both networks were run on. */
  readonly images: number;
  /** Images on which they agree. */
  readonly agreed: number;
  /** Norm of the difference of the logits over the norm of those with sign(0) = 0. */
  readonly relError: number;
}

const IMAGES = 4;

/**
 * Runs the model, and the network with weights 0 where its latent weights were 0, as in the training framework.
 * @returns undefined when no weight was zero
 */
export async function zerosDifference(model: Model): Promise<ZerosDifference | undefined> {
  const weights = [...(model.zeros?.values() ?? [])].reduce((sum, { length }) => sum + length, 0);
  if (weights === 0) return undefined;
  const { input, classes } = model.config;
  const batch = { imagesNCHW: noise(IMAGES * elements([input.channels, input.height, input.width])), count: IMAGES };
  const [ours, theirs] = [await referenceLogits(model, batch), await referenceLogits(withZeros(model), batch)];
  const decide = (logits: Float32Array, image: number) => decidedClass(logits, image * classes, classes);
  const agreed = Array.from({ length: IMAGES }, (_, image) => decide(ours, image) === decide(theirs, image)).filter(Boolean).length;
  return { weights, images: IMAGES, agreed, relError: relativeError(addDifference(noDifference, ours, theirs)) };
}

/** The same network with its scaled signs as float kernels, and 0 where the latent weights were 0. */
function withZeros({ config, tensors, about, zeros }: Model): Model {
  const floats = new Map<string, Tensor>();
  for (const [name, tensor] of tensors) {
    if (tensor.dtype !== 'bits') {
      if (!name.endsWith('.scale')) floats.set(name, tensor);
      continue;
    }
    const scale = tensors.get(name.replace(/kernel$/, 'scale'))?.data as Float32Array;
    const kernel = scaledSigns(tensor.data, elements(tensor.shape), scale);
    for (const i of zeros?.get(name) ?? []) kernel[i] = 0;
    floats.set(name, floatTensor(tensor.shape, kernel));
  }
  return { config: { ...config, bits: 32, endBits: 32 }, tensors: floats, about };
}
