/**
 * NumPy's array file, version 1.0: magic, a header that is a Python literal, the data.
 * Source: numpy.lib.format.
 */

const ALIGNMENT = 64;
const PREFIX_BYTES = 10;

/** Encodes a float32 array in C order; `numpy.load` reads it. */
export function writeNpy(shape: readonly number[], data: Float32Array): Uint8Array {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const literal = `{'descr': '<f4', 'fortran_order': False, 'shape': ${tuple}, }`;
  const length = Math.ceil((PREFIX_BYTES + literal.length + 1) / ALIGNMENT) * ALIGNMENT - PREFIX_BYTES;
  const file = Buffer.alloc(PREFIX_BYTES + length + data.byteLength);
  file.write('\x93NUMPY\x01\x00', 'latin1');
  file.writeUInt16LE(length, 8);
  file.write(`${literal.padEnd(length - 1)}\n`, PREFIX_BYTES, 'latin1');
  file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), PREFIX_BYTES + length);
  return file;
}
