/** Counts of a backend's run over images. */
import { lazy, pipe, string, transform } from 'valibot';
import type { ImageShape } from '../../src/data/dataset.ts';
import { integer, list, number, object, readJson } from '../../src/formats/schema.ts';
import { MAX_CLASSES } from '../../src/network/config.ts';
import { Confusion, cellSchema } from './confusion.ts';
import { type Disagreement, decide, disagreementSchema, firstDisagreements, keepImage, MOST_DISAGREEMENTS } from './disagreements.ts';
import { ExactSum } from './exact-sum.ts';
import { addDifference, countTopK, noDifference, top1 } from './metrics.ts';

/** One batch with the answers of a backend. */
export interface Answers {
  /** Index of the first image in the data set. */
  readonly offset: number;
  /** Shape of one image. */
  readonly shape: ImageShape;
  /** Raw pixels, shape [images, channels, height, width]; only those of images decided differently are kept. */
  readonly imagesNCHW: Uint8Array;
  /** Class index of each image. */
  readonly labels: Int32Array;
  /** Shape [images, classes]. */
  readonly logits: Float32Array;
  /** Logits of the reference for the same images, same shape; undefined when this is the reference. */
  readonly reference: Float32Array | undefined;
}

/**
 * Counts of any number of batches, in any order. Tallies of parts of a data set merge to exactly the tally of the whole:
 * integers and maxima do by nature, and float sums because they are exact. Within an image, sums are rounded in the order
 * of the classes, which sharding does not change; between images nothing is rounded.
 */
export class Tally {
  images = 0;
  /** Images whose label is the most likely class, and among the five most likely ones. */
  top1 = 0;
  top5 = 0;
  /** Images whose most likely class is not the reference's. */
  disagreements = 0;
  /** The first of those images. */
  firstDisagreements: readonly Disagreement[] = [];
  /** Largest absolute difference of the logits from the reference; NaN stays NaN. */
  maxAbsDiff = 0;
  readonly absDiff = new ExactSum();
  readonly squaredDifference = new ExactSum();
  readonly squaredReference = new ExactSum();
  readonly confusion: Confusion;

  constructor(readonly classes: number) {
    this.confusion = new Confusion(classes);
  }

  add(answers: Answers): void {
    const { labels, logits, reference } = answers;
    const { classes } = this;
    const decided = top1(logits, classes);
    this.images += labels.length;
    this.top1 += countTopK(logits, labels, classes, 1);
    this.top5 += countTopK(logits, labels, classes, 5);
    for (const [i, label] of labels.entries()) if ((decided[i] as number) >= 0) this.confusion.add(label, decided[i] as number);
    if (!reference) return;
    const expected = top1(reference, classes);
    const differing = [...decided.keys()].filter((i) => decided[i] !== expected[i]);
    this.disagreements += differing.length;
    this.firstDisagreements = firstDisagreements(
      this.firstDisagreements,
      differing.slice(0, MOST_DISAGREEMENTS).map((i) => disagreement(answers, reference, i, classes)),
    );
    for (let at = 0; at < logits.length; at += classes) {
      const image = addDifference(noDifference, logits.subarray(at, at + classes), reference.subarray(at, at + classes));
      this.maxAbsDiff = Math.max(this.maxAbsDiff, image.max);
      this.absDiff.add(image.sum);
      this.squaredDifference.add(image.squaredDifference);
      this.squaredReference.add(image.squaredReference);
    }
  }

  merge(other: Tally): void {
    if (other.classes !== this.classes) throw new RangeError(`cannot merge ${other.classes} classes with ${this.classes}`);
    this.images += other.images;
    this.top1 += other.top1;
    this.top5 += other.top5;
    this.disagreements += other.disagreements;
    this.firstDisagreements = firstDisagreements(this.firstDisagreements, other.firstDisagreements);
    this.confusion.merge(other.confusion);
    this.maxAbsDiff = Math.max(this.maxAbsDiff, other.maxAbsDiff);
    this.absDiff.merge(other.absDiff);
    this.squaredDifference.merge(other.squaredDifference);
    this.squaredReference.merge(other.squaredReference);
  }

  /** As JSON, without loss: a sum is written as the numbers that add up to it. */
  toJSON() {
    const { classes, images, top1, top5 } = this;
    const sum = (exact: ExactSum) => exact.summands().map(toJson);
    return {
      classes,
      images,
      top1,
      top5,
      flips: this.disagreements,
      maxAbsDiff: toJson(this.maxAbsDiff),
      absDiff: sum(this.absDiff),
      squaredDifference: sum(this.squaredDifference),
      squaredReference: sum(this.squaredReference),
      confusion: this.confusion.cells(),
      flipped: this.firstDisagreements,
    };
  }

  /**
   * Reads what `toJSON` wrote.
   * @param place what errors call a field
   * @throws InputError
   */
  static fromJSON(json: unknown, format: string, place: (field: string) => string): Tally {
    const limits = readJson(limitsSchema, json, format, place);
    const { top1, top5, flips, maxAbsDiff, confusion, flipped, ...sums } = readJson(countsSchema(limits), json, format, place);
    const tally = new Tally(limits.classes);
    Object.assign(tally, { images: limits.images, top1, top5, disagreements: flips, maxAbsDiff });
    for (const key of ['absDiff', 'squaredDifference', 'squaredReference'] as const)
      for (const summand of sums[key]) tally[key].add(summand);
    for (const cell of confusion) tally.confusion.add(...cell);
    tally.firstDisagreements = firstDisagreements([], flipped);
    return tally;
  }
}

/** Larger than any sum of squared float32 values, and far below the largest float64. */
const MAX_SUM = 1e100;

const limitsSchema = object({ classes: integer(0, MAX_CLASSES), images: integer(0, Number.MAX_SAFE_INTEGER) });
/** JSON has no non-finite numbers: they are written as strings. */
const real = lazy((input) => (input === 'NaN' || input === 'Infinity' ? pipe(string(), transform(Number)) : number(-MAX_SUM, MAX_SUM)));

const countsSchema = ({ classes, images }: { readonly classes: number; readonly images: number }) => {
  const count = integer(0, images);
  return object({
    top5: count,
    top1: count,
    flips: count,
    maxAbsDiff: real,
    absDiff: list(real),
    squaredDifference: list(real),
    squaredReference: list(real),
    confusion: list(cellSchema({ classes, images })),
    flipped: list(disagreementSchema(classes)),
  });
};

function disagreement(
  { offset, labels, logits, shape, imagesNCHW }: Answers,
  reference: Float32Array,
  i: number,
  classes: number,
): Disagreement {
  const of = (values: Float32Array) => decide(values.subarray(i * classes, (i + 1) * classes));
  const bytes = shape.channels * shape.height * shape.width;
  const kept = keepImage(imagesNCHW.subarray(i * bytes, (i + 1) * bytes), shape);
  return { index: offset + i, label: labels[i] as number, reference: of(reference), decision: of(logits), ...kept };
}

function toJson(value: number): number | string {
  return Number.isFinite(value) ? value : String(value);
}
