import { readSync, writeSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { openTemporary, temporaryFileError } from '../../src/data/files/temporary-file.ts';

/** Bytes copied at once. */
const PIECE_BYTES = 1 << 20;

/**
 * Logits kept in a temporary file: memory does not grow with the number of images. Reads and writes hold one batch
 * and hit the system's cache, where a blocking call takes microseconds and an asynchronous one takes a thread.
 */
export class LogitSpool {
  readonly #file: FileHandle;
  readonly #classes: number;
  readonly #from: number;

  private constructor(file: FileHandle, classes: number, from: number) {
    this.#file = file;
    this.#classes = classes;
    this.#from = from;
  }

  /**
   * @param from index of the first image to keep
   * @throws UsageError when the temporary folder cannot be written
   */
  static async open(classes: number, from: number): Promise<LogitSpool> {
    try {
      return new LogitSpool(await openTemporary(), classes, from);
    } catch (error) {
      throw spoolError(error);
    }
  }

  /**
   * Keeps the logits of the images from `offset` on, shape [images, classes].
   * @throws UsageError when the temporary folder is full
   */
  write(offset: number, logits: Float32Array): void {
    const bytes = new Uint8Array(logits.buffer, logits.byteOffset, logits.byteLength);
    const position = this.#position(offset);
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#file.fd, bytes, done, bytes.length - done, position + done);
    } catch (error) {
      throw spoolError(error);
    }
  }

  /** The logits written for some images, shape [images, classes]. */
  read(offset: number, images: number): Float32Array {
    const logits = new Float32Array(images * this.#classes);
    this.#fill(new Uint8Array(logits.buffer), this.#position(offset));
    return logits;
  }

  /** The logits of the first images, as raw bytes in pieces. */
  *pieces(images: number): Generator<Uint8Array, void, undefined> {
    const end = images * this.#classes * Float32Array.BYTES_PER_ELEMENT;
    for (let position = 0; position < end; position += PIECE_BYTES) {
      const piece = new Uint8Array(Math.min(PIECE_BYTES, end - position));
      this.#fill(piece, position);
      yield piece;
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  #position(offset: number): number {
    return (offset - this.#from) * this.#classes * Float32Array.BYTES_PER_ELEMENT;
  }

  #fill(bytes: Uint8Array, position: number): void {
    for (let done = 0; done < bytes.length; ) {
      const read = readSync(this.#file.fd, bytes, done, bytes.length - done, position + done);
      if (read === 0) throw new RangeError(`logits end at ${position + done} bytes`);
      done += read;
    }
  }
}

function spoolError(error: unknown): unknown {
  return temporaryFileError('logits: cannot be written', 'Evaluate in shards', error);
}
