/** From the bytes of a file to a network that runs. */
import { DeviceError, DownloadError, UsageError } from '../errors.ts';
import { singleEngine } from './engine.ts';
import { readOneBitFile } from './file.ts';
import { kernels } from './generated/kernels.ts';
import { instantiate } from './kernel.ts';
import { OneBitNetwork } from './network.ts';
import { plan } from './plan.ts';
import { canShare, threadedEngine } from './threads.ts';

export interface LoadOptions {
  /** Threads that compute; by default as many as there are processors, up to four, and one where memory cannot be shared. */
  readonly threads?: number | undefined;
  /** Names of layers whose outputs `runLayers` gives; an 8-bit network has none for what a convolution took in. */
  readonly keep?: readonly string[] | undefined;
}

/** More threads than this wait for each other more than they compute. */
const DEFAULT_THREADS = 4;
const MAX_THREADS = 64;
/** Images at once, as far as the activations of the widest layer fit the cache. */
const MAX_BATCH = 8;
const CACHE_BYTES = 2 ** 20;
const PAGE = 65536;

/**
 * Loads an ONNX file that `wrn-onnx export` wrote in the form `packed`, `inline`, `int8` or `int8-amx`.
 *
 * @param file the bytes, or an address for `fetch`
 * @throws InputError when it is another file or is damaged; the message says what to do
 * @throws DownloadError when the address does not answer
 * @throws DeviceError when threads are asked for where there are none
 * @throws UsageError when the number of threads is none
 * @example
 * const network = await loadOneBit(await readFile('model.onnx')); // in a page: its address
 * const [best] = await network.classify({ width: 2, height: 1, data: new Uint8Array(8).fill(255) });
 * network.release();
 */
export async function loadOneBit(file: Uint8Array | ArrayBuffer | string | URL, options: LoadOptions = {}): Promise<OneBitNetwork> {
  const source = readOneBitFile(await bytesOf(file));
  const threads = threadsOf(options.threads);
  const { config } = source.metadata;
  const widest = 4 * (config.stem === 'cifar' ? 16 : 64) * config.width * config.input.height * config.input.width;
  const planned = plan(source, {
    threads,
    batch: Math.min(MAX_BATCH, Math.max(1, Math.round(CACHE_BYTES / widest))),
    keep: options.keep,
  });
  const shared = threads > 1;
  const pages = Math.ceil(planned.bytes / PAGE);
  const memory = newMemory({ initial: pages, maximum: pages, shared });
  const modules = [await WebAssembly.compile(decode(shared ? kernels.shared : kernels.plain))];
  if (planned.calls.some(({ kernel }) => kernel === 'fusedFloats'))
    modules.push(...(await fusingModule(decode(shared ? kernels.relaxedShared : kernels.relaxedPlain), memory)));
  const engine = shared
    ? await threadedEngine(planned, memory, modules, threads)
    : singleEngine(planned, memory.buffer, await instantiate(modules, memory));
  return new OneBitNetwork(source, planned, engine);
}

/** The module that replaces a kernel by one of relaxed SIMD, where engine and processor have what it takes. */
async function fusingModule(bytes: Uint8Array<ArrayBuffer>, memory: WebAssembly.Memory): Promise<WebAssembly.Module[]> {
  if (!WebAssembly.validate(bytes)) return [];
  const { module, instance } = await WebAssembly.instantiate(bytes, { env: { memory } });
  const { fuses } = instance.exports as { fuses(a: number, b: number): number };
  return fuses(1 + 2 ** -12, -(1 + 2 ** -11)) ? [module] : [];
}

async function bytesOf(file: Parameters<typeof loadOneBit>[0]): Promise<Uint8Array> {
  if (file instanceof Uint8Array) return file;
  if (file instanceof ArrayBuffer) return new Uint8Array(file);
  const failed = (reason: string) => new DownloadError(`${file}: expected a file, got ${reason}`);
  const response = await fetch(file).catch((error: unknown) => {
    throw failed(error instanceof Error ? error.message : String(error));
  });
  if (!response.ok) throw failed(`status ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

function threadsOf(wanted: number | undefined): number {
  if (wanted === undefined) return canShare() ? Math.min(DEFAULT_THREADS, globalThis.navigator?.hardwareConcurrency ?? 1) : 1;
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > MAX_THREADS)
    throw new UsageError(`threads: expected 1 to ${MAX_THREADS}, got ${wanted}`);
  if (wanted === 1 || canShare()) return wanted;
  throw new DeviceError(
    `threads: expected a page that is cross-origin isolated, got one that cannot share memory. Serve it with Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp, or ask for one thread`,
  );
}

function newMemory(descriptor: WebAssembly.MemoryDescriptor): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory(descriptor);
  } catch {
    throw new DeviceError(`memory: expected ${descriptor.initial} pages of 64 KiB for this network, got none`);
  }
}

function decode(base64: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i); // Uint8Array.from takes ten times as long
  return bytes;
}
