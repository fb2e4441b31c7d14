/** Operators that work element by element, with ONNX's broadcasting (onnx, docs/Broadcasting.md). */
import { elements } from '../../../src/formats/shape.ts';

export interface Values {
  readonly dims: readonly number[];
  readonly data: ArrayLike<number>;
}

/**
 * Shape of the result: that of one of the operands, with ones in front where they are missing.
 * Undefined when operands do not fit, or the result would be larger than each of them: weights are not made like that,
 * and a damaged file could ask for any amount of memory.
 */
export function commonShape(operands: readonly Values[]): readonly number[] | undefined {
  const largest = operands.reduce((best, { dims }) => (size(dims) > size(best) ? dims : best), operands[0]?.dims ?? []);
  const fits = operands.every(({ dims }) => dims.every((d, i) => d === 1 || d === largest[largest.length - dims.length + i]));
  return fits ? largest : undefined;
}

/** With equal sizes, the shape of the higher rank is the result. */
function size(dims: readonly number[]): number {
  return elements(dims) + dims.length / 1024;
}

/** Calls `visit` for every element of `shape`, row-major, with its index in each operand. */
export function forEachBroadcast(
  shape: readonly number[],
  operands: readonly Values[],
  visit: (index: number, at: readonly number[]) => void,
): void {
  const strides = operands.map(({ dims }) => stridesIn(shape, dims));
  const at = operands.map(() => 0);
  const position = shape.map(() => 0);
  const count = elements(shape);
  for (let index = 0; index < count; index++) {
    visit(index, at);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const wraps = (position[axis] as number) + 1 === shape[axis];
      for (let k = 0; k < at.length; k++) {
        const stride = strides[k]?.[axis] as number;
        at[k] = (at[k] as number) + (wraps ? -stride * (position[axis] as number) : stride);
      }
      position[axis] = wraps ? 0 : (position[axis] as number) + 1;
      if (!wraps) break;
    }
  }
}

/** Steps in an operand of `dims` per step along each axis of `shape`; 0 when it is repeated. */
function stridesIn(shape: readonly number[], dims: readonly number[]): number[] {
  const padded = [...new Array<number>(shape.length - dims.length).fill(1), ...dims];
  let stride = 1;
  return padded
    .map((_, i) => {
      const d = padded[padded.length - 1 - i] as number;
      const own = d === 1 ? 0 : stride;
      stride *= d;
      return own;
    })
    .reverse();
}
