/** Published networks from a real server on the loopback interface. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { catalogEntry } from '../../../src/data/catalog.ts';
import { type PublishedNetwork, publishedNetworks } from '../../../src/data/networks.ts';
import { getNetwork, networkFile } from '../../../src/data/store/network.ts';
import { DownloadError } from '../../../src/errors.ts';
import { shared } from '../../shared.ts';
import { folderWith, noise } from '../crafted.ts';
import { listen } from './listen.ts';

const content = noise(50_000, 3);
const sha256 = createHash('sha256').update(content).digest('hex');
const entry: PublishedNetwork = {
  name: 'small',
  network: 'WRN-20-1',
  dataset: 'cifar-10',
  testError: 0.1,
  licence: 'MIT',
  page: 'localhost',
  download: { name: 'small.mat', bytes: content.length, sha256, address: 'http://localhost:9/' },
};

async function serve(body: Uint8Array): Promise<{ address: string; requests: string[] }> {
  const requests: string[] = [];
  const address = await listen(({ url, headers }, response) => {
    requests.push(`${url} ${headers.range ?? 'whole'}`);
    const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0);
    const range = { 'content-range': `bytes ${from}-${body.length - 1}/${body.length}` };
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': body.length - from, ...(from > 0 && range) }).end(body.subarray(from));
  });
  return { address, requests };
}

test('a network is fetched once, from where a partial download ended, and again when it is damaged', async () => {
  const dataFolder = await folderWith({ 'networks/small.mat.part': content.subarray(0, 20_000) });
  const { address, requests } = await serve(content);
  expect(networkFile(entry, dataFolder)).toBeUndefined();
  const path = await getNetwork(entry, { dataFolder, address });
  expect(readFileSync(path).equals(content)).toBe(true);
  expect(networkFile(entry, dataFolder)).toBe(path);
  expect(readdirSync(join(dataFolder, 'networks'))).toEqual(['small.mat']);
  await getNetwork(entry, { dataFolder, address });
  expect(requests).toEqual(['/small.mat bytes=20000-']);
  writeFileSync(path, content.subarray(1));
  await getNetwork(entry, { dataFolder, address });
  expect(readFileSync(path).equals(content)).toBe(true);
  expect(requests).toHaveLength(2);
});

test('other content is refused and leaves nothing', async () => {
  const dataFolder = await folderWith();
  const { address } = await serve(noise(content.length, 4));
  await expect(getNetwork(entry, { dataFolder, address })).rejects.toThrow(DownloadError);
  await expect(getNetwork(entry, { dataFolder, address })).rejects.toThrow(`expected SHA-256 ${sha256}`);
  expect(readdirSync(join(dataFolder, 'networks'))).toEqual([]);
});

test('a network without a pinned checksum says how to bring it', async () => {
  const byHand = publishedNetworks.filter(({ download }) => !download);
  expect(byHand.length).toBeGreaterThan(0);
  for (const row of byHand) {
    const dataFolder = await folderWith();
    await expect(getNetwork(row, { dataFolder })).rejects.toThrow(`${row.name}: Its publisher states no SHA-256: download https://`);
    expect(readdirSync(dataFolder)).toEqual([]);
  }
});

test.each(publishedNetworks)('$name: its row is well-formed', ({ name, dataset, testError, download }) => {
  expect(name).toMatch(/^[a-z0-9-]+$/);
  expect(catalogEntry(dataset)).toBeDefined();
  if (testError !== undefined) expect(testError).toBeLessThan(0.5);
  if (!download) return;
  expect(download.sha256).toMatch(/^[0-9a-f]{64}$/);
  expect(download.address).toMatch(/^https:\/\/.*\/$/);
  // the files of which there are copies for the tests
  const copy = shared(`models/mcdonnell/${download.name}`);
  if (copy) expect(createHash('sha256').update(readFileSync(copy)).digest('hex')).toBe(download.sha256);
});
