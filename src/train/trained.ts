/** Runs trained networks from checkpoints or model files in TensorFlow. */
import { readSafetensors } from '../formats/safetensors.ts';
import { elements } from '../formats/shape.ts';
import type { NetworkConfig } from '../network/config.ts';
import type { Model } from '../network/model.ts';
import { fromSafetensors } from '../network/model-file.ts';
import { scaledSigns } from '../network/sign.ts';
import { type Classifier, classifier } from './network/inference.ts';
import { toHWIO } from './network/kernel-layout.ts';
import { learned, momentNames, type StoredMoments } from './network/variables.ts';
import { checkpointOf, isCheckpoint, measuredMoments } from './run/checkpoint.ts';
import type { TensorFlow } from './tf/tensorflow.ts';

export interface TrainedNetwork {
  readonly config: NetworkConfig;
  readonly classifier: Classifier;
}

/**
 * Loads a model file, or a checkpoint, whose latent weights are binarized as in training.
 * @throws InputError when it is neither, is damaged or holds no moments for inference
 */
export function openTrained(tf: TensorFlow, bytes: Uint8Array): TrainedNetwork {
  const file = readSafetensors(bytes);
  if (isCheckpoint(file)) {
    const checkpoint = checkpointOf(file);
    const { config, weights } = checkpoint;
    return { config, classifier: network(tf, config, weights, measuredMoments(checkpoint)) };
  }
  const model = fromSafetensors(file);
  // scaled signs become full-precision kernels, because the scales in a file can differ from those of the rule
  const config: NetworkConfig = { ...model.config, bits: 32, endBits: 32 };
  const weights = learned(config).map(({ name, shape }) => weightHWIO(model, name, shape));
  const moments = new Map(momentNames(config).map((name) => [name, floats(model, name)]));
  return { config, classifier: network(tf, config, weights, moments) };
}

function network(tf: TensorFlow, config: NetworkConfig, weights: readonly Float32Array[], moments: StoredMoments): Classifier {
  const tensors = learned(config).map(({ shape }, i) => tf.tensor(weights[i] as Float32Array, shape, 'float32'));
  const { logits, dispose } = classifier(tf, config, tensors, moments);
  return {
    logits,
    dispose() {
      dispose();
      tf.dispose(tensors);
    },
  };
}

/** A layer's learned value. A kernel of bits gets its scale applied, anything else is unchanged. */
function weightHWIO(model: Model, name: string, shape: readonly number[]): Float32Array {
  const tensor = model.tensors.get(name);
  if (tensor?.dtype !== 'bits') return toHWIO(floats(model, name), shape);
  return toHWIO(scaledSigns(tensor.data, elements(tensor.shape), floats(model, name.replace(/kernel$/, 'scale'))), shape);
}

/** A float tensor that a checked model always has. */
function floats(model: Model, name: string): Float32Array {
  return model.tensors.get(name)?.data as Float32Array;
}
