/**
 * Bits to +-1 in standard operators. A table row holds the eight signs of one byte, most significant
 * bit first; Gather with the bytes as indices unpacks a kernel in one step, and runtimes fold it at load.
 * (BitShift and Mod do the same arithmetic with 3.5x the load time and 1.5x the memory in onnxruntime.)
 */
import { DataType, type NodeProto, type TensorProto } from '../../proto/onnx.ts';
import { unpackSigns } from '../../src/network/sign.ts';
import { floats, node } from './graph.ts';

/** Row b holds the signs of byte b, shape [256, 8]. */
export function signTable(): TensorProto {
  const everyByte = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  return floats([256, 8], unpackSigns(everyByte, 2048));
}

/** Nodes that look the bytes up: `<prefix>.rows` has shape [bytes, 8]. */
export function lookUp(bits: string, table: string, prefix: string): NodeProto[] {
  return [
    node('Cast', [bits], `${prefix}.index`, { to: DataType.INT32 }),
    node('Gather', [table, `${prefix}.index`], `${prefix}.rows`, { axis: 0 }),
  ];
}
