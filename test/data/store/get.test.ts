/** Downloads from a real server on the loopback interface, and adoption of files that are already here. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { type CatalogEntry, catalogEntry, type PinnedFile } from '../../../src/data/catalog.ts';
import type { Split } from '../../../src/data/dataset.ts';
import { openImageSet } from '../../../src/data/open.ts';
import { checkDataSet, isPresent } from '../../../src/data/store/data-folder.ts';
import { type GetOptions, getDataSet } from '../../../src/data/store/get.ts';
import { DownloadError, UsageError } from '../../../src/errors.ts';
import { testWith } from '../../shared.ts';
import { cifarRecords, folderWith, noise, readAll, tar } from '../crafted.ts';
import { listen } from './listen.ts';

const files = {
  'train.bin': cifarRecords(
    [
      [0, 1],
      [1, 2],
    ],
    1,
  ),
  'test.bin': cifarRecords([[2, 3]], 5),
};
const members = Object.entries(files).map(([name, content]) => [`set/${name}`, content] as const);
const archive = gzipSync(await tar([...members, ['set/readme.html', noise(300_000, 9)]]));
const pin = (name: string, content: Uint8Array): PinnedFile => ({
  name,
  bytes: content.length,
  sha256: createHash('sha256').update(content).digest('hex'),
});
const entry: CatalogEntry = {
  name: 'cifar-100',
  title: 'Small',
  images: { train: 2, test: 1 },
  channels: 3,
  height: 32,
  width: 32,
  classes: 100,
  classLabels: [],
  license: 'none',
  address: 'http://localhost:9/',
  archives: [pin('small.tar.gz', archive)],
  files: Object.entries(files).map(([name, content]) => pin(name, content)),
};

type Handler = (request: IncomingMessage, response: ServerResponse, from: number) => void;

/** A server that answers the first requests with these handlers, in turn, and then the last one. */
async function serve(...handlers: Handler[]): Promise<{ address: string; requests: (string | undefined)[] }> {
  const requests: (string | undefined)[] = [];
  const address = await listen((request, response) => {
    const handler = handlers[Math.min(requests.length, handlers.length - 1)] as Handler;
    requests.push(request.headers.range);
    handler(request, response, Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0));
  });
  return { address, requests };
}

/** The whole file, or what is asked of it. */
const honest: Handler = (_, response, from) => {
  const range = { 'content-range': `bytes ${from}-${archive.length - 1}/${archive.length}` };
  response.writeHead(from > 0 ? 206 : 200, { 'content-length': archive.length - from, ...(from > 0 && range) });
  response.end(archive.subarray(from));
};
/** Promises everything, sends up to `end` and breaks the connection. */
const cutAt =
  (end: number): Handler =>
  (_, response, from) => {
    response.writeHead(from > 0 ? 206 : 200, {
      'content-length': archive.length - from,
      'content-range': `bytes ${from}-${archive.length - 1}/*`,
    });
    response.write(archive.subarray(from, end), () => setTimeout(() => response.destroy(), 20));
  };
const status =
  (code: number): Handler =>
  (_, response) => {
    response.writeHead(code).end('some page');
  };
/** Sends this, and says beforehand how long it is, or not. */
const whole =
  (content: Uint8Array, sized = false): Handler =>
  (_, response) => {
    response.writeHead(200, sized ? { 'content-length': content.length } : {}).end(content);
  };

/** What there is in the data folder, hidden or not. */
const listing = async (folder: string) => (await readdir(folder)).sort();
const part = (folder: string) => join(folder, '.cifar-100.download', 'small.tar.gz');

async function checkResult(dataFolder: string): Promise<void> {
  expect(await listing(dataFolder)).toEqual(['cifar-100']);
  for (const [name, content] of Object.entries(files)) expect(await readFile(join(dataFolder, 'cifar-100', name))).toEqual(content);
  expect((await readAll(await openImageSet('cifar-100', { split: 'train', dataFolder }))).labels).toEqual([1, 2]);
}

test('a download, with progress; a second one finds it here', async () => {
  const dataFolder = join(await folderWith(), 'made', 'on demand');
  const { address, requests } = await serve(honest);
  const seen: Record<string, number> = {};
  const onProgress: GetOptions['onProgress'] = (doing, bytes, of) => {
    expect(bytes).toBeLessThanOrEqual(of);
    expect(bytes).toBeGreaterThanOrEqual(seen[doing] ?? 0);
    seen[doing] = bytes;
  };
  expect(await getDataSet(entry, { dataFolder, address, onProgress })).toBe(true);
  expect(seen).toEqual({ downloading: archive.length, unpacking: 3 * 3074 });
  await checkResult(dataFolder);
  expect(await getDataSet(entry, { dataFolder, address })).toBe(false);
  expect(requests).toEqual([undefined]);
});

