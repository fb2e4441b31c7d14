/**
 * Bits to +-1 in standard operators. A table row holds the eight signs of one byte, most significant
 * bit first; Gather with the bytes as indices unpacks a kernel in one step, and runtimes fold it at load.
 * The signs stay int8 until the last step: a quarter of the memory to move while a file loads.
 * (BitShift and Mod do the same arithmetic with 3.5x the load time and 1.5x the memory in onnxruntime.)
 */
import { DataType, type NodeProto, type TensorProto } from '../../proto/onnx.ts';
import { unpackSigns } from '../../src/network/sign.ts';
import { node } from './graph.ts';

/** Row b holds the signs of byte b: int8 [256, 8]. */
export function signTable(): TensorProto {
  const everyByte = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  const signs = Int8Array.from(unpackSigns(everyByte, 2048));
  return { dims: [256, 8], data_type: DataType.INT8, raw_data: new Uint8Array(signs.buffer) };
}

/** Looks the bytes up: `<prefix>.rows` is int8 [bytes, 8]. */
export function lookUp(bits: string, table: string, prefix: string): NodeProto[] {
  return [
    node('Cast', [bits], `${prefix}.index`, { to: DataType.INT32 }),
    node('Gather', [table, `${prefix}.index`], `${prefix}.rows`, { axis: 0 }),
  ];
}

/** Gives as many int8 signs as `shape` has elements that shape: `<prefix>.int8`. */
export function toShape(signs: string, shape: string, prefix: string): NodeProto {
  return node('Reshape', [signs, shape], `${prefix}.int8`);
}

/** Makes int8 signs float32. */
export function toFloat(signs: string, output: string): NodeProto {
  return node('Cast', [signs], output, { to: DataType.FLOAT });
}
