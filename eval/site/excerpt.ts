/** Files of test images with their labels, and of the logits that a network gives for them. */
import { spread } from '../../src/data/batches.ts';
import type { ImageSet } from '../../src/data/dataset.ts';
import { InputError } from '../../src/errors.ts';
import { readSafetensors, type StoredTensor, writeSafetensors } from '../../src/formats/safetensors.ts';
import { elements } from '../../src/formats/shape.ts';

export interface Excerpt {
  /** Raw pixels 0..255. */
  readonly imagesNCHW: Uint8Array;
  /** [count, channels, height, width] */
  readonly shape: readonly [number, number, number, number];
  readonly labels: Int32Array;
}

/** `count` images spread over a data set, since image folders are sorted by class. */
export async function takeExcerpt(data: ImageSet, count: number): Promise<Excerpt> {
  const { channels, height, width } = data;
  const taken = Math.min(count, data.length);
  const imagesNCHW = new Uint8Array(taken * channels * height * width);
  const labels = new Int32Array(taken);
  let done = 0;
  for await (const batch of spread(data, PLACE, taken)) {
    imagesNCHW.set(batch.imagesNCHW, done * channels * height * width);
    labels.set(batch.labels, done);
    done += batch.count;
  }
  return { imagesNCHW, shape: [taken, channels, height, width], labels };
}

/** Consecutive images taken from each place. */
const PLACE = 5;

/** The first image of each class, at most `most`. */
export function oneOfEach({ imagesNCHW, shape: [, ...shape], labels }: Excerpt, most: number): Excerpt {
  const size = elements(shape);
  const chosen = [...labels.keys()]
    .filter((i) => labels.indexOf(labels[i] as number) === i)
    .sort((a, b) => (labels[a] as number) - (labels[b] as number))
    .slice(0, most);
  const images = new Uint8Array(chosen.length * size);
  for (const [to, from] of chosen.entries()) images.set(imagesNCHW.subarray(from * size, (from + 1) * size), to * size);
  return { imagesNCHW: images, shape: [chosen.length, ...shape], labels: Int32Array.from(chosen, (i) => labels[i] as number) };
}

export function writeExcerpt({ imagesNCHW, shape, labels }: Excerpt): Uint8Array {
  const tensors = new Map<string, StoredTensor>([
    ['images', { dtype: 'U8', shape, bytes: imagesNCHW }],
    ['labels', { dtype: 'I32', shape: [labels.length], bytes: new Uint8Array(labels.buffer, labels.byteOffset, labels.byteLength) }],
  ]);
  return writeSafetensors({ metadata: new Map(), tensors });
}

/** Reads what `writeExcerpt` wrote. @throws InputError when it is something else */
export function readExcerpt(file: Uint8Array): Excerpt {
  const { tensors } = readSafetensors(file);
  const [images, labels] = [tensors.get('images'), tensors.get('labels')];
  if (images?.shape.length !== 4 || labels?.dtype !== 'I32' || labels.shape[0] !== images.shape[0])
    throw new InputError('safetensors', 'tensors', 'expected test images with labels, got others');
  return {
    imagesNCHW: images.bytes,
    shape: images.shape as unknown as Excerpt['shape'],
    labels: new Int32Array(labels.bytes.slice().buffer),
  };
}

/** @param logits shape [count, classes] */
export function writeLogits(logits: Float32Array, count: number): Uint8Array {
  const bytes = new Uint8Array(logits.buffer, logits.byteOffset, logits.byteLength);
  const tensors = new Map([['logits', { dtype: 'F32', shape: [count, logits.length / count], bytes }]]);
  return writeSafetensors({ metadata: new Map(), tensors });
}

/** Reads what `writeLogits` wrote. */
export function readLogits(file: Uint8Array): Float32Array {
  const tensor = readSafetensors(file).tensors.get('logits');
  if (tensor?.dtype !== 'F32') throw new InputError('safetensors', 'tensors', 'expected recorded logits, got others');
  return new Float32Array(tensor.bytes.slice().buffer);
}