test('a connection that breaks is taken up where it broke', async () => {
  const dataFolder = await folderWith();
  const { address, requests } = await serve(cutAt(100_000), cutAt(200_000), honest);
  await getDataSet(entry, { dataFolder, address });
  expect(requests).toEqual([undefined, 'bytes=100000-', 'bytes=200000-']);
  await checkResult(dataFolder);
});

test('a server that cannot continue sends everything again', async () => {
  const dataFolder = await folderWith();
  const { address, requests } = await serve(cutAt(100_000), whole(archive));
  await getDataSet(entry, { dataFolder, address });
  expect(requests).toHaveLength(2);
  await checkResult(dataFolder);
});

test('a connection that brings nothing more is given up, and resumed by the next call', async () => {
  const dataFolder = await folderWith();
  const { address, requests } = await serve(cutAt(100_000), cutAt(100_000), honest);
  const getting = getDataSet(entry, { dataFolder, address });
  await expect(getting).rejects.toThrow(DownloadError);
  await expect(getting).rejects.toThrow(`Run it again to resume after 100000 of ${archive.length} bytes`);
  expect(await listing(dataFolder)).toEqual(['.cifar-100.download']);
  await getDataSet(entry, { dataFolder, address });
  expect(requests).toEqual([undefined, 'bytes=100000-', 'bytes=100000-']);
  await checkResult(dataFolder);
});

test('two calls at once share what comes, and both find the set', async () => {
  const dataFolder = await folderWith();
  const slow: Handler = async (_, response, from) => {
    const range = { 'content-range': `bytes ${from}-${archive.length - 1}/${archive.length}` };
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': archive.length - from, ...(from > 0 && range) });
    for (let at = from; at < archive.length; at += 20_000) {
      response.write(archive.subarray(at, at + 20_000));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    response.end();
  };
  const { address, requests } = await serve(slow);
  let second: Promise<boolean> | undefined;
  const onProgress: GetOptions['onProgress'] = (_, bytes) => {
    if (bytes >= 100_000) second ??= getDataSet(entry, { dataFolder, address });
  };
  await getDataSet(entry, { dataFolder, address, onProgress });
  await second;
  expect(requests[1]).toMatch(/^bytes=1\d{5}-$/);
  await checkResult(dataFolder);
});

const wrong = Buffer.from(archive);
wrong[1000] = (wrong[1000] as number) ^ 1;
const page = Buffer.from('<html>sign in</html>');
test.each([
  ['one wrong bit', whole(wrong), /small\.tar\.gz: expected SHA-256 [0-9a-f]{64}, got [0-9a-f]{64}\. Removed the download/],
  ['a longer file', whole(Buffer.concat([archive, archive])), /expected \d+ bytes, got more\. Removed the download/],
  ['a page instead of the file', whole(page, true), /small\.tar\.gz: expected a file of \d+ bytes, got one of 20$/],
  ['a page of unknown length instead of the file', whole(page), /expected data, got none. Run it again to resume after 20 of/],
  ['404', status(404), /small\.tar\.gz: expected the file, got HTTP 404 Not Found$/],
  ['500', status(500), /small\.tar\.gz: expected the file, got HTTP 500 Internal Server Error$/],
  ['a range that was not asked for', status(206), /got HTTP 206/],
])('%s: refused, and nothing under the final name', async (_, handler, message) => {
  const dataFolder = await folderWith();
  const { address } = await serve(handler, handler, status(500));
  const getting = getDataSet(entry, { dataFolder, address });
  await expect(getting).rejects.toThrow(message);
  await expect(getting).rejects.toThrow(DownloadError);
  expect(await listing(dataFolder)).toEqual(['.cifar-100.download']);
  const left = await stat(part(dataFolder)).catch(() => undefined);
  expect(left === undefined || left.size === 20).toBe(true);
});

test('no server', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  await new Promise((resolve) => server.close(resolve));
  const getting = getDataSet(entry, { dataFolder: await folderWith(), address });
  await expect(getting).rejects.toThrow(/small\.tar\.gz: expected a connection, got ECONNREFUSED$/);
});

