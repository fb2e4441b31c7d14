/** The loopback server of the page: its own files, onnxruntime-web's files and the model, nothing else. */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { built } from '../built.ts';

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
};

/** COOP and COEP isolate the page, without which a browser gives wasm no threads. */
const isolation = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };

export interface PageServer {
  readonly url: string;
  close(): Promise<void>;
}

/** Serves the page with `model` at /model.onnx, on a free port of 127.0.0.1. */
export async function servePage(model: Uint8Array): Promise<PageServer> {
  const runtime = dirname(fileURLToPath(import.meta.resolve('onnxruntime-web/ort-wasm-simd-threaded.wasm')));
  const server = createServer((request, response) => {
    const [path = '/'] = (request.url ?? '/').split('?'); // no URL object: it throws at `//`
    if (path === '/model.onnx') {
      response.writeHead(200, { 'Content-Type': 'application/octet-stream', ...isolation }).end(model);
      return;
    }
    const name = path === '/' ? 'index.html' : basename(path);
    readFile(join(path.startsWith('/ort/') ? runtime : built('browser'), name)).then(
      (bytes) => response.writeHead(200, { 'Content-Type': types[extname(name)] ?? 'application/octet-stream', ...isolation }).end(bytes),
      () => response.writeHead(404, isolation).end(),
    );
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
