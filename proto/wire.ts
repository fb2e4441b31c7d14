/** The protobuf wire format: a message as its fields, where they lie in the file. Nothing is copied. */
import { InputError } from '../src/errors.ts';

/** One field of a message, by what it is on the wire. */
export type Field =
  | { readonly number: number; readonly kind: 'integer'; readonly value: number }
  | { readonly number: number; readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly number: number; readonly kind: 'fixed32'; readonly bytes: Uint8Array };

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

/**
 * Reads the fields of a message in order. Skips numbers of 8 bytes, which no reader here needs.
 * @param where names the message in errors
 * @throws InputError when the bytes are not a message, or a length passes its end
 */
export function* readFields(message: Uint8Array, where: string): Generator<Field> {
  const cursor = { message, at: 0, where };
  while (cursor.at < message.length) {
    const key = readVarint(cursor);
    const number = Math.floor(key / 8);
    if (number < 1) throw failure(cursor, 'a field number', `${number}`);
    switch (key % 8) {
      case VARINT:
        yield { number, kind: 'integer', value: readVarint(cursor) };
        break;
      case BYTES:
        yield { number, kind: 'bytes', bytes: take(cursor, readVarint(cursor)) };
        break;
      case FIXED32:
        yield { number, kind: 'fixed32', bytes: take(cursor, 4) };
        break;
      case FIXED64:
        take(cursor, 8);
        break;
      default:
        throw failure(cursor, 'a wire type of protobuf', `${key % 8}`);
    }
  }
}

/** Every field of this number that is a message or text, in order. */
export function* messageFields(message: Uint8Array, where: string, number: number): Generator<Uint8Array> {
  for (const field of readFields(message, where)) if (field.number === number && field.kind === 'bytes') yield field.bytes;
}

/** The message in a field; an empty one where it is absent. The last one counts, as in any protobuf message. */
export function messageField(message: Uint8Array, where: string, number: number): Uint8Array {
  return [...messageFields(message, where, number)].at(-1) ?? new Uint8Array();
}

const text = new TextDecoder();

/** The text in a field; empty where it is absent. */
export function textField(message: Uint8Array, where: string, number: number): string {
  return text.decode(messageField(message, where, number));
}

/** The integer in a field; 0 where it is absent. */
export function integerField(message: Uint8Array, where: string, number: number): number {
  let value = 0;
  for (const field of readFields(message, where)) if (field.number === number && field.kind === 'integer') value = field.value;
  return value;
}

/** The integers of a packed repeated field. */
export function* readPacked(bytes: Uint8Array, where: string): Generator<number> {
  const cursor = { message: bytes, at: 0, where };
  while (cursor.at < bytes.length) yield readVarint(cursor);
}

interface Cursor {
  readonly message: Uint8Array;
  at: number;
  readonly where: string;
}

/** Bytes of the longest integer: 64 bits, seven bits per byte. */
const MAX_VARINT = 10;
/** Bytes whose bits a number holds exactly. */
const EXACT = 7;

/** An unsigned integer of at most 49 bits. A larger or negative one becomes Infinity, which fails every check of a size. */
function readVarint(cursor: Cursor): number {
  let value = 0;
  for (let i = 0; i < MAX_VARINT; i++) {
    const byte = cursor.message[cursor.at++];
    if (byte === undefined) throw failure(cursor, 'an integer', 'the end of the message');
    const bits = byte & 127;
    if (i < EXACT) value += bits * 2 ** (7 * i);
    else if (bits > 0) value = Number.POSITIVE_INFINITY;
    if (byte < 128) return value;
  }
  throw failure(cursor, `an integer of at most ${MAX_VARINT} bytes`, 'a longer one');
}

function take(cursor: Cursor, length: number): Uint8Array {
  const left = cursor.message.length - cursor.at;
  if (length > left) throw failure(cursor, `at most ${left} bytes`, `a length of ${length}`);
  cursor.at += length;
  return cursor.message.subarray(cursor.at - length, cursor.at);
}

function failure({ at, where }: Cursor, expected: string, got: string): InputError {
  return new InputError('onnx', `${where}, byte ${at}`, `expected ${expected}, got ${got}`);
}
