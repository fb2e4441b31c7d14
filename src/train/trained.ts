/** Trained networks in their files, checkpoint or model file: to run them in TensorFlow, and as canonical models. */
import { createHash } from 'node:crypto';
import { InputError } from '../errors.ts';
import { isSafetensors, readSafetensors } from '../formats/safetensors.ts';
import { elements } from '../formats/shape.ts';
import type { NetworkConfig } from '../network/config.ts';
import type { Model } from '../network/model.ts';
import { fromSafetensors } from '../network/model-file.ts';
import { scaledSigns } from '../network/sign.ts';
import { type Checkpoint, isCheckpoint, readCheckpoint } from './checkpoint.ts';
import { type Classifier, classifier, momentNames, type StoredMoments } from './inference.ts';
import { toHWIO } from './tf/kernel-layout.ts';
import type { TensorFlow } from './tf/tensorflow.ts';
import { toModel } from './to-model.ts';
import { learned } from './variables.ts';

export interface TrainedNetwork {
  readonly config: NetworkConfig;
  readonly classifier: Classifier;
}

/** Whether bytes are those of a training checkpoint. */
export function isCheckpointFile(bytes: Uint8Array): boolean {
  return isSafetensors(bytes) && isCheckpoint(readSafetensors(bytes));
}

/**
 * The model that a checkpoint stands for.
 * @throws InputError when it is damaged or stands within a cycle, where no moments for inference are known.
 */
export function checkpointToModel(bytes: Uint8Array): Model {
  const checkpoint = readCheckpoint(bytes);
  const { config, weights, plan, about = { dialect: 'wrn-onnx', ...(plan && { dataset: plan.images.name }) } } = checkpoint;
  const sourceSha256 = createHash('sha256').update(bytes).digest('hex');
  return toModel(config, weights, momentsOf(checkpoint), { ...about, sourceSha256 });
}

/**
 * Loads a checkpoint, whose latent weights are then binarized as in training, or a model file.
 * @throws InputError when it is neither, is damaged or holds no moments for inference.
 */
export function openTrained(tf: TensorFlow, bytes: Uint8Array): TrainedNetwork {
  if (isCheckpointFile(bytes)) {
    const checkpoint = readCheckpoint(bytes);
    const { config, weights } = checkpoint;
    return { config, classifier: network(tf, config, weights, momentsOf(checkpoint)) };
  }
  const model = fromSafetensors(readSafetensors(bytes));
  // with its scaled signs as full-precision kernels: a file may hold other scales than its rule would give
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

function momentsOf({ moments, progress }: Checkpoint): StoredMoments {
  if (moments) return moments;
  throw new InputError(
    'checkpoint',
    `step ${progress.step}`,
    'expected one from the end of a cycle, whose moments for inference are measured, got one from within. Go on with train --resume',
  );
}

/** What a layer learned: a kernel of bits with its scale applied, anything else as it is. */
function weightHWIO(model: Model, name: string, shape: readonly number[]): Float32Array {
  const tensor = model.tensors.get(name);
  if (tensor?.dtype !== 'bits') return toHWIO(floats(model, name), shape);
  return toHWIO(scaledSigns(tensor.data, elements(tensor.shape), floats(model, name.replace(/kernel$/, 'scale'))), shape);
}

/** A float tensor that the checked model is known to hold. */
function floats(model: Model, name: string): Float32Array {
  return model.tensors.get(name)?.data as Float32Array;
}
