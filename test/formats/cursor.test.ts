import { describe, expect, test } from 'vitest';
import { Cursor, latin1 } from '../../src/formats/cursor.ts';

const bytes = Uint8Array.of(9, 1, 2, 3, 4, 5, 6, 7, 8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff).subarray(1);

test('numbers in both byte orders', () => {
  for (const littleEndian of [true, false]) {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const read = <T>(f: (cursor: Cursor) => T) => f(new Cursor(bytes, 'test', littleEndian));
    expect(read((c) => c.uint8())).toBe(1);
    expect(read((c) => c.uint16())).toBe(view.getUint16(0, littleEndian));
    expect(read((c) => c.int32())).toBe(view.getInt32(0, littleEndian));
    expect(read((c) => c.uint32())).toBe(view.getUint32(0, littleEndian));
    expect(read((c) => c.float64())).toBe(view.getFloat64(0, littleEndian));
  }
  expect(new Cursor(Uint8Array.of(1, 0, 0, 0, 1, 0, 0, 0), 'test').uint64()).toBe(2 ** 32 + 1);
});

test('what is taken is a view, plain even of a Buffer', () => {
  const buffer = Buffer.from([1, 2, 3]);
  const taken = new Cursor(buffer, 'test').take(2);
  buffer[0] = 7;
  expect(taken).toEqual(Uint8Array.of(7, 2));
  expect(taken.constructor).toBe(Uint8Array);
  expect(latin1(Uint8Array.of(0x41, 0xe9))).toBe('Aé');
});

describe('beyond the end', () => {
  const at = (offset: number) => {
    const cursor = new Cursor(bytes, 'test');
    cursor.seek(offset);
    return cursor;
  };
  test.each<[string, () => unknown, string]>([
    ['too much', () => at(15).take(2, 'colour'), 'test at byte 15: expected 2 bytes of colour, got 1 left in the file'],
    ['a negative count', () => at(0).take(-1), 'expected -1 bytes of data, got 16 left in the file'],
    ['half a byte', () => at(0).take(0.5), 'expected 0.5 bytes'],
    ['more than there are numbers', () => at(0).take(Number.NaN), 'expected NaN bytes'],
    ['a number', () => at(13).uint32(), 'test at byte 13: expected 4 bytes of a number, got 3 left in the file'],
    ['a place', () => at(17), 'expected an offset of at most 16, got 17'],
    ['a number beyond 2^53', () => at(8).uint64(), 'expected a number below 2^53'],
  ])('%s', (_, read, message) => {
    expect(read).toThrow(message);
  });
});
