/** A forward-only stream as a file, so that compressed data need not be unpacked to disk. */
import { InputError } from '../../errors.ts';
import type { RandomAccess } from './random-access.ts';

const CHUNK = 1 << 18;

/** Bytes `from` to `to` of a file. */
export async function* bytesOf(file: RandomAccess, from: number, to: number): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = from; at < to; at += CHUNK) {
    const chunk = new Uint8Array(Math.min(CHUNK, to - at));
    await file.read(chunk, at);
    yield chunk;
  }
}

/** The first `count` bytes, or all bytes if there are fewer. */
export async function firstBytes(content: AsyncIterable<Uint8Array>, count: number): Promise<Buffer> {
  let start = Buffer.alloc(0);
  for await (const chunk of content) {
    start = Buffer.concat([start, chunk.subarray(0, count - start.length)]);
    if (start.length >= count) break;
  }
  return start;
}

/**
 * Reads content at increasing positions and skips the bytes in between. A lower position restarts from the beginning.
 * Not for concurrent readers.
 * @param begin returns the content from its start
 */
export function forwardAccess(path: string, size: number, begin: () => AsyncIterable<Uint8Array>): RandomAccess {
  let content: AsyncIterator<Uint8Array> | undefined;
  let chunk: Uint8Array = new Uint8Array();
  /** Position of the current chunk. */
  let at = 0;
  const close = async () => {
    await content?.return?.();
    content = undefined;
  };
  return {
    path,
    size,
    async read(into, position) {
      if (!content || position < at) {
        await close();
        content = begin()[Symbol.asyncIterator]();
        [chunk, at] = [new Uint8Array(), 0];
      }
      for (let done = 0; done < into.length; ) {
        const part = chunk.subarray(position + done - at).subarray(0, into.length - done);
        into.set(part, done);
        done += part.length;
        if (done === into.length) return;
        at += chunk.length;
        const next = await content.next();
        if (next.done) throw new InputError('file', path, `expected ${position + into.length} bytes, got ${at}`);
        chunk = next.value;
      }
    },
    close,
  };
}