test('an interrupted download is resumed', async () => {
  const dataFolder = await folderWith();
  const hanging: Handler = (_, response) => {
    response.writeHead(200, { 'content-length': archive.length });
    response.write(archive.subarray(0, 50_000));
  };
  const { address, requests } = await serve(hanging, honest);
  const controller = new AbortController();
  const onProgress = (_: string, bytes: number) => bytes === 50_000 && controller.abort('stopped');
  const getting = getDataSet(entry, { dataFolder, address, onProgress, signal: controller.signal });
  await expect(getting).rejects.toBe('stopped');
  expect(await listing(dataFolder)).toEqual(['.cifar-100.download']);
  await getDataSet(entry, { dataFolder, address });
  expect(requests).toEqual([undefined, 'bytes=50000-']);
  await checkResult(dataFolder);
});

const built = fileURLToPath(new URL('../../../dist/src/data/store/get.js', import.meta.url));
test.skipIf(!existsSync(built))('a process killed in the middle of a download is continued by the next [needs npm run build]', async () => {
  const dataFolder = await folderWith();
  const hanging: Handler = (_, response) => {
    response.writeHead(200, { 'content-length': archive.length });
    response.write(archive.subarray(0, 150_000));
  };
  const { address, requests } = await serve(hanging, honest);
  const options = JSON.stringify({ dataFolder, address });
  const child = spawn(process.execPath, [
    '-e',
    `import(${JSON.stringify(built)}).then((m) => m.getDataSet(${JSON.stringify(entry)}, ${options}))`,
  ]);
  await expect.poll(async () => (await stat(part(dataFolder)).catch(() => undefined))?.size, { timeout: 20_000 }).toBe(150_000);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(existsSync(join(dataFolder, 'cifar-100'))).toBe(false);
  await getDataSet(entry, { dataFolder, address });
  expect(requests).toEqual([undefined, 'bytes=150000-']);
  expect(await checkDataSet(entry, dataFolder)).toBeUndefined();
});

test('a damaged data set is replaced as a whole', async () => {
  const dataFolder = await folderWith({ 'cifar-100/train.bin': 'x', 'cifar-100/stray': 'y' });
  expect(await isPresent(entry, dataFolder)).toBe(false);
  const { address } = await serve(honest);
  await getDataSet(entry, { dataFolder, address });
  await checkResult(dataFolder);
  expect(await listing(join(dataFolder, 'cifar-100'))).toEqual(['test.bin', 'train.bin']);
});

test('a failed attempt leaves a damaged data set as it was', async () => {
  const dataFolder = await folderWith({ 'cifar-100/train.bin': 'x' });
  const { address } = await serve(status(404));
  await expect(getDataSet(entry, { dataFolder, address })).rejects.toThrow(DownloadError);
  expect(await readFile(join(dataFolder, 'cifar-100/train.bin'), 'utf8')).toBe('x');
});

test('a data folder that cannot be made', async () => {
  const dataFolder = join(await folderWith({ file: '' }), 'file');
  const { address } = await serve(honest);
  await expect(getDataSet(entry, { dataFolder, address })).rejects.toThrow(UsageError);
});

test.each<[string, Record<string, Uint8Array>, string]>([
  ['plain files', files, ''],
  [
    'files in a folder below',
    Object.fromEntries(Object.entries(files).map(([name, content]) => [`sets/cifar-100-binary/${name}`, content])),
    '',
  ],
  ['gzipped files', Object.fromEntries(Object.entries(files).map(([name, content]) => [`${name}.gz`, gzipSync(content)])), ''],
  ['the archive', { 'downloads/small.tar.gz': archive }, ''],
  ['the archive unpacked from gzip', { 'small.tar': await tar(members) }, ''],
  ['an archive of any name, named', { 'other.tgz': archive }, 'other.tgz'],
  [
    'one file right, the other only in the archive',
    { 'train.bin': files['train.bin'], 'test.bin': noise(3074, 1), 'small.tar.gz': archive },
    '',
  ],
  [
    'a damaged archive beside good files',
    { 'small.tar.gz': archive.subarray(0, 1000), 'sub/train.bin': files['train.bin'], 'sub/test.bin': files['test.bin'] },
    '',
  ],
])('--from takes %s', async (_, present, path) => {
  const from = join(await folderWith(present), path);
  const dataFolder = await folderWith();
  expect(await getDataSet(entry, { dataFolder, from })).toBe(true);
  await checkResult(dataFolder);
});

