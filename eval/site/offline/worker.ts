/**
 * The service worker. It keeps the page and its first network on the device, and every other file from its first use on. It
 * isolates the page, so that threads work on hosts that send no headers.
 *
 * Caches are named by the address of the site, since sites of one host share them, and by a digest of all files: another
 * version is another cache, and a page never mixes two of them.
 */

/** What the builder writes at the top of the service worker. */
export interface OfflineFacts {
  /** Digest of all files. */
  readonly version: string;
  /** Addresses of the files that are kept from the first visit on. */
  readonly shell: readonly string[];
}

/** The scope of a service worker; TypeScript's own types for it conflict with those of pages. */
interface Worker {
  readonly wrnSite: OfflineFacts;
  readonly registration: { readonly scope: string };
  readonly clients: { claim(): Promise<void> };
  skipWaiting(): Promise<void>;
  addEventListener(type: 'install' | 'activate', listener: (event: { waitUntil(work: Promise<unknown>): void }) => void): void;
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(
    type: 'fetch',
    listener: (event: { readonly request: Request; respondWith(response: Promise<Response>): void }) => void,
  ): void;
}

const worker = self as unknown as Worker;
const { version, shell } = worker.wrnSite;
const { scope } = worker.registration;
const prefix = `wrn-onnx site ${scope} `;
const name = prefix + version;

worker.addEventListener('install', (event) => event.waitUntil(keepShell()));
worker.addEventListener('activate', (event) => event.waitUntil(removeOthers().then(() => worker.clients.claim())));
worker.addEventListener('message', ({ data }) => void (data === 'replace' && worker.skipWaiting()));
worker.addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method === 'GET' && request.url.startsWith(scope) && !request.headers.has('Range')) event.respondWith(answer(request));
});

async function keepShell(): Promise<void> {
  const cache = await caches.open(name);
  await cache.addAll(shell.map((path) => new Request(path, { cache: 'no-cache' })));
}

async function removeOthers(): Promise<void> {
  const others = (await caches.keys()).filter((other) => other.startsWith(prefix) && other !== name);
  await Promise.all(others.map((other) => caches.delete(other)));
}

async function answer(request: Request): Promise<Response> {
  const cache = await caches.open(name);
  const page = request.mode === 'navigate' && [scope, `${scope}index.html`].includes(request.url.replace(/[?#].*/, ''));
  const key = page ? new Request(scope) : request;
  const kept = await cache.match(key);
  if (kept) return isolated(kept);
  const response = await fetch(request);
  if (response.status === 200) await cache.put(key, response.clone()).catch(() => {}); // a full disk costs the copy alone
  return isolated(response);
}

/** With the headers that give a page shared memory, and threads by it. */
function isolated(response: Response): Response {
  if (response.status !== 200) return response;
  const headers = new Headers(response.headers);
  headers.set('Cross-Origin-Opener-Policy', 'same-origin');
  headers.set('Cross-Origin-Embedder-Policy', 'require-corp');
  return new Response(response.body, { status: 200, headers });
}
