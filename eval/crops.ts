/** Averages the probabilities of several crops of an image (Krizhevsky et al., NIPS 2012, section 4.1). */
import type { ImageShape } from '../src/data/dataset.ts';
import { softmax } from '../src/network/logits.ts';
import type { Session } from './backends/backend.ts';
import { type ClassifierModel, logitsOf } from './runtime/model-input.ts';

/** Number of images whose crops fill a batch; at least one. */
export function imagesPerBatch(batch: number, crops = 1): number {
  return Math.max(1, Math.floor(batch / crops));
}

interface Crops {
  /** Crops of each image. */
  readonly perImage: number;
  /** Shape of one crop. */
  readonly shape: ImageShape;
}

/** The first crop of each image, for display: shape [images * perImage, channels, height, width] to [images, channels, height, width]. */
export function firstCrops(crops: Uint8Array, { perImage, shape: { channels, height, width } }: Crops): Uint8Array {
  if (perImage === 1) return crops;
  const size = channels * height * width;
  const first = new Uint8Array(crops.length / perImage);
  for (let at = 0; at < first.length; at += size) first.set(crops.subarray(at * perImage, at * perImage + size), at);
  return first;
}

/**
 * Runs all crops of some images, at most `batch` crops at once.
 * @param crops raw pixels, shape [images * perImage, channels, height, width]
 * @returns logits of the images, shape [images, classes]: those of the runtime for one crop, else the logarithm of the mean probability
 * @throws InputError when the file does not return the expected number of logits
 */
export async function runCrops(
  session: Session,
  model: Pick<ClassifierModel, 'output' | 'classes'>,
  crops: Uint8Array,
  { batch, perImage, shape }: Crops & { readonly batch: number },
): Promise<{ logits: Float32Array<ArrayBuffer>; seconds: number }> {
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
  return { logits: perImage === 1 ? logits : averageCrops(logits, perImage, model.classes), seconds };
}

/**
 * @param logits of each crop, shape [images * crops, classes]
 * @returns logarithm of the mean of the softmax, shape [images, classes]; its softmax is that mean
 */
export function averageCrops(logits: Float32Array, crops: number, classes: number): Float32Array<ArrayBuffer> {
  const images = logits.length / (crops * classes);
  const averaged = new Float32Array(images * classes);
  for (let image = 0; image < images; image++) {
    const mean = new Float64Array(classes);
    for (let crop = 0; crop < crops; crop++) {
      const start = (image * crops + crop) * classes;
      const probabilities = softmax(logits.subarray(start, start + classes));
      for (let c = 0; c < classes; c++) (mean[c] as number) += (probabilities[c] as number) / crops;
    }
    averaged.set(
      mean.map((p) => Math.log(Math.max(p, Number.MIN_VALUE))), // the logarithm of 0 is not finite
      image * classes,
    );
  }
  return averaged;
}
