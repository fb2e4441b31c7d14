/** Compressed files of which no more than the beginning is read. */
import { openSync, readSync } from 'node:fs';
import { Readable } from 'node:stream';
import { expect, vi } from 'vitest';
import { decompressed } from '../../../src/data/files/decompress.ts';
import { firstBytes } from '../../../src/data/files/forward-access.ts';
import { testWith } from '../../shared.ts';

// a disk that has the next bytes at once
vi.mock('node:fs', async (original) => ({
  ...(await original<typeof import('node:fs')>()),
  createReadStream(path: string) {
    const file = openSync(path, 'r');
    const bytes = Buffer.alloc(4096);
    return new Readable({
      highWaterMark: 1,
      read() {
        this.push(Buffer.from(bytes.subarray(0, readSync(file, bytes))));
      },
    });
  },
}));

testWith('data/cifar-10-binary.tar.xz', 'no byte of an xz file comes behind the end of the reading', async (archive) => {
  expect(await firstBytes(decompressed(archive), 512)).toHaveLength(512);
  await new Promise((resolve) => setTimeout(resolve, 50)); // what comes late is thrown outside of any promise
});
