/** Several crops of an image, one answer: their probabilities are averaged (Krizhevsky et al., NIPS 2012, section 4.1). */
import type { ImageShape } from '../src/data/dataset.ts';
import type { Session } from './backends/backend.ts';
import { type ClassifierModel, logitsOf } from './runtime/model-input.ts';

/** Images whose crops fill a batch of a runtime; at least one. */
export function imagesPerBatch(batch: number, views = 1): number {
  return Math.max(1, Math.floor(batch / views));
}

interface Views {
  /** Crops of each image. */
  readonly views: number;
  /** Of one crop. */
  readonly shape: ImageShape;
}

/** The first crop of each image, to show: shape [images * views, channels, height, width] to [images, channels, height, width]. */
export function firstViews(crops: Uint8Array, { views, shape: { channels, height, width } }: Views): Uint8Array {
  if (views === 1) return crops;
  const size = channels * height * width;
  const first = new Uint8Array(crops.length / views);
  for (let at = 0; at < first.length; at += size) first.set(crops.subarray(at * views, at * views + size), at);
  return first;
}

/**
 * Runs all crops of some images, at most `batch` at once.
 * @param crops raw pixels, shape [images * views, channels, height, width]
 * @returns logits of the images, shape [images, classes]: the runtime's for one crop, else the logarithm of the mean probability
 * @throws InputError when the file does not give the logits that it should
 */
export async function runViews(
  session: Session,
  model: ClassifierModel,
  crops: Uint8Array,
  { batch, views, shape }: Views & { readonly batch: number },
): Promise<{ logits: Float32Array; seconds: number }> {
  const cropBytes = shape.channels * shape.height * shape.width;
  const count = crops.length / cropBytes;
  const parts: Promise<{ logits: Float32Array; seconds: number }>[] = [];
  for (let from = 0; from < count; from += batch) {
    const size = Math.min(batch, count - from);
    const part = session.run(crops.subarray(from * cropBytes, (from + size) * cropBytes), size);
    parts.push(part.then(({ outputs, seconds }) => ({ logits: logitsOf(outputs, model, size), seconds })));
  }
  const answers = await Promise.all(parts);
  const logits = new Float32Array(count * model.classes);
  let seconds = 0;
  for (const [part, answer] of answers.entries()) {
    logits.set(answer.logits, part * batch * model.classes);
    seconds += answer.seconds;
  }
  return { logits: views === 1 ? logits : averageViews(logits, views, model.classes), seconds };
}

/**
 * @param logits of each crop, shape [images * views, classes]
 * @returns logarithm of the mean of the softmax, shape [images, classes]; its softmax is that mean
 */
export function averageViews(logits: Float32Array, views: number, classes: number): Float32Array {
  const images = logits.length / (views * classes);
  const averaged = new Float32Array(images * classes);
  for (let image = 0; image < images; image++) {
    const mean = new Float64Array(classes);
    for (let view = 0; view < views; view++) {
      const start = (image * views + view) * classes;
      const own = logits.subarray(start, start + classes);
      const largest = own.reduce((a, b) => Math.max(a, b)); // taken off, or exp overflows
      const exponentials = Float64Array.from(own, (logit) => Math.exp(logit - largest));
      const sum = exponentials.reduce((a, b) => a + b);
      for (let c = 0; c < classes; c++) (mean[c] as number) += (exponentials[c] as number) / sum / views;
    }
    averaged.set(
      mean.map((p) => Math.log(Math.max(p, Number.MIN_VALUE))), // of no probability the logarithm is not finite
      image * classes,
    );
  }
  return averaged;
}
