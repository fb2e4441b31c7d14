/** Runs inside the page that `eval` opens: loads a model with onnxruntime-web or our own runtime and runs batches. */
import { openOneBit } from '../../runtime/onebit.ts';
import { type RandomTimer, randomTimer } from '../../runtime/random-run.ts';
import { type ModelInput, type Output, type Runtime, type RuntimeSession, requireImages, runBatch } from '../../runtime/runtime.ts';

/** A provider of onnxruntime-web, or our own runtime. */
export type Provider = 'wasm' | 'webgpu' | 'webgl' | 'onebit';

export interface PageOpen {
  /** Address of the model, relative to the page. */
  readonly model: string;
  readonly provider: Provider;
  readonly input: ModelInput | undefined;
  readonly threads?: number | undefined;
  /** Whether the user asked for software rendering. */
  readonly softwareGpu: boolean;
}

/** Typed arrays cross between Node and the page as base64. */
export interface PageResult {
  readonly outputs: Readonly<Record<string, { readonly shape: readonly number[]; readonly base64: string }>>;
  readonly seconds: number;
}

export interface Page {
  open(options: PageOpen): Promise<{ seconds: number; detail: string }>;
  run(imagesBase64: string, count: number): Promise<PageResult>;
  readonly time: RandomTimer;
}

interface WebRuntime extends Runtime {
  readonly env: { readonly wasm: { wasmPaths?: string; numThreads?: number }; readonly versions: { readonly web?: string } };
}

const SOFTWARE = /swiftshader|llvmpipe|software/i;
/** As in the Node backends: a node that would fall back to the CPU is an error. */
const NO_FALLBACK = { session: { disable_cpu_ep_fallback: '1' } };

/** A loaded model. */
interface Running {
  readonly detail: string;
  run(images: Uint8Array, count: number): Promise<{ outputs: Readonly<Record<string, Output>>; seconds: number }>;
  /** Absent when a runtime takes images only. */
  readonly time?: RandomTimer;
}

let running: Running | undefined;

const page: Page = {
  async open(options) {
    const load = options.provider === 'onebit' ? oneBit(options) : await onnxruntime({ ...options, provider: options.provider });
    const model = new Uint8Array(await (await fetch(options.model)).arrayBuffer());
    const start = performance.now();
    running = await load(model);
    const seconds = (performance.now() - start) / 1000;
    show('detail', running.detail);
    return { seconds, detail: running.detail };
  },
  async run(imagesBase64, count) {
    const images = fromBase64(imagesBase64);
    const turn = last.then(() => runInTurn(images, count));
    last = turn.catch(() => {});
    const { outputs, seconds } = await turn;
    const encoded = Object.entries(outputs).map(([name, { shape, data }]) => [name, { shape, base64: toBase64(data) }] as const);
    return { outputs: Object.fromEntries(encoded), seconds };
  },
  async time(batch, sizes) {
    if (!running?.time) throw new Error(running ? 'this runtime takes images only' : 'no model is open');
    return running.time(batch, sizes);
  },
};

type Load = (model: Uint8Array) => Promise<Running>;

function oneBit({ threads }: PageOpen): Load {
  return async (model) => {
    const { detail, run } = await openOneBit(model, threads ?? navigator.hardwareConcurrency);
    return { detail: `wrn-onnx/onebit, ${detail}`, run };
  };
}

async function onnxruntime(options: PageOpen & { readonly provider: Exclude<Provider, 'onebit'> }): Promise<Load> {
  const { provider, input, threads, softwareGpu } = options;
  const device = await describeDevice(provider);
  if (provider !== 'wasm' && SOFTWARE.test(device) && !softwareGpu) throw new Error(`only software rendering (${device}) is available`);
  const runtime = new URL('ort/', document.baseURI).href;
  const ort: WebRuntime = await import(/* @vite-ignore */ `${runtime}ort.${provider}.min.mjs`);
  ort.env.wasm.wasmPaths = runtime;
  ort.env.wasm.numThreads = threads ?? (crossOriginIsolated ? navigator.hardwareConcurrency : 1);
  return async (model) => {
    const session: RuntimeSession = await ort.InferenceSession.create(model, {
      executionProviders: [provider],
      ...(provider === 'webgpu' ? { extra: NO_FALLBACK } : {}),
    });
    return {
      detail: `onnxruntime-web ${ort.env.versions.web ?? ''}, ${device || `${ort.env.wasm.numThreads ?? 1} threads`}`,
      run: (images, count) => runBatch(ort, session, requireImages(input), images, count),
      time: randomTimer(ort, session),
    };
  };
}

/** Calls may overlap, but a session of onnxruntime-web runs one batch at a time. */
let last: Promise<unknown> = Promise.resolve();
let done = 0;

async function runInTurn(images: Uint8Array, count: number) {
  if (!running) throw new Error('no model is open');
  const result = await running.run(images, count);
  done += count;
  show('done', `${done.toLocaleString()} images classified`);
  return result;
}

/** Name of the GPU or renderer; empty for wasm. */
async function describeDevice(provider: Exclude<Provider, 'onebit'>): Promise<string> {
  if (provider === 'wasm') return '';
  if (provider === 'webgpu') {
    const gpu = (navigator as { gpu?: { requestAdapter(): Promise<{ info: Record<string, string> } | null> } }).gpu;
    const adapter = await gpu?.requestAdapter();
    if (!adapter)
      throw new Error(isSecureContext ? 'the browser has no WebGPU adapter' : 'browsers give WebGPU to https pages and to localhost only');
    const { vendor, architecture, device, description } = adapter.info;
    return `WebGPU on ${[vendor, architecture, device, description].filter(Boolean).join(' ')}`;
  }
  const gl = document.createElement('canvas').getContext('webgl2');
  if (!gl) throw new Error('the browser has no WebGL 2');
  const names = gl.getExtension('WEBGL_debug_renderer_info');
  return `WebGL on ${gl.getParameter(names ? names.UNMASKED_RENDERER_WEBGL : gl.RENDERER)}`;
}

function show(id: string, text: string): void {
  const element = document.getElementById(id);
  if (element) element.textContent = text;
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

function toBase64(data: Float32Array): string {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const CHUNK = 0x8000; // String.fromCharCode takes its characters as arguments
  let text = '';
  for (let i = 0; i < bytes.length; i += CHUNK) text += String.fromCharCode(...bytes.subarray(i, i + CHUNK));
  return btoa(text);
}

(globalThis as { wrn?: Page }).wrn = page;
