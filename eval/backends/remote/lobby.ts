/**
 * Where devices join: a server that any browser can open, which then runs models for the backends `remote-*`. It serves the page,
 * onnxruntime-web and the models below a random token, and nothing else.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer as createPlainServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, isIP, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { custom, exactOptional, unknown } from 'valibot';
import { DeviceError, InputError, UsageError } from '../../../src/errors.ts';
import { integer, object, readJson, text } from '../../../src/formats/schema.ts';
import { builtFile } from '../../../src/package-files.ts';
import { printable } from '../../../src/printable.ts';
import { isolation, readPageFile, typeOf } from '../browser/files.ts';
import { makeCertificate } from './certificate.ts';
import { Device } from './device.ts';
import type { Status, Turn } from './protocol.ts';
import { refuse } from './refusal.ts';

export interface LobbyOptions {
  /** Address or name of the network interface to listen on; loopback by default. */
  readonly host?: string | undefined;
  /** A free port by default. */
  readonly port?: number | undefined;
  /** HTTP in place of HTTPS. */
  readonly plain?: boolean | undefined;
  /** How many devices may join; one by default. */
  readonly devices?: number | undefined;
  /** Ends the calls of all devices. */
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: ((event: LobbyEvent) => void) | undefined;
}

export interface LobbyEvent {
  readonly kind: 'waiting' | 'joined' | 'lost' | 'back';
  /** From 1. */
  readonly device: number;
  /** Browser, system and GPU; empty while nobody has joined. */
  readonly name: string;
}

export interface Lobby {
  /** Where a device finds the page; the first is for the interface that was asked for. */
  readonly addresses: readonly string[];
  /** SHA-256 of the certificate, as browsers show it; undefined with plain HTTP. */
  readonly fingerprint: string | undefined;
  /**
   * The device of this number, from 1, as soon as it has joined.
   * @throws DeviceError when nobody joins within ten minutes; `signal.reason` when it is aborted
   */
  device(number: number): Promise<Device>;
  /** Serves a model; the address is relative to the page. */
  share(model: Uint8Array): string;
  /** Tells all pages how far the run is. */
  show(text: string, done: number, total: number): void;
  /** Tells all pages the verdict, waits a moment until they have it, and closes the server. */
  close(verdict: string): Promise<void>;
}

/** A page asks again after this time without a call, and so learns the state. */
const POLL = 1500;
/** A device is given up after this time without a connection. */
const PATIENCE = 10 * 60_000;
/** Silence after which the loss is reported; a page that is loaded again is back sooner. */
const LOST = 3000;
/** How long pages have to ask for the verdict. */
const FAREWELL = 2 * POLL;
/** Largest request: logits of a large batch and some layers, as JSON. */
const MAX_BODY = 2 ** 28;
const MAX_NAME = 200;

