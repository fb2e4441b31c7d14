/** Small data sets in the official layouts, and what tests do with them. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';
import { onTestFinished } from 'vitest';
import type { ImageSet } from '../../src/data/dataset.ts';

/** A folder that is removed when the test ends, with these files in it. */
export async function folderWith(files: Readonly<Record<string, Uint8Array | string>> = {}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'wrn-onnx-test-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  return folder;
}

/** Bytes that look random and are always the same. */
export function noise(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0, state = seed; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** Images 3x32x32 of a formula, [count, 3, 32, 32]: 31 i + 67 c + 7 y + 3 x, modulo 256, as fixtures/make.py has it. */
export function formulaImages(first: number, count: number): Buffer {
  const at = (k: number) =>
    31 * (first + Math.floor(k / 3072)) + 67 * (Math.floor(k / 1024) % 3) + 7 * (Math.floor(k / 32) % 32) + 3 * (k % 32);
  return Buffer.from(Array.from({ length: 3072 * count }, (_, k) => at(k) % 256));
}

/** CIFAR records: the label bytes of each image before its 3072 pixels. */
export function cifarRecords(labels: readonly (readonly number[])[], seed: number): Buffer {
  return Buffer.concat(labels.flatMap((bytes, i) => [Buffer.from(bytes), noise(3072, seed + i)]));
}

/** The bytes that Python 2's cPickle wrote into the official files: strings hold the pixels. */
export function cifarPickle(labels: readonly number[], pixels: Buffer): Buffer {
  const text = (code: string) => Buffer.from(code, 'latin1');
  const length = Buffer.alloc(4);
  length.writeUInt32LE(pixels.length);
  return Buffer.concat([
    text('\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x15training batch 1 of 5q\x03U\x06labelsq\x04]q\x05('),
    ...labels.map((label) => Buffer.of(0x4b, label)),
    text('eU\x04dataq\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85U\x01b\x87Rq\x09(K\x01'),
    Buffer.of(0x4b, labels.length),
    text('M\x00\x0c\x86cnumpy\ndtype\nq\x0aU\x02u1K\x00K\x01\x87Rq\x0b(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T'),
    length,
    pixels,
    text('tbU\tfilenamesq\x0c]q\x0d(U\x05a.pngq\x0eU\x05b.pngq\x0feu.'),
  ]);
}

export function idxImages(count: number, height: number, width: number, seed = 1): Buffer {
  return Buffer.concat([bigEndian(0x803, count, height, width), noise(count * height * width, seed)]);
}

export function idxLabels(labels: readonly number[]): Buffer {
  return Buffer.concat([bigEndian(0x801, labels.length), Buffer.from(labels)]);
}

export function bigEndian(...words: number[]): Buffer {
  const bytes = Buffer.alloc(4 * words.length);
  words.forEach((word, i) => {
    bytes.writeUInt32BE(word, 4 * i);
  });
  return bytes;
}

/** A tar archive of these files, in order. */
export async function tar(files: readonly (readonly [name: string, content: Uint8Array])[]): Promise<Buffer> {
  const archive = pack();
  for (const [name, content] of files) archive.entry({ name, mtime: new Date(0) }, content);
  archive.finalize();
  return buffer(archive as AsyncIterable<Uint8Array>);
}

/** Everything that `batches` gives, copied; closes the set. */
export async function readAll(
  set: ImageSet,
  size = 7,
  from?: number,
  to?: number,
): Promise<{ images: Buffer; labels: number[]; offsets: number[] }> {
  const images: Buffer[] = [];
  const labels: number[] = [];
  const offsets: number[] = [];
  try {
    for await (const batch of set.batches(size, from, to)) {
      images.push(Buffer.from(batch.imagesNCHW));
      labels.push(...batch.labels);
      offsets.push(batch.offset);
    }
  } finally {
    await set.close();
  }
  return { images: Buffer.concat(images), labels, offsets };
}
