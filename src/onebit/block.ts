/** The words of a call in the making. */
import type { Arena } from './arena.ts';
import { type Placed, strides } from './planes.ts';
import * as w from './words.ts';

export class Block {
  readonly words = new Int32Array(w.WORDS);
  readonly #reals = new Float32Array(this.words.buffer);
  readonly #arena: Arena;
  /** Where the words will stand. */
  readonly address: number;

  constructor(arena: Arena) {
    this.#arena = arena;
    this.address = arena.store(this.words);
  }

  integer(word: number, value: number): void {
    this.words[word] = value;
  }

  real(word: number, value: number): void {
    this.#reals[word] = value;
  }

  /** The address of numbers that stand there from the start. */
  constants(word: number, values: Float32Array | Int32Array): void {
    this.words[word] = this.#arena.store(values);
  }

  weights(bytes: number, fill: (memory: ArrayBufferLike, address: number) => void): void {
    this.words[w.WEIGHTS] = this.#arena.take(bytes, fill);
  }

  /** A tensor from its pixel (y, x) on: the address, and behind it the strides. */
  tensor(word: number, placed: Placed, y = 0, x = 0): void {
    const { row, plane, image, origin } = strides(placed);
    this.words.set([placed.address + origin + y * row + x * placed.size, row, plane, image], word);
  }
}
