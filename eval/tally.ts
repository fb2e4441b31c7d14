/** What the run of a backend over images counts. */
import { ExactSum } from './exact-sum.ts';
import { addDifference, countTopK, noDifference, top1 } from './metrics.ts';

/** One batch, as a backend answered it. */
export interface Answers {
  /** Index of the first image in the data set. */
  readonly offset: number;
  /** Class index of each image. */
  readonly labels: Int32Array;
  /** Shape [images, classes]. */
  readonly logits: Float32Array;
  /** What the reference answered for the same images, the same shape; undefined when this is the reference. */
  readonly reference: Float32Array | undefined;
}

/**
 * Counts of any number of batches, in any order. Tallies of parts of a data set merge to exactly the tally of the whole:
 * whole numbers and largest values do by nature, and a sum of floats because it is exact. Within an image the sums are
 * rounded, in the order of the classes, which no shard changes; between images nothing is.
 */
export class Tally {
  images = 0;
  /** Images whose label is the most likely class, and among the five most likely ones. */
  top1 = 0;
  top5 = 0;
  /** Images whose most likely class is not the reference's. */
  flips = 0;
  /** Of the logits against the reference's: NaN stays NaN. */
  maxAbsDiff = 0;
  readonly absDiff = new ExactSum();
  readonly squaredDifference = new ExactSum();
  readonly squaredReference = new ExactSum();

  constructor(readonly classes: number) {}

  add({ labels, logits, reference }: Answers): void {
    const { classes } = this;
    this.images += labels.length;
    this.top1 += countTopK(logits, labels, classes, 1);
    this.top5 += countTopK(logits, labels, classes, 5);
    if (!reference) return;
    const expected = top1(reference, classes);
    this.flips += top1(logits, classes).filter((c, i) => c !== expected[i]).length;
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
    this.flips += other.flips;
    this.maxAbsDiff = Math.max(this.maxAbsDiff, other.maxAbsDiff);
    this.absDiff.merge(other.absDiff);
    this.squaredDifference.merge(other.squaredDifference);
    this.squaredReference.merge(other.squaredReference);
  }
  /** As JSON; a sum as the numbers that add up to it, so that nothing is lost. */
  toJSON() {
    const { classes, images, top1, top5, flips } = this;
    const sum = (exact: ExactSum) => exact.summands().map(toJson);
    return {
      classes,
      images,
      top1,
      top5,
      flips,
      maxAbsDiff: toJson(this.maxAbsDiff),
      absDiff: sum(this.absDiff),
      squaredDifference: sum(this.squaredDifference),
      squaredReference: sum(this.squaredReference),
    };
  }
}

/** JSON has no word for what is not finite. */
function toJson(value: number): number | string {
  return Number.isFinite(value) ? value : String(value);
}
