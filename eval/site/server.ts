/** Serves files from memory on this computer alone. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { UsageError } from '../../src/errors.ts';
import { isolation, typeOf } from '../backends/browser/files.ts';

const headers = {
  ...isolation,
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-cache',
};

export interface FileServer {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Serves on 127.0.0.1; other names that resolve to it are refused, since other sites could use them.
 * @param files by their path; `index.html` is what `/` gives
 * @param port 0 for any that is free
 * @throws UsageError when the port is in use or may not be used
 */
export async function serveFiles(files: ReadonlyMap<string, Uint8Array>, port: number): Promise<FileServer> {
  let hosts: readonly string[] = [];
  const server = createServer((request, response) => {
    const refuse = (status: number) => void response.writeHead(status, { ...headers, Connection: 'close' }).end(() => request.destroy()); // a body is not read
    if (!hosts.includes(request.headers.host ?? '')) return refuse(403);
    if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(405);
    const [path = ''] = (request.url ?? '/').slice(1).split('?');
    const name = path === '' ? 'index.html' : path;
    const bytes = files.get(name);
    if (!bytes) return refuse(404);
    response.writeHead(200, { ...headers, 'Content-Type': typeOf(name), 'Content-Length': bytes.length });
    response.end(request.method === 'HEAD' ? undefined : bytes);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(whyNoPort(port, error)));
    server.listen(port, '127.0.0.1', resolve);
  });
  const { port: own } = server.address() as AddressInfo;
  hosts = [`127.0.0.1:${own}`, `localhost:${own}`, ...(own === 80 ? ['127.0.0.1', 'localhost'] : [])];
  return {
    url: `http://127.0.0.1:${own}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function whyNoPort(port: number, error: NodeJS.ErrnoException): Error {
  if (error.code === 'EADDRINUSE')
    return new UsageError(`port ${port} is in use by another program. Choose another with --port, or any free one with --port 0`);
  if (error.code === 'EACCES') return new UsageError(`port ${port} may not be used by this user. Choose one from 1024 on with --port`);
  return error;
}
