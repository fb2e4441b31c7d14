/** The loopback server of the page, asked for what it has and for what nobody should get. */
import { request } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type PageServer, servePage } from '../../../../eval/backends/browser/server.ts';

let server: PageServer;
beforeAll(async () => {
  server = await servePage(Uint8Array.of(1, 2, 3));
});
afterAll(() => server.close());

interface Answer {
  readonly status: number | undefined;
  readonly body: Buffer;
}

/** The path behind the secret as it stands: `fetch` would tidy it. */
async function ask(path: string, options: { method?: string; headers?: Record<string, string>; body?: Buffer } = {}): Promise<Answer> {
  const { hostname, port } = new URL(server.url);
  const response = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
    const { body, ...others } = options;
    request({ hostname, port, path, ...others }, resolve)
      .once('error', reject)
      .end(body);
  });
  return { status: response.statusCode, body: await buffer(response) };
}

const get = (path: string) => ask(`${new URL(server.url).pathname}${path}`);

test('the page, its script, the runtime and the model', async () => {
  expect((await get('')).body.toString()).toContain('<script');
  expect((await get('page.js?again')).status).toBe(200);
  expect((await get('ort/ort-wasm-simd-threaded.wasm')).body.subarray(0, 4).toString()).toBe('\0asm');
  expect([...(await get('model.onnx')).body]).toEqual([1, 2, 3]);
});

test.each([
  '/',
  '..',
  'ort/',
  'ort/..',
  '../../package.json',
  '%',
  '\\',
  'server.js',
  'browser.d.ts',
  'ort/../page.js',
  'ort/package.json',
])('%s is not found, and the server goes on', async (path) => {
  expect((await get(path)).status).toBe(404);
  expect((await get('model.onnx')).status).toBe(200);
});

test('nobody gets anything without the secret, by another name of the host, or for another page', async () => {
  const { pathname, host, origin } = new URL(server.url);
  for (const path of ['/', '//', '/..', '/model.onnx', '/page.js', `/${'0'.repeat(32)}/model.onnx`, 'http://', '/%'])
    expect((await ask(path)).status).toBe(403);
  const model = `${pathname}model.onnx`;
  const status = async (headers: Record<string, string>) => (await ask(model, { headers })).status;
  expect(await status({ Host: `evil.example:${new URL(server.url).port}` })).toBe(403);
  expect(await status({ Host: host, Origin: 'https://evil.example' })).toBe(403);
  expect(await status({ Host: host, Origin: 'null' })).toBe(403);
  expect(await status({ Host: host, Origin: origin })).toBe(200);
});

test('a body is not read, however long it says it is', async () => {
  const { pathname } = new URL(server.url);
  const headers = { 'Content-Length': String(2 ** 40) };
  const answer = ask(`${pathname}model.onnx`, { method: 'POST', headers, body: Buffer.alloc(1 << 16) });
  expect((await answer).status).toBe(405);
  expect((await get('model.onnx')).status).toBe(200);
});
