/** Confusion matrix: counts by true and decided class. */
import { integer, type Schema, tuple } from '../../src/formats/schema.ts';

/** A cell of a confusion matrix: how many images of class `label` are decided as class `decision`. */
export type ConfusionCell = readonly [label: number, decision: number, images: number];

/** A sparse confusion matrix: with a thousand classes, nearly all cells are empty. */
export class Confusion {
  readonly #cells = new Map<number, number>();

  constructor(readonly classes: number) {}

  add(label: number, decision: number, images = 1): void {
    const cell = label * this.classes + decision;
    this.#cells.set(cell, (this.#cells.get(cell) ?? 0) + images);
  }

  merge(other: Confusion): void {
    for (const cell of other.cells()) this.add(...cell);
  }

  images(label: number, decision: number): number {
    return this.#cells.get(label * this.classes + decision) ?? 0;
  }

  /** The cells that are not empty, row by row. */
  cells(): ConfusionCell[] {
    const { classes } = this;
    return [...this.#cells].sort(([a], [b]) => a - b).map(([cell, images]) => [Math.floor(cell / classes), cell % classes, images]);
  }
}

/** @param limits upper bounds of a cell's numbers */
export function cellSchema({ classes, images }: { readonly classes: number; readonly images: number }): Schema<ConfusionCell> {
  const index = integer(0, classes - 1);
  return tuple(index, index, integer(0, images));
}
