/** Knowledge distillation: learning from the answers of another network in addition to the labels (Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015). */
import type { ImageShape } from '../../data/dataset.ts';
import { InputError, TrainingError } from '../../errors.ts';
import { softmax } from '../../network/logits.ts';
import type { Batch } from './batch-worker.ts';

/** A network to learn from. `openTeacher` of `wrn-onnx/train` makes one of an ONNX file. */
export interface Teacher extends ImageShape {
  /** For errors. */
  readonly name: string;
  /** SHA-256 of its file. */
  readonly sha256: string;
  readonly classes: number;
  readonly classLabels: readonly string[] | undefined;
  /**
   * Logits, shape [count, classes]. Calls may overlap, and run while this thread computes.
   * @param imagesNCHW raw pixels 0..255, shape [count, channels, height, width]
   */
  logits(imagesNCHW: Uint8Array, count: number): Promise<Float32Array>;
}

/**
 * How a network learns from a teacher. With temperature T, the loss of an image is
 *
 *     (1 - weight) * crossEntropy(label, student) + weight * T^2 * KL(softmax(teacher / T) || softmax(student / T))
 */
export interface Teaching {
  /** SHA-256 of the teacher's file. */
  readonly sha256: string;
  /** 0 to 1. */
  readonly weight: number;
  readonly temperature: number;
}

/** Weight and temperature of the CIFAR experiments of Tian et al., "Contrastive Representation Distillation", ICLR 2020. */
export const defaultTeaching: Omit<Teaching, 'sha256'> = { weight: 0.9, temperature: 4 };

/** The teacher's answers for a batch. */
export interface SoftTargets {
  /** softmax(logits / T), shape [batch, classes]. */
  readonly probabilities: Float32Array;
  /** Mean over the images, in nats: KL divergence is cross entropy less this. */
  readonly entropy: number;
}

/** @param logits shape [batch, classes] */
export function softTargets(logits: Float32Array, classes: number, temperature: number): SoftTargets {
  const probabilities = new Float32Array(logits.length);
  let entropy = 0;
  for (let at = 0; at < logits.length; at += classes) {
    const row = softmax(logits.subarray(at, at + classes).map((logit) => logit / temperature));
    probabilities.set(row, at);
    for (const p of row) if (p > 0) entropy -= p * Math.log(p);
  }
  return { probabilities, entropy: (entropy * classes) / logits.length };
}

/**
 * Asks a teacher about the images of a batch, as the student sees them.
 * @throws TrainingError when an answer is not finite; `signal.reason` when it is aborted, without waiting for the answer
 */
export async function ask(teacher: Teacher, { temperature }: Teaching, signal: AbortSignal, batch: Batch): Promise<SoftTargets> {
  const { number, imagesNHWC, labels } = batch;
  const logits = await orAborted(teacher.logits(toNCHW(imagesNHWC, labels.length, teacher.channels), labels.length), signal);
  const wrong = logits.find((logit) => !Number.isFinite(logit));
  if (wrong !== undefined) throw new TrainingError(`the teacher answers ${wrong} in step ${number + 1}: expected finite logits`);
  return softTargets(logits, teacher.classes, temperature);
}

/**
 * Asks a teacher about the first batch, before training starts.
 * @throws InputError when an answer is not finite
 */
export async function tryTeacher(teacher: Teacher, teaching: Teaching, signal: AbortSignal, batch: Batch): Promise<void> {
  try {
    await ask(teacher, teaching, signal, batch);
  } catch (error) {
    if (!(error instanceof TrainingError)) throw error;
    const problem = `expected a classifier of raw pixels 0..255 with finite logits, got others: ${error.message}`;
    throw new InputError('teacher', teacher.name, problem, { cause: error });
  }
}

function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

/** Whole pixels [count, height, width, channels] to raw pixels [count, channels, height, width]. */
function toNCHW(imagesNHWC: Float32Array, count: number, channels: number): Uint8Array {
  const plane = imagesNHWC.length / (count * channels);
  const out = new Uint8Array(imagesNHWC.length);
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < channels; c++) {
      const to = (i * channels + c) * plane;
      for (let p = 0; p < plane; p++) out[to + p] = imagesNHWC[(i * plane + p) * channels + c] as number;
    }
  }
  return out;
}
