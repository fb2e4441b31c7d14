/** A host of static files like many: below a sub-path, with no header but the type, and the files may be replaced. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname } from 'node:path';

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.css': 'text/css',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json',
};

export interface Host {
  readonly url: string;
  /** Paths that were asked for, those outside of the site as they are. */
  readonly asked: string[];
  put(files: ReadonlyMap<string, Uint8Array>): void;
  close(): Promise<void>;
}

const FOLDER = '/people/ada/';

export async function host(first: ReadonlyMap<string, Uint8Array>): Promise<Host> {
  let files = first;
  const asked: string[] = [];
  const server = createServer(({ url = '/' }, response) => {
    const path = url.split('?')[0] as string;
    const name = path.startsWith(FOLDER) ? path.slice(FOLDER.length) || 'index.html' : path;
    asked.push(name);
    const bytes = files.get(name);
    response.writeHead(bytes ? 200 : 404, { 'Content-Type': types[extname(name)] ?? 'application/octet-stream' }).end(bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${FOLDER}`,
    asked,
    put(next) {
      files = next;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
