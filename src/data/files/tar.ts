/** Tar archives as streams. */
import { posix } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { InputError, WrnError } from '../../errors.ts';
import { decompressed } from './decompress.ts';

/** A regular file of an archive. */
export interface TarMember {
  /** Base name: a name in an archive never becomes a path. */
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  /** Valid until the next member is asked for. */
  readonly content: AsyncIterable<Uint8Array>;
}

/**
 * The regular files of a tar archive, compressed or not, in order.
 * @throws InputError when the archive is damaged or truncated
 */
export async function* tarMembers(path: string): AsyncGenerator<TarMember, void, undefined> {
  const { extract } = await import('tar-stream'); // loaded on demand: few commands read archives
  const members = extract();
  const archive = Readable.from(decompressed(path));
  const feeding = pipeline(archive, members).then(
    () => undefined,
    (error: unknown) => error,
  );
  /** The error that stopped the archive: its reader only learns that it stopped. */
  const causeOf = async (error: unknown) => {
    archive.destroy();
    const cause = isOurs(error) ? error : ((await feeding) ?? error);
    if (isOurs(cause) || !(cause instanceof Error)) return cause;
    return new InputError('tar', path, `expected a complete, undamaged archive, got ${cause.message}`, { cause });
  };
  async function* contentOf(member: AsyncIterable<Uint8Array>) {
    try {
      yield* member;
    } catch (error) {
      throw await causeOf(error);
    }
  }
  try {
    for await (const member of members) {
      const { name, type, size = 0 } = member.header;
      if (type === 'file' || type === 'contiguous-file')
        yield { name: posix.basename(name), size, content: contentOf(member as AsyncIterable<Uint8Array>) };
      member.resume();
    }
    const error = await feeding;
    if (error !== undefined) throw error;
  } catch (error) {
    throw await causeOf(error);
  } finally {
    archive.destroy(); // the caller may stop early
  }
}

/**
 * Reads a tar archive once from start to end.
 * @param take gets each regular file in order. It reads `content` to its end or not at all
 * @throws InputError when the archive is damaged or truncated; passes on errors of `take`
 */
export async function readTar(path: string, take: (name: string, content: AsyncIterable<Uint8Array>) => Promise<void>): Promise<void> {
  for await (const { name, content } of tarMembers(path)) await take(name, content);
}

/** Whether an error is ours or the file system's, rather than the tar reader's. */
function isOurs(error: unknown): boolean {
  return error instanceof WrnError || (error instanceof Error && 'syscall' in error);
}
