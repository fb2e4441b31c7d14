/** The number types of file formats, little-endian: bytes per element and a function that reads one. */
import { getFloat16 } from '@petamoriken/float16';
import { elements } from './shape.ts';

export interface ElementType {
  readonly bytes: number;
  read(view: DataView, offset: number): number;
}

const scratch = new DataView(new ArrayBuffer(4));

/** bfloat16 is the upper half of a float32. */
function bfloat16(view: DataView, at: number): number {
  scratch.setUint32(0, view.getUint16(at, true) * 2 ** 16);
  return scratch.getFloat32(0);
}

/** Types by NumPy name. 64-bit integers beyond 2^53 are rounded. */
export const elementTypes = {
  bool: { bytes: 1, read: (view, at) => view.getUint8(at) },
  uint8: { bytes: 1, read: (view, at) => view.getUint8(at) },
  int8: { bytes: 1, read: (view, at) => view.getInt8(at) },
  uint16: { bytes: 2, read: (view, at) => view.getUint16(at, true) },
  int16: { bytes: 2, read: (view, at) => view.getInt16(at, true) },
  uint32: { bytes: 4, read: (view, at) => view.getUint32(at, true) },
  int32: { bytes: 4, read: (view, at) => view.getInt32(at, true) },
  uint64: { bytes: 8, read: (view, at) => Number(view.getBigUint64(at, true)) },
  int64: { bytes: 8, read: (view, at) => Number(view.getBigInt64(at, true)) },
  float16: { bytes: 2, read: (view, at) => getFloat16(view, at, true) },
  bfloat16: { bytes: 2, read: bfloat16 },
  float32: { bytes: 4, read: (view, at) => view.getFloat32(at, true) },
  float64: { bytes: 8, read: (view, at) => view.getFloat64(at, true) },
} as const satisfies Readonly<Record<string, ElementType>>;

export type ElementName = keyof typeof elementTypes;

/** Layout of an array in bytes. `strides` counts elements. */
export interface StridedArray {
  readonly type: ElementName;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/**
 * Values in row-major order. The caller must check that they lie within the bytes.
 * @param offset of the first element, in elements
 */
export function readStrided(bytes: Uint8Array, { type, shape, strides }: StridedArray, offset = 0): Float64Array {
  const element: ElementType = elementTypes[type];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values = new Float64Array(elements(shape));
  const index = shape.map(() => 0);
  let at = offset;
  for (let i = 0; i < values.length; i++) {
    values[i] = element.read(view, at * element.bytes);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis] = (index[axis] as number) + 1;
      at += strides[axis] as number;
      if ((index[axis] as number) < (shape[axis] as number)) break;
      at -= (index[axis] as number) * (strides[axis] as number);
      index[axis] = 0;
    }
  }
  return values;
}
