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

/** The path as it stands: `fetch` would tidy it. */
async function get(path: string): Promise<{ status: number | undefined; body: Buffer }> {
  const { hostname, port } = new URL(server.url);
  const response = await new Promise<import('node:http').IncomingMessage>((resolve, reject) =>
    request({ hostname, port, path }, resolve).once('error', reject).end(),
  );
  return { status: response.statusCode, body: await buffer(response) };
}

test('the page, its script, the runtime and the model', async () => {
  expect((await get('/')).body.toString()).toContain('<script');
  expect((await get('/page.js?again')).status).toBe(200);
  expect((await get('/ort/ort-wasm-simd-threaded.wasm')).body.subarray(0, 4).toString()).toBe('\0asm');
  expect([...(await get('/model.onnx')).body]).toEqual([1, 2, 3]);
});

test.each(['//', '/..', '/ort/', '/ort/..', '/../../package.json', '/%', '/\\', 'http://'])(
  '%s is not found, and the server goes on',
  async (path) => {
    expect((await get(path)).status).toBe(404);
    expect((await get('/model.onnx')).status).toBe(200);
  },
);
