/** Images that a backend decides differently from the reference, kept for the report. */
import { check, forward, pipe } from 'valibot';
import type { ImageShape } from '../../src/data/dataset.ts';
import { either, integer, line, number, object, type Schema } from '../../src/formats/schema.ts';
import { decidedClass, softmax } from '../../src/network/logits.ts';

export interface Decision {
  /** Index of the most likely class; null when no logit is a number. */
  readonly class: number | null;
  /** Its probability, 0 to 1: the softmax of the logits. Null when a logit is not finite. */
  readonly confidence: number | null;
}

export interface Disagreement extends ImageShape {
  /** Index of the image in the data set. */
  readonly index: number;
  /** Index of the true class. */
  readonly label: number;
  readonly reference: Decision;
  readonly decision: Decision;
  /** Shape [channels, height, width], base64. */
  readonly pixels: string;
}

/** Number of images kept per backend: the first of the data set. */
export const MOST_DISAGREEMENTS = 24;
/** Larger images are downscaled. */
const LARGEST_SIDE = 112;
/** The limit of a network's configuration; bounds what is read. */
const MAX_CHANNELS = 1024;

/** Adds disagreements to those found before; in any order, the first of the data set remain. */
export function firstDisagreements(before: readonly Disagreement[], more: readonly Disagreement[]): readonly Disagreement[] {
  return more.length === 0 ? before : [...before, ...more].sort((a, b) => a.index - b.index).slice(0, MOST_DISAGREEMENTS);
}

/** @param logits of one image */
export function decide(logits: Float32Array): Decision {
  const decided = decidedClass(logits, 0, logits.length);
  if (decided < 0) return { class: null, confidence: null };
  const probability = softmax(logits)[decided] as number;
  return { class: decided, confidence: Number.isFinite(probability) ? probability : null };
}

/** Pixels of one image: unchanged, or means of squares for a large image. */
export function keepImage(pixels: Uint8Array, shape: ImageShape): ImageShape & Pick<Disagreement, 'pixels'> {
  const { channels } = shape;
  const side = Math.ceil(Math.max(shape.height, shape.width) / LARGEST_SIDE);
  const [height, width] = [Math.max(1, Math.floor(shape.height / side)), Math.max(1, Math.floor(shape.width / side))];
  const kept = new Uint8Array(channels * height * width);
  for (let i = 0; i < kept.length; i++) {
    const [channel, y, x] = [Math.floor(i / (height * width)), Math.floor(i / width) % height, i % width];
    let [sum, count] = [0, 0];
    for (let row = y * side; row < Math.min((y + 1) * side, shape.height); row++) {
      const start = (channel * shape.height + row) * shape.width;
      for (let column = x * side; column < Math.min((x + 1) * side, shape.width); column++, count++)
        sum += pixels[start + column] as number;
    }
    kept[i] = Math.round(sum / count);
  }
  return { channels, height, width, pixels: Buffer.from(kept).toString('base64') };
}

const side = integer(1, LARGEST_SIDE);

export function disagreementSchema(classes: number): Schema<Disagreement> {
  const index = integer(0, classes - 1);
  const decision = object({ class: either(null, index), confidence: either(null, number(0, 1)) });
  return pipe(
    object({
      index: integer(0, Number.MAX_SAFE_INTEGER),
      label: index,
      reference: decision,
      decision,
      channels: integer(1, MAX_CHANNELS),
      height: side,
      width: side,
      pixels: line,
    }),
    forward(
      check(
        (kept) => isBase64(kept.pixels, bytesOf(kept)),
        ({ input }) => `${bytesOf(input)} bytes in base64`,
      ),
      ['pixels'],
    ),
  );
}

const bytesOf = ({ channels, height, width }: ImageShape) => channels * height * width;

function isBase64(text: string, length: number): boolean {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text && bytes.length === length;
}
