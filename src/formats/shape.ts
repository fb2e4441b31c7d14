/** Shapes of arrays. */

/** Number of elements in a shape; 1 for a scalar, whose shape is []. */
export function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Strides of an array without gaps, in elements: row-major, or column-major with `firstFastest`. */
export function denseStrides(shape: readonly number[], firstFastest = false): number[] {
  return shape.map((_, axis) => elements(firstFastest ? shape.slice(0, axis) : shape.slice(axis + 1)));
}
