import { posix } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { InputError, WrnError } from '../../errors.ts';
import { decompressed } from './decompress.ts';

/**
 * Reads a tar archive, compressed or not, once from start to end.
 * Members are known by their base name, so that no name of the archive ever becomes a path.
 * @param take gets each regular file in order; it reads `content` to its end or leaves it alone.
 * @throws InputError when the archive is damaged or cut short; whatever `take` throws.
 */
export async function readTar(path: string, take: (name: string, content: AsyncIterable<Uint8Array>) => Promise<void>): Promise<void> {
  const { extract } = await import('tar-stream'); // few uses read archives
  const members = extract();
  let taking: Promise<void> = Promise.resolve();
  members.on('entry', ({ name, type }, content, next) => {
    const ended = new Promise<void>((resolve) => content.once('end', () => resolve()));
    content.on('error', () => {}); // whatever breaks the archive breaks the pipeline below
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
    // what `take` threw comes first: its leaving the content early is what broke the pipeline
    const cause = await taking.then(
      () => error,
      (thrown: unknown) => (isOurs(thrown) ? thrown : error),
    );
    if (isOurs(cause) || !(cause instanceof Error)) throw cause;
    throw new InputError('tar', path, `expected a complete, undamaged archive, got ${cause.message}`, { cause });
  }
}

/** Not a complaint of the tar reader about the archive. */
function isOurs(error: unknown): boolean {
  return error instanceof WrnError || (error instanceof Error && 'syscall' in error);
}