test.each<[string, Record<string, Uint8Array>, RegExp]>([
  ['an empty folder', {}, /^cifar-100: expected train\.bin in .*, plain or packed, got no such file$/],
  ['a folder with one of two files', { 'train.bin': files['train.bin'] }, /^cifar-100: expected test\.bin in/],
  ['a wrong file', { 'train.bin': noise(6148, 1), 'test.bin': files['test.bin'] }, /train\.bin: expected SHA-256 [0-9a-f]{64}, got/],
  ['a short file', { 'train.bin': noise(10, 1) }, /train\.bin: expected 6148 bytes, got 10$/],
  ['a truncated archive', { 'small.tar.gz': archive.subarray(0, 2000) }, /^gzip .*small\.tar\.gz: expected complete, undamaged data, got/],
])('--from refuses %s, and leaves nothing', async (_, present, message) => {
  const from = await folderWith(present);
  const dataFolder = await folderWith();
  const getting = getDataSet(entry, { dataFolder, from });
  await expect(getting).rejects.toThrow(message);
  await expect(getting).rejects.toThrow(DownloadError);
  expect(await listing(dataFolder)).toEqual([]);
});

test('checking notices one bit', async () => {
  const dataFolder = await folderWith();
  await getDataSet(entry, { dataFolder, address: (await serve(honest)).address });
  const damaged = Buffer.from(files['test.bin']);
  damaged[77] = (damaged[77] as number) ^ 128;
  await writeFile(join(dataFolder, 'cifar-100/test.bin'), damaged);
  expect(await isPresent(entry, dataFolder)).toBe(true);
  expect(await checkDataSet(entry, dataFolder)).toMatch(/test\.bin: expected SHA-256/);
  await truncate(join(dataFolder, 'cifar-100/test.bin'), 3000);
  expect(await checkDataSet(entry, dataFolder)).toMatch(/test\.bin: expected 3074 bytes, got 3000/);
  await rm(join(dataFolder, 'cifar-100'), { recursive: true });
  await mkdir(join(dataFolder, 'cifar-100'));
  expect(await checkDataSet(entry, dataFolder)).toMatch(/train\.bin: expected a file of 6148 bytes, got none/);
});

/** Computed with numpy: sum of each channel, sum of label * (index + 1), first pixel of the first and last pixel of the last image. */
const cifarFacts: Record<Split, { channels: number[]; labels: number; first: number[]; last: number[] }> = {
  test: { channels: [1_290_492_328, 1_266_775_083, 1_176_108_223], labels: 224_936_223, first: [158, 112, 49], last: [27, 26, 26] },
  train: { channels: [6_415_714_204, 6_295_060_180, 5_829_907_619], labels: 5_626_648_244, first: [59, 62, 63], last: [163, 163, 161] },
};

testWith(
  'data/cifar-10-binary.tar.xz',
  'the official CIFAR-10, adopted: labels and pixels are those that numpy reads',
  async (file) => {
    const dataFolder = await folderWith();
    const cifar10 = catalogEntry('cifar-10') as CatalogEntry;
    await getDataSet(cifar10, { dataFolder, from: dirname(file) });
    for (const split of ['test', 'train'] as const) {
      const set = await openImageSet('cifar-10', { split, dataFolder });
      expect(set.length).toBe(cifar10.images[split]);
      const channels = [0, 0, 0];
      let labels = 0;
      const corners: number[][] = [];
      for await (const { imagesNCHW, ...batch } of set.batches(1000)) {
        for (let i = 0; i < imagesNCHW.length; i++)
          channels[Math.floor(i / 1024) % 3] = (channels[Math.floor(i / 1024) % 3] as number) + (imagesNCHW[i] as number);
        labels += batch.labels.reduce((sum, label, i) => sum + label * (batch.offset + i + 1), 0);
        corners.push(
          [0, 1024, 2048].map((at) => imagesNCHW[at] as number),
          [-2049, -1025, -1].map((at) => imagesNCHW.at(at) as number),
        );
      }
      await set.close();
      expect({ channels, labels, first: corners[0], last: corners.at(-1) }).toEqual(cifarFacts[split]);
    }
  },
  120_000,
);

testWith('data/mnist/t10k-labels-idx1-ubyte.gz', 'the official MNIST, adopted; it is not taken for Fashion-MNIST', async (file) => {
  const dataFolder = await folderWith();
  await getDataSet(catalogEntry('mnist') as CatalogEntry, { dataFolder, from: dirname(file) });
  const set = await openImageSet('mnist', { split: 'train', dataFolder });
  expect(set).toMatchObject({ name: 'mnist', length: 60_000, classes: 10 });
  await set.close();
  const fashion = getDataSet(catalogEntry('fashion-mnist') as CatalogEntry, { dataFolder, from: dirname(file) });
  await expect(fashion).rejects.toThrow(/expected SHA-256/);
  expect(await listing(dataFolder)).toEqual(['mnist']);
});
