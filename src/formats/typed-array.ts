/** Typed arrays and the bytes below them. Files are little-endian, as every machine that runs this is. */

/** The bytes of an array, not copied. */
export function asBytes({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Whether two arrays have the same bytes. */
export function sameBytes(a: ArrayBufferView, b: ArrayBufferView): boolean {
  const [x, y] = [asBytes(a), asBytes(b)];
  return x.length === y.length && x.every((byte, i) => byte === y[i]);
}

/** Bytes as float32: a copy, because values in a file may be unaligned. */
export function toFloats(bytes: Uint8Array): Float32Array {
  const values = new Float32Array(bytes.length / Float32Array.BYTES_PER_ELEMENT);
  asBytes(values).set(bytes);
  return values;
}
