/**
 * A reader over bytes that never reads past the end. It checks every length against the bytes left
 * before it slices or allocates anything.
 */
import { InputError } from '../errors.ts';

export class Cursor {
  /** All bytes. Always a plain Uint8Array, even for a Buffer, because slicing a Buffer does not copy. */
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;

  /**
   * @param format name of the format, for errors
   * @param littleEndian byte order of multi-byte numbers; set it again once the header states it
   */
  constructor(
    bytes: Uint8Array,
    readonly format: string,
    public littleEndian = true,
  ) {
    this.bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get offset(): number {
    return this.#offset;
  }

  get left(): number {
    return this.bytes.length - this.#offset;
  }

  /** An error at the current offset: `<format> at byte N: expected X, got Y`. */
  error(problem: string): InputError {
    return new InputError(this.format, `at byte ${this.#offset}`, problem);
  }

  /** The next `count` bytes, not copied. */
  take(count: number, what = 'data'): Uint8Array {
    if (!Number.isSafeInteger(count) || count < 0 || count > this.left) {
      throw this.error(`expected ${count} bytes of ${what}, got ${this.left} left in the file`);
    }
    this.#offset += count;
    return this.bytes.subarray(this.#offset - count, this.#offset);
  }

  /** Moves to an absolute offset. */
  seek(offset: number): void {
    if (!Number.isSafeInteger(offset) || offset < 0 || offset > this.bytes.length) {
      throw this.error(`expected an offset of at most ${this.bytes.length}, got ${offset}`);
    }
    this.#offset = offset;
  }

  uint8(): number {
    return this.take(1)[0] as number;
  }

  uint16(): number {
    return this.#view.getUint16(this.#advance(2), this.littleEndian);
  }

  int32(): number {
    return this.#view.getInt32(this.#advance(4), this.littleEndian);
  }

  uint32(): number {
    return this.#view.getUint32(this.#advance(4), this.littleEndian);
  }

  /** An unsigned 64-bit number. Values from 2^53 on are an error, since no length or offset is that large. */
  uint64(): number {
    const value = Number(this.#view.getBigUint64(this.#advance(8), this.littleEndian));
    if (!Number.isSafeInteger(value)) throw this.error(`expected a number below 2^53, got ${value}`);
    return value;
  }

  float64(): number {
    return this.#view.getFloat64(this.#advance(8), this.littleEndian);
  }

  #advance(count: number): number {
    this.take(count, 'a number');
    return this.#offset - count;
  }
}

/** Decodes bytes as Latin-1 text, one byte per character. */
export function latin1(bytes: Uint8Array): string {
  const CHUNK = 0x8000; // String.fromCharCode takes its characters as arguments
  let text = '';
  for (let i = 0; i < bytes.length; i += CHUNK) text += String.fromCharCode(...bytes.subarray(i, i + CHUNK));
  return text;
}
