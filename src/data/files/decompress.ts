/** Compressed files as streams. The format is detected by the first bytes, never by the file name. */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline, Readable } from 'node:stream';
import { createGunzip, createInflate, createInflateRaw } from 'node:zlib';
import { InputError } from '../../errors.ts';
import { fileError } from './file-error.ts';

/** Magic bytes. Sources: RFC 1952, section 2.3.1; the .xz file format 1.2, section 2.1.1.1. */
const magics = { gzip: [0x1f, 0x8b, 0x08], xz: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00] } as const;

export type Compression = keyof typeof magics;

/**
 * The compression of a file; undefined if it is not compressed.
 * @throws InputError when it cannot be read
 */
export async function compressionOf(path: string): Promise<Compression | undefined> {
  try {
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(6), 0, 6, 0);
      const starts = (magic: readonly number[]) => magic.length <= bytesRead && magic.every((byte, i) => buffer[i] === byte);
      return (Object.keys(magics) as Compression[]).find((name) => starts(magics[name]));
    } finally {
      await file.close();
    }
  } catch (error) {
    throw fileError(path, error);
  }
}

/**
 * Content of a file, decompressed if necessary.
 * @throws InputError when the file cannot be read, or its compressed data is damaged or truncated
 */
export async function* decompressed(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  const compression = await compressionOf(path);
  const file = createReadStream(path, { highWaterMark: 1 << 18 });
  try {
    yield* unpack(file, compression);
  } catch (error) {
    const reason = fileError(path, error);
    if (reason !== error || compression === undefined || !(error instanceof Error)) throw reason;
    throw new InputError(compression, path, `expected complete, undamaged data, got ${error.message}`, { cause: error });
  } finally {
    file.destroy();
  }
}

/** Deflated data inside other formats: with a zlib wrapper (RFC 1950) or raw (RFC 1951). */
const inflaters = { zlib: createInflate, deflate: createInflateRaw } as const;

/**
 * Inflates deflated data.
 * @param path for errors
 * @throws InputError when it is damaged or truncated
 */
export async function* inflated(
  path: string,
  content: AsyncIterable<Uint8Array>,
  wrapping: keyof typeof inflaters,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* pipeline(Readable.from(content), inflaters[wrapping]({ chunkSize: 1 << 18 }), () => {}) as AsyncIterable<Uint8Array>;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && String(error.code).startsWith('Z_'))) throw error;
    throw new InputError(wrapping, path, `expected complete, undamaged data, got ${error.message}`, { cause: error });
  }
}

function unpack(file: Readable, compression: Compression | undefined): AsyncIterable<Uint8Array> {
  if (compression === 'gzip') return pipeline(file, createGunzip({ chunkSize: 1 << 18 }), () => {});
  return compression === 'xz' ? unpackXz(file) : file;
}

async function* unpackXz(file: Readable): AsyncGenerator<Uint8Array, void, undefined> {
  const { default: xz } = await import('xz-decompress'); // loaded on demand: few commands read archives
  const reader = new xz.XzReadableStream(webStream(file)).getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } finally {
    await reader.cancel().catch(() => {}); // xz-decompress throws when a finished stream is cancelled
  }
}

/** Replaces Readable.toWeb, which throws outside any promise when the stream is cancelled during a read. */
function webStream(file: Readable): ReadableStream<Uint8Array> {
  const chunks: AsyncIterator<Uint8Array> = file[Symbol.asyncIterator]();
  return new ReadableStream({
    async pull(controller) {
      const next = await chunks.next();
      if (next.done) controller.close();
      else controller.enqueue(next.value);
    },
  });
}
