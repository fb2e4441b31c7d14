/**
 * Bits to +-1 in standard operators. A table row holds the eight signs of one byte, most significant
 * bit first; Gather with the bytes as indices unpacks a kernel in one step, and runtimes fold it at load.
 * The signs stay int8 until the last step, which moves a quarter of the memory while a file loads.
 * (BitShift and Mod do the same arithmetic with 3.5x the load time and 1.5x the memory in onnxruntime.)
 */
import { DataType, type NodeProto, type TensorProto } from '../../../proto/onnx.ts';
import { unpackSigns } from '../../../src/network/sign.ts';
import { floats, node } from '../graph.ts';

/** Row b holds the signs of byte b: int8 [256, 8]. */
export function signTable(): TensorProto {
  return { dims: [256, 8], data_type: DataType.INT8, raw_data: new Uint8Array(Int8Array.from(everySign()).buffer) };
}

/** The same with 2 for +1 and 0 for -1: the signs behind a zero point of 1. */
export function shiftedSignTable(): TensorProto {
  return { dims: [256, 8], data_type: DataType.INT8, raw_data: Uint8Array.from(everySign(), (sign) => sign + 1) };
}

/** Two other values of 8 bits: `high` for 1, `low` for 0. */
export function levelTable(type: number, low: number, high: number): TensorProto {
  return { dims: [256, 8], data_type: type, raw_data: Uint8Array.from(everySign(), (sign) => (sign > 0 ? high : low)) };
}

/** The signs as float32, for kernels so small that memory does not matter. */
export function floatSignTable(): TensorProto {
  return floats([256, 8], everySign());
}

function everySign(): Float32Array {
  const everyByte = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  return Float32Array.from(unpackSigns(everyByte, 2048));
}

/**
 * How bytes become indices for Gather. `cast` works everywhere. onnxruntime-web's Cast is one function of half a
 * megabyte of wasm, and the loops of large kernels make the browser's compiler optimize it while the file loads; `product`,
 * by a 1x1 matrix of one, avoids this, but OpenCV has no MatMulInteger.
 */
export const indicesNames = ['cast', 'product'] as const;
export type Indices = (typeof indicesNames)[number];

/** Looks the bytes up: `<prefix>.rows` is int8 [bytes, 8]. */
export function lookUp(bits: string, table: string, prefix: string): NodeProto[] {
  return [node('Cast', [bits], `${prefix}.index`, { to: DataType.INT32 }), gatherRows(table, prefix)];
}

/** The same by a product. `column` is int64 [-1, 1], `one` is `oneByOne`; `<prefix>.rows` is int8 [bytes, 1, 8]. */
export function lookUpByProduct(bits: string, table: string, column: string, one: string, prefix: string): NodeProto[] {
  return [
    node('Reshape', [bits, column], `${prefix}.column`),
    node('MatMulInteger', [`${prefix}.column`, one], `${prefix}.index`),
    gatherRows(table, prefix),
  ];
}

export function oneByOne(): TensorProto {
  return { dims: [1, 1], data_type: DataType.UINT8, raw_data: Uint8Array.of(1) };
}

function gatherRows(table: string, prefix: string): NodeProto {
  return node('Gather', [table, `${prefix}.index`], `${prefix}.rows`, { axis: 0 });
}

/** Reshapes signs to `shape`, which has as many elements. */
export function toShape(signs: string, shape: string, output: string): NodeProto {
  return node('Reshape', [signs, shape], output);
}

/** Makes int8 signs float32. */
export function toFloat(signs: string, output: string): NodeProto {
  return node('Cast', [signs], output, { to: DataType.FLOAT });
}
