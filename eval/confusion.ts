/** Counts of which class is taken for which. */

/** A cell of a confusion matrix: how many images of class `label` are decided as class `decision`. */
export type ConfusionCell = readonly [label: number, decision: number, images: number];

/** A confusion matrix whose empty cells take no memory: of a thousand classes nearly all are. */
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

  /** The cells that are not empty, row by row. */
  cells(): ConfusionCell[] {
    const { classes } = this;
    return [...this.#cells].sort(([a], [b]) => a - b).map(([cell, images]) => [Math.floor(cell / classes), cell % classes, images]);
  }
}
