/** The lobby as a page on a device talks to it: places, calls answered exactly once, and what strangers get. */
import { createHash, X509Certificate } from 'node:crypto';
import { createServer } from 'node:http';
import { request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import type { Lobby, LobbyEvent, LobbyOptions } from '../../../../eval/backends/remote/lobby.ts';
import { openLobby } from '../../../../eval/backends/remote/open-lobby.ts';
import { browserName } from '../../../../eval/backends/remote/page/browser-name.ts';
import type { Turn } from '../../../../eval/backends/remote/protocol.ts';

const input = { name: 'images', type: 'float32', layout: 'nchw', channels: 1, height: 1, width: 1 } as const;
const open = { model: 'model-1.onnx', provider: 'wasm', input, softwareGpu: false } as const;
const opened: Lobby[] = [];
const events: LobbyEvent[] = [];

async function lobbyWith(options: LobbyOptions = {}): Promise<{ lobby: Lobby; address: string }> {
  const lobby = await openLobby({ plain: true, onEvent: (event) => events.push(event), ...options });
  opened.push(lobby);
  return { lobby, address: lobby.addresses[0] as string };
}

afterEach(async () => {
  events.length = 0;
  for (const lobby of opened.splice(0)) await lobby.close('over');
});

const key = (digit: string) => digit.repeat(32);

/** A page: its tab's key and its own. */
function page(address: string, tab: string, instance: string, name = 'Chrome 1 on Linux') {
  const asking = { key: key(tab), instance: key(instance) };
  const post = async (path: string, body: object = {}) => {
    const response = await fetch(`${address}${path}`, { method: 'POST', body: JSON.stringify({ ...asking, ...body }) });
    return { status: response.status, text: await response.text() };
  };
  return {
    join: () => post('join', { name }),
    next: async () => JSON.parse((await post('next')).text) as Turn,
    refusedNext: () => post('next'),
    answer: (id: number, value: unknown) => post('answer', { id, value }),
  };
}

test('a call is given again until its answer came, also to the page that replaces a lost one, and counts once', async () => {
  const { lobby, address } = await lobbyWith();
  const first = page(address, 'a', '1');
  expect((await first.join()).status).toBe(200);
  const device = await lobby.device(1);
  const answers: unknown[] = [];
  const asked = device.call(1, open, 'run', 'pixels', 2).then((value) => answers.push(value));
  const { call } = await first.next();
  expect(call).toMatchObject({ session: 1, method: 'run', args: ['pixels', 2], open });
  expect((await first.next()).call).toEqual(call); // the answer to `next` may have been lost

  const reloaded = page(address, 'a', '2'); // the same tab
  expect(JSON.parse((await reloaded.join()).text)).toEqual({ device: 1 });
  expect((await first.refusedNext()).status).toBe(409);
  expect((await reloaded.next()).call).toEqual(call);
  const id = call?.id as number;
  expect((await reloaded.answer(id, 'logits')).status).toBe(200);
  expect((await reloaded.answer(id, 'other logits')).status).toBe(200); // sent again: the first answer may have been lost
  await asked;
  expect(answers).toEqual(['logits']);
  expect((await reloaded.next()).call).toBeNull();
});

test('two places: a third device is refused, and one of another kind never takes the place of a lost one', async () => {
  const { lobby, address } = await lobbyWith({ devices: 2 });
  const waiting = lobby.device(2);
  expect(events).toEqual([{ kind: 'waiting', device: 2, name: '' }]);
  await page(address, 'a', '1', 'Chrome 1 on Android').join();
  await page(address, 'b', '1', 'Firefox 2 on Linux, \u001b[31mGPU').join();
  expect((await waiting).name).toBe('Firefox 2 on Linux, ?[31mGPU');
  expect(events.slice(1).map(({ kind, device }) => [kind, device])).toEqual([
    ['joined', 1],
    ['joined', 2],
  ]);
  const refused = await page(address, 'c', '1', 'Safari 3 on iPhone').join();
  expect(refused).toMatchObject({ status: 409, text: expect.stringContaining('All places of this run are taken') });
});

test('nothing but the page, the runtime and the models is served, and only below the token', async () => {
  const { lobby, address } = await lobbyWith();
  const model = Uint8Array.of(1, 2, 3);
  expect(lobby.share(model)).toBe('model-1.onnx');
  expect(lobby.share(model)).toBe('model-1.onnx');
  const get = async (url: string, init?: RequestInit) => {
    const response = await fetch(url, init);
    return { status: response.status, type: response.headers.get('content-type'), text: await response.text() };
  };
  const root = new URL('/', address).href;
  for (const path of ['', 'lobby.js', 'frame.html', 'page.js', 'ort/ort-wasm-simd-threaded.wasm', 'model-1.onnx'])
    expect((await get(address + path)).status, path).toBe(200);
  const wrong = address.replace(/[0-9a-f]{32}/, key('0'));
  for (const url of [root, `${root}favicon.ico`, wrong, `${wrong}model-1.onnx`, address.slice(0, -2), `${root}/etc/passwd`]) {
    const { status, type, text } = await get(url);
    expect([status, type], url).toEqual([404, 'text/html; charset=utf-8']);
    expect(text).toContain('Each run of wrn-onnx eval prints a new one');
  }
  for (const path of ['model-2.onnx', 'page.ts', '..%2fpackage.json', 'ort/../../package.json', 'ort/package.json', 'index.html/'])
    expect((await get(address + path)).status, path).toBe(404);
  expect((await get(address, { method: 'DELETE' })).status).toBe(405);
  expect((await get(`${address}next`, { method: 'POST', body: 'no JSON' })).status).toBe(400);
  expect((await get(`${address}next`, { method: 'POST', body: '{"key":"a","instance":[]}' })).status).toBe(400);
  expect((await get(address, { headers: { origin: 'https://evil.example' } })).status).toBe(403);
  expect((await fetch(address)).headers.get('referrer-policy')).toBe('no-referrer');
});

test('when the run is over, pages get the verdict, and the address says so to others', async () => {
  const { lobby, address } = await lobbyWith();
  const joined = page(address, 'a', '1');
  await joined.join();
  lobby.show('remote-wasm', 3, 10);
  expect((await joined.next()).status).toEqual({ text: 'remote-wasm', done: 3, total: 10, ended: false });
  const closing = lobby.close('Parity: pass.');
  const late = await fetch(address);
  expect([late.status, await late.text()]).toEqual([410, expect.stringContaining('This run has ended')]);
  expect((await joined.next()).status).toMatchObject({ text: 'Parity: pass.', ended: true });
  await closing;
  await expect(fetch(address)).rejects.toThrow();
});

test('HTTPS: the fingerprint is that of the certificate, which is for the address', async () => {
  const { lobby, address } = await lobbyWith({ plain: false });
  const raw = await new Promise<Buffer>((resolve, reject) => {
    const asking = request(address, { rejectUnauthorized: false }, (response) => {
      resolve((response.socket as unknown as { getPeerCertificate(): { raw: Buffer } }).getPeerCertificate().raw);
      response.resume();
    });
    asking.once('error', reject).end();
  });
  const certificate = new X509Certificate(raw);
  expect(createHash('sha256').update(raw).digest('hex').toUpperCase()).toBe(lobby.fingerprint?.replaceAll(':', ''));
  expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1');
  expect(certificate.checkHost('localhost')).toBe('localhost');
  expect(Date.parse(certificate.validTo) - Date.now()).toBeLessThan(8 * 24 * 3600 * 1000);
});

test('a port in use, an address of another machine and an unknown interface are refused', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await expect(openLobby({ port, plain: true })).rejects.toThrow(`port ${port} of 127.0.0.1 is in use. Choose another with --port`);
  server.close();
  await expect(openLobby({ host: '192.0.2.1', plain: true })).rejects.toThrow('--host 192.0.2.1: expected an address of this machine');
  await expect(openLobby({ host: 'wlan77', plain: true })).rejects.toThrow('--host wlan77: expected an IP address or a network interface');
});

test('Ctrl-C ends what waits for devices', async () => {
  const controller = new AbortController();
  const { lobby, address } = await lobbyWith({ signal: controller.signal });
  const nobody = lobby.device(1);
  controller.abort(new Error('interrupted'));
  await expect(nobody).rejects.toThrow('interrupted');
  await page(address, 'a', '1').join();
  await expect(lobby.device(1)).rejects.toThrow('interrupted');
});

test.each([
  [
    'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36',
    'Chrome 140 on Android',
  ],
  [
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1',
    'Safari 18 on iPhone',
  ],
  [
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0',
    'Edge 140 on Windows',
  ],
  ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 'Firefox 140 on Linux'],
  ['curl/8.0', 'an unknown browser'],
])('%s is %s', (userAgent, name) => expect(browserName(userAgent)).toBe(name));