/** @throws as `openLobby`, which loads this file */
export async function startLobby(options: LobbyOptions): Promise<Lobby> {
  const { port = 0, plain = false } = options;
  const hosts = addressesOf(options.host ?? '127.0.0.1');
  const certificate = plain ? undefined : await makeCertificate(hosts);
  const token = randomBytes(16).toString('hex');
  const room = new Room(token, options);
  const server = certificate ? createSecureServer(certificate, room.listener) : createPlainServer(room.listener);
  server.keepAliveTimeout = PATIENCE; // a page that computes keeps its connection
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, options.host ?? '127.0.0.1', port)));
    server.listen(port, isIP(options.host ?? '') ? options.host : hosts[0], resolve);
  });
  const actual = (server.address() as AddressInfo).port;
  const watch = setInterval(() => room.watch(), 1000);
  return {
    addresses: hosts.map((host) => `${plain ? 'http' : 'https'}://${isIPv6(host) ? `[${host}]` : host}:${actual}/${token}/`),
    fingerprint: certificate?.fingerprint,
    device: (number) => room.device(number),
    share: (model) => room.share(model),
    show: (text, done, total) => room.show({ text, done, total, ended: false }),
    async close(verdict) {
      clearInterval(watch);
      await room.end(verdict);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The IP addresses that `host` stands for: itself, those of the interface of this name, or of all when it is 0.0.0.0 or ::. */
function addressesOf(host: string): string[] {
  const all = Object.entries(networkInterfaces()).flatMap(([name, entries]) => (entries ?? []).map((entry) => ({ name, ...entry })));
  if (host === '0.0.0.0' || host === '::') {
    const outside = all.filter(({ internal, family }) => !internal && family === 'IPv4').map(({ address }) => address);
    return [...outside, '127.0.0.1'];
  }
  if (host === 'localhost') return ['127.0.0.1'];
  if (isIP(host)) return [host];
  const named = all.find(({ name, family }) => name === host && family === 'IPv4');
  if (named) return [named.address];
  throw new UsageError(`--host ${host}: expected an IP address or a network interface of this machine: ${knownInterfaces()}`);
}

function knownInterfaces(): string {
  const known = Object.entries(networkInterfaces()).flatMap(([name, entries]) =>
    (entries ?? []).filter(({ family }) => family === 'IPv4').map(({ address }) => `${address} (${name})`),
  );
  return known.join(', ') || 'none found';
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): unknown {
  if (error.code === 'EADDRINUSE') return new UsageError(`port ${port} of ${host} is in use. Choose another with --port, or leave it out`);
  if (error.code === 'EACCES') return new UsageError(`port ${port} of ${host}: permission denied. Choose one from 1024 on`);
  if (error.code === 'EADDRNOTAVAIL') return new UsageError(`--host ${host}: expected an address of this machine: ${knownInterfaces()}`);
  return error;
}

/** The devices, and what their pages are told. */
class Room {
  readonly #tokenDigest: Buffer;
  readonly #options: LobbyOptions;
  readonly #devices: Device[] = [];
  readonly #waiting: { readonly number: number; readonly since: number; resolve(device: Device): void; reject(error: unknown): void }[] =
    [];
  readonly #models: Uint8Array[] = [];
  readonly #lost = new Set<Device>();
  /** Devices that know the verdict. */
  readonly #told = new Set<Device>();
  #status: Status = { text: 'waiting for the evaluation to start', done: 0, total: 0, ended: false };

  constructor(token: string, options: LobbyOptions) {
    this.#tokenDigest = digest(token);
    this.#options = options;
    options.signal?.addEventListener('abort', () => {
      for (const { reject } of this.#waiting.splice(0)) reject(options.signal?.reason);
      for (const device of this.#devices) device.fail(options.signal?.reason);
    });
  }

  device(number: number): Promise<Device> {
    const { signal, onEvent } = this.#options;
    if (signal?.aborted) return Promise.reject(signal.reason);
    const there = this.#devices[number - 1];
    if (there) return Promise.resolve(there);
    onEvent?.({ kind: 'waiting', device: number, name: '' });
    return new Promise((resolve, reject) => this.#waiting.push({ number, since: performance.now(), resolve, reject }));
  }

  share(model: Uint8Array): string {
    if (!this.#models.includes(model)) this.#models.push(model);
    return `model-${this.#models.indexOf(model) + 1}.onnx`;
  }

  show(status: Status): void {
    this.#status = status;
  }

  /** Runs every second: reports devices that are lost, and gives up those that stay away. */
  watch(): void {
    const late = this.#waiting.filter(({ since }) => performance.now() - since > PATIENCE);
    for (const one of late) {
      this.#waiting.splice(this.#waiting.indexOf(one), 1);
      one.reject(new DeviceError(`device ${one.number}: nobody opened the address within ${PATIENCE / 60_000} minutes`));
    }
    for (const device of this.#devices) {
      const { number, name, silence } = device;
      if (silence > LOST && !this.#lost.has(device)) {
        this.#lost.add(device);
        this.#options.onEvent?.({ kind: 'lost', device: number, name });
      }
      if (silence > PATIENCE && device.busy)
        device.fail(new DeviceError(`device ${number} (${name}) did not come back within ${PATIENCE / 60_000} minutes`));
    }
  }

  async end(verdict: string): Promise<void> {
    const { done, total } = this.#status;
    this.#status = { text: verdict, done, total, ended: true };
    for (const { reject } of this.#waiting.splice(0)) reject(new DeviceError('the run is over'));
    const start = performance.now();
    const unaware = () => this.#devices.some((device) => device.silence === 0 && !this.#told.has(device));
    while (unaware() && performance.now() - start < FAREWELL) await new Promise((resolve) => setTimeout(resolve, 50));
  }

  readonly listener: RequestListener = (request, response) => {
    response.setHeader('Referrer-Policy', 'no-referrer'); // the address is a secret
    response.setHeader('Cache-Control', 'no-store');
    for (const [name, value] of Object.entries(isolation)) response.setHeader(name, value);
    this.#serve(request, response).catch((error: unknown) => {
      if (error instanceof InputError && !response.headersSent) refuse(response, 400, 'unknown');
      else response.destroy();
    });
  };

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path = '/'] = (request.url ?? '/').split('?');
    const [, token = '', ...names] = path.split('/');
    const name = names.join('/');
    if (!timingSafeEqual(digest(token), this.#tokenDigest) || names.length === 0) return refuse(response, 404, 'unknown');
    if (!isOurs(request)) return refuse(response, 403, 'foreign');
    if (request.method === 'POST') return this.#answer(name, request, response);
    if (request.method !== 'GET') return refuse(response, 405, 'unknown');
    if (this.#status.ended && name === '') return refuse(response, 410, 'ended');
    const bytes = await this.#read(name);
    if (!bytes) return refuse(response, 404, 'unknown');
    if (name.startsWith('ort/')) response.setHeader('Cache-Control', 'private, max-age=3600'); // several frames load it
    response.writeHead(200, { 'Content-Type': typeOf(name || 'index.html') }).end(bytes);
  }

  async #read(name: string): Promise<Uint8Array | undefined> {
    if (name === '') return readFile(builtFile('eval/backends/remote/page/index.html'));
    if (name === 'lobby.js') return readFile(builtFile('eval/backends/remote/page/lobby.js'));
    if (name === 'frame.html') return readPageFile('index.html');
    const model = /^model-(\d{1,4})\.onnx$/.exec(name)?.[1];
    return model === undefined ? readPageFile(name) : this.#models[Number(model) - 1];
  }

  async #answer(name: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request);
    const { key, instance } = readJson(asking, body, FORMAT);
    const send = (value: unknown) => void response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));
    if (name === 'join') {
      const joined = this.#join(key, instance, readJson(joining, body, FORMAT).name);
      if (!joined) return refuse(response, 409, 'full');
      joined.seen(request.socket);
      return send({ device: joined.number });
    }
    const device = this.#devices.find((one) => one.key === key);
    if (device?.instance !== instance) return refuse(response, 409, 'replaced');
    device.seen(request.socket);
    if (this.#lost.delete(device)) this.#options.onEvent?.({ kind: 'back', device: device.number, name: device.name });
    if (name === 'answer') {
      const { id, ...answer } = readJson(answering, body, FORMAT);
      device.settle(id, answer);
      return send({});
    }
    if (name !== 'next') return refuse(response, 404, 'unknown');
    const call = this.#status.ended ? undefined : await device.next(POLL);
    const turn: Turn = { call: call ?? null, status: this.#status };
    response.once('finish', () => turn.status.ended && this.#told.add(device));
    send(turn);
  }

  /** The place of a device: the one that it had, a free one, or that of a device of the same kind that is gone. */
  #join(key: string, instance: string, said: string): Device | undefined {
    const name = printable(said).slice(0, MAX_NAME);
    const before = this.#devices.find((device) => device.key === key);
    const place =
      before ??
      (this.#devices.length < (this.#options.devices ?? 1)
        ? undefined
        : this.#devices.find((device) => device.name === name && device.silence > 0));
    if (place) {
      Object.assign(place, { key, instance });
      return place;
    }
    if (this.#devices.length >= (this.#options.devices ?? 1)) return undefined;
    const device = new Device(this.#devices.length + 1, name, key, instance);
    this.#devices.push(device);
    this.#options.onEvent?.({ kind: 'joined', device: device.number, name });
    for (const one of this.#waiting.filter(({ number }) => number === device.number)) {
      this.#waiting.splice(this.#waiting.indexOf(one), 1);
      one.resolve(device);
    }
    return device;
  }
}

/** Of fixed length, so that the comparison takes the same time whatever is sent. */
function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** Whether a page of this server asks: not one of another origin, nor one whose host name was made to point here. */
function isOurs({ headers: { host = '', origin } }: IncomingMessage): boolean {
  const name = host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
  return (name === 'localhost' || isIP(name) !== 0) && (origin === undefined || origin.replace(/^https?:\/\//, '') === host);
}

const FORMAT = 'device';
const key = custom<string>((value) => typeof value === 'string' && /^[0-9a-f]{32}$/.test(value), 'a key');
const asking = object({ key, instance: key });
const joining = object({ name: text });
const answering = object({ id: integer(1, Number.MAX_SAFE_INTEGER), value: exactOptional(unknown()), error: exactOptional(text) });

/** @throws InputError when it is too long or no JSON */
async function readBody(request: IncomingMessage): Promise<unknown> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    length += piece.length;
    if (length > MAX_BODY) throw new InputError(FORMAT, 'request', `expected at most ${MAX_BODY} bytes, got more`);
    pieces.push(piece);
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString());
  } catch {
    throw new InputError(FORMAT, 'request', 'expected JSON, got something else');
  }
}
