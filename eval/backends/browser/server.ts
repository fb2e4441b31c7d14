/** The loopback server of the page: its own files, onnxruntime-web's files and the model, nothing else. */
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isolation, readPageFile, typeOf } from './files.ts';

export interface PageServer {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Serves the page with `model`, on a free port of 127.0.0.1. Every path begins with a secret, so that other users and other
 * pages on this machine get nothing; host names that resolve to 127.0.0.1 are refused.
 */
export async function servePage(model: Uint8Array): Promise<PageServer> {
  const secret = randomBytes(16).toString('hex');
  let origin = '';
  const server = createServer((request, response) => {
    const refuse = (status: number) => response.writeHead(status, { ...isolation, Connection: 'close' }).end(() => request.destroy()); // the request body is not read
    const [path = '/'] = (request.url ?? '/').split('?'); // no URL object: it throws at `//`
    const { host, origin: asking } = request.headers;
    if (`http://${host}` !== origin || (asking !== undefined && asking !== origin) || !path.startsWith(`/${secret}/`)) return refuse(403);
    if (request.method !== 'GET') return refuse(405);
    const name = path.slice(secret.length + 2) || 'index.html';
    const send = (bytes: Uint8Array) => response.writeHead(200, { 'Content-Type': typeOf(name), ...isolation }).end(bytes);
    if (name === 'model.onnx') return send(model);
    return void readPageFile(name).then((bytes) => (bytes ? send(bytes) : refuse(404)));
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  origin = `http://127.0.0.1:${port}`;
  return {
    url: `${origin}/${secret}/`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
