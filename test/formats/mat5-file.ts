/** MAT 5 files, written by the format's description as MATLAB and scipy write them. */
import { deflateSync } from 'node:zlib';
import type { NumericData } from '../../src/formats/mat5.ts';

/** A variable to write; elements in column-major order. */
export type Value =
  | { readonly kind: 'numeric'; readonly dims: readonly number[]; readonly data: NumericData; readonly logical?: boolean }
  | { readonly kind: 'char'; readonly text: string }
  | { readonly kind: 'cell'; readonly dims: readonly number[]; readonly cells: readonly Value[] }
  | { readonly kind: 'struct'; readonly dims: readonly number[]; readonly fields: Readonly<Record<string, readonly Value[]>> }
  | { readonly kind: 'raw'; readonly classAndFlags: number; readonly dims: readonly number[]; readonly body: Uint8Array };

export interface MatFileOptions {
  readonly littleEndian?: boolean;
  readonly compressed?: boolean;
}

/** Class and element type of each typed array. */
const types: Readonly<Record<string, readonly [classId: number, elementType: number]>> = {
  Float64Array: [6, 9],
  Float32Array: [7, 7],
  Int8Array: [8, 1],
  Uint8Array: [9, 2],
  Int16Array: [10, 3],
  Uint16Array: [11, 4],
  Int32Array: [12, 5],
  Uint32Array: [13, 6],
};
const [INT8, INT32, UINT32, MATRIX, COMPRESSED, UTF8] = [1, 5, 6, 14, 15, 16];
const [CELL, STRUCT, CHAR, OPAQUE] = [1, 2, 4, 17];
const LOGICAL = 0x200;
const FIELD_NAME_BYTES = 32;

export function numeric(dims: readonly number[], data: NumericData): Value {
  return { kind: 'numeric', dims, data };
}

/** A whole file of these variables. */
export function matFile(
  variables: Readonly<Record<string, Value>>,
  { littleEndian = true, compressed = false }: MatFileOptions = {},
): Buffer {
  const write = new Writer(littleEndian);
  const arrays = Object.entries(variables).map(([name, value]) => write.array(name, value));
  const body = arrays.map((array) => (compressed ? write.tagged(COMPRESSED, deflateSync(array)) : array));
  const header = Buffer.alloc(124, ' ');
  header.write('MATLAB 5.0 MAT-file');
  return Buffer.concat([header, write.words(2, [0x0100, 0x4d49]), ...body]);
}

/** The elements of a file in one byte order. */
export class Writer {
  constructor(readonly littleEndian: boolean) {}

  words(size: 2 | 4, values: readonly number[]): Buffer {
    const bytes = Buffer.alloc(size * values.length);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (const [i, value] of values.entries()) {
      if (size === 2) view.setUint16(2 * i, value, this.littleEndian);
      else view.setUint32(4 * i, value, this.littleEndian);
    }
    return bytes;
  }

  /** A tag and its data, not padded. */
  tagged(type: number, data: Uint8Array): Buffer {
    return Buffer.concat([this.words(4, [type, data.length]), data]);
  }

  /** An element padded to 8 bytes; up to 4 bytes of data stand in the tag. */
  element(type: number, data: Uint8Array): Buffer {
    if (data.length > 0 && data.length <= 4)
      return Buffer.concat([this.words(4, [data.length * 0x10000 + type]), data, Buffer.alloc(4 - data.length)]);
    return Buffer.concat([this.tagged(type, data), Buffer.alloc(-data.length & 7)]);
  }

  array(name: string, value: Value): Buffer {
    const dims = value.kind === 'char' ? [1, value.text.length] : value.dims;
    const head = [
      this.element(UINT32, this.words(4, [classAndFlags(value), 0])),
      ...(classAndFlags(value) === OPAQUE ? [] : [this.element(INT32, this.words(4, dims))]),
      this.element(INT8, Buffer.from(name, 'latin1')),
    ];
    return this.element(MATRIX, Buffer.concat([...head, this.body(value)]));
  }

  private body(value: Value): Buffer {
    switch (value.kind) {
      case 'numeric':
        return this.element(typesOf(value.data)[1], this.numbers(value.data));
      case 'char':
        return this.element(UTF8, Buffer.from(value.text));
      case 'cell':
        return Buffer.concat(value.cells.map((cell) => this.array('', cell)));
      case 'struct': {
        const names = Object.keys(value.fields).map((name) => Buffer.from(name.padEnd(FIELD_NAME_BYTES, '\0'), 'latin1'));
        const count = value.dims.reduce((a, b) => a * b, 1);
        const values = Array.from({ length: count }, (_, i) => Object.values(value.fields).map((list) => this.array('', list[i] as Value)));
        return Buffer.concat([
          this.element(INT32, this.words(4, [FIELD_NAME_BYTES])),
          this.element(INT8, Buffer.concat(names)),
          ...values.flat(),
        ]);
      }
      case 'raw':
        return Buffer.from(value.body);
    }
  }

  private numbers(data: NumericData): Buffer {
    const bytes = Buffer.from(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength));
    if (this.littleEndian || data.BYTES_PER_ELEMENT === 1) return bytes;
    return { 2: () => bytes.swap16(), 4: () => bytes.swap32(), 8: () => bytes.swap64() }[data.BYTES_PER_ELEMENT as 2 | 4 | 8]();
  }
}

function typesOf(data: NumericData): readonly [number, number] {
  return types[data.constructor.name] as readonly [number, number];
}

function classAndFlags(value: Value): number {
  if (value.kind === 'raw') return value.classAndFlags;
  if (value.kind === 'numeric') return typesOf(value.data)[0] + (value.logical ? LOGICAL : 0);
  return { char: CHAR, cell: CELL, struct: STRUCT }[value.kind];
}
