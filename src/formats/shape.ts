/** Number of elements in a shape; 1 for a scalar, whose shape is []. */
export function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
