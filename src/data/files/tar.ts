import { posix } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { InputError, WrnError } from '../../errors.ts';
import { decompressed } from './decompress.ts';

/**
 * Reads a tar archive, compressed or not, once from start to end.
 * Members are identified by base name, so a name in the archive never becomes a path.
 * @param take gets each regular file in order. It reads `content` to its end or not at all
 * @throws InputError when the archive is damaged or truncated; passes on errors of `take`
 */
export async function readTar(path: string, take: (name: string, content: AsyncIterable<Uint8Array>) => Promise<void>): Promise<void> {
  const { extract } = await import('tar-stream'); // loaded on demand: few commands read archives
  const members = extract();
  let taking: Promise<void> = Promise.resolve();
  members.on('entry', ({ name, type }, content, next) => {
    const ended = new Promise<void>((resolve) => content.once('end', () => resolve()));
    content.on('error', () => {}); // the pipeline below reports the same error
    const isFile = type === 'file' || type === 'contiguous-file';
    taking = isFile ? take(posix.basename(name), content as AsyncIterable<Uint8Array>) : Promise.resolve();
    taking.then(() => {
      content.resume();
      ended.then(() => next());
    }, next);
  });
  try {
    await pipeline(Readable.from(decompressed(path)), members);
  } catch (error) {
    // prefer an error of `take`: when it stops reading early, the pipeline fails as a consequence
    const cause = await taking.then(
      () => error,
      (thrown: unknown) => (isOurs(thrown) ? thrown : error),
    );
    if (isOurs(cause) || !(cause instanceof Error)) throw cause;
    throw new InputError('tar', path, `expected a complete, undamaged archive, got ${cause.message}`, { cause });
  }
}

/** Whether an error is ours or the file system's, rather than the tar reader's. */
function isOurs(error: unknown): boolean {
  return error instanceof WrnError || (error instanceof Error && 'syscall' in error);
}
