/** Hands out the memory of a network before there is any, and says how it will be filled. */
import { InputError } from '../errors.ts';
import { type Placed, type Planes, planesKey, planesLength } from './planes.ts';

/** Addresses are signed 32-bit words. */
const MAX_BYTES = 2 ** 31 - 65536;
/** The first bytes belong to the compiled kernels. */
const START = 1024;
/** Of every address: a line of the cache. */
const ALIGNMENT = 64;

export class Arena {
  #bytes = START;
  readonly #fills: ((memory: ArrayBufferLike) => void)[] = [];
  /** Places of tensors that nobody reads any more, by their key. */
  readonly #free = new Map<string, number[]>();
  /** Images at once. */
  readonly #batch: number;

  constructor(batch: number) {
    this.#batch = batch;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * @param fill writes what stands there from the start
   * @returns an address
   * @throws InputError when the network takes more memory than there can be
   */
  take(bytes: number, fill?: (memory: ArrayBufferLike, address: number) => void): number {
    const address = this.#bytes;
    this.#bytes += Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    if (this.#bytes > MAX_BYTES)
      throw new InputError('onnx', 'metadata wrn.config', `expected a network of at most 2 GiB, got a larger one`);
    if (fill) this.#fills.push((memory) => fill(memory, address));
    return address;
  }

  /** Constants. */
  store(values: Float32Array | Int32Array): number {
    return this.take(values.byteLength, (memory, address) => {
      new Uint8Array(memory, address, values.byteLength).set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    });
  }

  /** A tensor, where another of its key was given back if there is one. */
  place(planes: Planes): Placed {
    const bytes = planesLength(planes, this.#batch);
    const fill = (memory: ArrayBufferLike, address: number) => new Uint8Array(memory, address, bytes).fill(planes.fill);
    return { ...planes, address: this.#free.get(planesKey(planes))?.pop() ?? this.take(bytes, planes.fill === 0 ? undefined : fill) };
  }

  giveBack(placed: Placed): void {
    const key = planesKey(placed);
    this.#free.set(key, [...(this.#free.get(key) ?? []), placed.address]);
  }

  /** Writes everything that stands there from the start, into memory of zeros. */
  fill(memory: ArrayBufferLike): void {
    for (const fill of this.#fills) fill(memory);
  }
}
