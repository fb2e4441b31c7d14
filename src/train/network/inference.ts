/** The network after training: with stored moments and constant kernels. */
import { setImmediate } from 'node:timers/promises';
import type { ImageSet } from '../../data/dataset.ts';
import type { NetworkConfig } from '../../network/config.ts';
import { decidedClass } from '../../network/logits.ts';
import { trainingBatches } from '../batches/batches.ts';
import type { BatchOptions, TrainingSet } from '../batches/training-set.ts';
import { graphFunction } from '../tf/graph-function.ts';
import type { Tensor, TensorFlow } from '../tf/tensorflow.ts';
import { lower, measuringNorm, storedNorm } from './lower.ts';
import { learned, momentNames, type StoredMoments } from './variables.ts';

/** How to abort a pass over images and follow its progress. */
export interface Watch {
  readonly signal: AbortSignal;
  readonly onProgress?: (images: number, total: number) => void;
}

/**
 * Moments for inference: the mean of the batch moments over `batches` augmented training batches
 * (McDonnell, ICLR 2018, section 3: computed once, after training).
 * @param weights in the order of `learned`
 */
export async function measureMoments(
  tf: TensorFlow,
  config: NetworkConfig,
  weights: readonly Tensor[],
  set: TrainingSet,
  options: BatchOptions,
  batches: number,
  { signal, onProgress }: Watch,
): Promise<StoredMoments> {
  const names = momentNames(config);
  const variables = learned(config);
  const measure = graphFunction(tf, (images, ...values) => {
    const found = new Map<string, Tensor>();
    const forward = lower(
      tf,
      config,
      measuringNorm((name, value) => found.set(name, value)),
    );
    forward(images as Tensor, new Map(variables.map(({ name }, i) => [name, values[i] as Tensor])));
    return names.map((name) => found.get(name) as Tensor);
  });
  const sums = new Map<string, Float64Array>();
  try {
    for await (const { number, imagesNHWC } of trainingBatches(set, options, 0, batches)) {
      signal.throwIfAborted();
      const images = tf.tensor(imagesNHWC, [options.batch, set.height, set.width, set.channels], 'float32');
      const found = measure(images, ...weights);
      for (const [i, name] of names.entries()) {
        const values = (found[i] as Tensor).dataSync();
        const sum = sums.get(name) ?? new Float64Array(values.length);
        sums.set(name, sum);
        for (const [c, value] of values.entries()) sum[c] = (sum[c] as number) + value;
      }
      tf.dispose([images, ...found]);
      onProgress?.((number + 1) * options.batch, batches * options.batch);
    }
  } finally {
    measure.dispose();
  }
  return new Map([...sums].map(([name, sum]) => [name, Float32Array.from(sum, (value) => value / batches)]));
}

export interface Classifier {
  /** Logits [count, classes] of raw pixels 0..255, shape [count, height, width, channels]. */
  logits(imagesNHWC: Float32Array, count: number): Float32Array;
  dispose(): void;
}

/** The network with stored moments as a graph. */
export function classifier(tf: TensorFlow, config: NetworkConfig, weights: readonly Tensor[], moments: StoredMoments): Classifier {
  const { height, width, channels } = config.input;
  const variables = learned(config);
  const stored = [...moments].map(([, values]) => tf.tensor(values, [values.length], 'float32'));
  const names = [...variables.map(({ name }) => name), ...moments.keys()];
  const forward = lower(tf, config, storedNorm);
  const run = graphFunction(tf, (images, ...values) => [
    forward(images as Tensor, new Map(names.map((name, i) => [name, values[i] as Tensor]))),
  ]);
  return {
    logits(imagesNHWC, count) {
      const images = tf.tensor(imagesNHWC, [count, height, width, channels], 'float32');
      const results = run(images, ...weights, ...stored);
      const values = Float32Array.from((results[0] as Tensor).dataSync());
      tf.dispose([images, ...results]);
      return values;
    },
    dispose() {
      run.dispose();
      tf.dispose(stored);
    },
  };
}

/** Fraction of a set's images that the network classifies incorrectly. */
export async function errorRate(network: Classifier, set: ImageSet, batch: number, { signal, onProgress }: Watch): Promise<number> {
  let errors = 0;
  for await (const { offset, count, imagesNCHW, labels } of set.batches(batch)) {
    await setImmediate(); // with a set in memory no signal would be handled otherwise
    signal.throwIfAborted();
    const logits = network.logits(toNHWC(imagesNCHW, count, set.channels), count);
    for (let i = 0; i < count; i++) if (decidedClass(logits, i * set.classes, set.classes) !== labels[i]) errors++;
    onProgress?.(offset + count, set.length);
  }
  return errors / set.length;
}

/** Raw pixels [count, channels, height, width] to values [count, height, width, channels]. */
export function toNHWC(imagesNCHW: Uint8Array, count: number, channels: number): Float32Array {
  const plane = imagesNCHW.length / (count * channels);
  const out = new Float32Array(imagesNCHW.length);
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < channels; c++) {
      const from = (i * channels + c) * plane;
      for (let p = 0; p < plane; p++) out[(i * plane + p) * channels + c] = imagesNCHW[from + p] as number;
    }
  }
  return out;
}
