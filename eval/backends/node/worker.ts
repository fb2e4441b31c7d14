/**
 * A child process that holds one session of onnxruntime-node, onnxruntime-web, tfjs-node or our own runtime: its memory can be measured,
 * a driver crash stays in the child, and memory that a runtime never frees ends with the process.
 */
import { availableParallelism } from 'node:os';
import type { InferenceSession } from 'onnxruntime-web';
import { loadPackage } from '../../../src/packages.ts';
import { version } from '../../../src/version.ts';
import { randomTimer, type Shapes, type Sizes } from '../../runtime/random-run.ts';
import { type ModelInput, type Output, requireImages, runBatch } from '../../runtime/runtime.ts';
import type { Loaded } from '../backend.ts';
import { peakMemory } from '../peak-memory.ts';

export type OpenRequest = OpenOnnx | OpenTfjs | OpenOneBit;

interface OpenOnnx {
  readonly kind: 'open';
  readonly runtime: 'onnxruntime-node' | 'onnxruntime-web';
  readonly options: InferenceSession.SessionOptions;
  readonly model: Uint8Array;
  readonly input: ModelInput | undefined;
  readonly threads: number | undefined;
}
interface OpenTfjs {
  readonly kind: 'open';
  readonly runtime: 'tfjs-node';
  readonly source: Uint8Array;
}
interface OpenOneBit {
  readonly kind: 'open';
  readonly runtime: 'wrn-onnx/onebit';
  readonly model: Uint8Array;
  readonly threads: number | undefined;
}
interface RunRequest {
  readonly kind: 'run';
  readonly imagesNCHW: Uint8Array;
  readonly count: number;
}
interface TimeRequest {
  readonly kind: 'time';
  readonly batch: number;
  readonly sizes?: Sizes | undefined;
}
export type Request = OpenRequest | RunRequest | TimeRequest | { readonly kind: 'memory' };

/** One reply per request, in order. */
export type Reply =
  | { readonly kind: 'open'; readonly seconds: number; readonly version: string; readonly idleBytes: number }
  | { readonly kind: 'run'; readonly outputs: Readonly<Record<string, Output>>; readonly seconds: number }
  | { readonly kind: 'time'; readonly shapes: Shapes; readonly seconds: number }
  | { readonly kind: 'memory'; readonly peakBytes: number }
  | { readonly kind: 'error'; readonly message: string };

let loaded: Loaded | undefined;

async function answer(request: Request): Promise<Reply> {
  if (request.kind === 'memory') return { kind: 'memory', peakBytes: peakMemory(process.pid) ?? process.resourceUsage().maxRSS * 1024 };
  if (request.kind === 'open') return open(request);
  if (!loaded) throw new Error('no model is open');
  if (request.kind === 'time') {
    if (!loaded.time) throw new Error('this runtime takes images only');
    return { kind: 'time', ...(await loaded.time(request.batch, request.sizes)) };
  }
  return { kind: 'run', ...(await loaded.run(request.imagesNCHW, request.count)) };
}

async function open(request: OpenRequest): Promise<Reply> {
  const idleBytes = process.memoryUsage.rss();
  const load = await loaderOf(request);
  const start = performance.now();
  loaded = await load();
  return { kind: 'open', seconds: (performance.now() - start) / 1000, version: loaded.version, idleBytes };
}

function loaderOf(request: OpenRequest): Promise<() => Promise<Loaded>> {
  if (request.runtime === 'tfjs-node') return tfjs(request);
  return request.runtime === 'wrn-onnx/onebit' ? oneBit(request) : onnxruntime(request);
}

async function oneBit({ model, threads }: OpenOneBit): Promise<() => Promise<Loaded>> {
  const { openOneBit } = await import('../../runtime/onebit.ts');
  return async () => {
    const { detail, run } = await openOneBit(model, threads ?? availableParallelism());
    return { version: `${version}, ${detail}`, run };
  };
}

async function tfjs({ source }: OpenTfjs): Promise<() => Promise<Loaded>> {
  const { loadTrained } = await import('./tfjs-session.ts');
  return loadTrained(source);
}

async function onnxruntime({ runtime: name, options, model, input, threads }: OpenOnnx): Promise<() => Promise<Loaded>> {
  const ort = await loadPackage(name);
  // by default, onnxruntime-web uses half of the cores
  if (name === 'onnxruntime-web') ort.env.wasm.numThreads = threads ?? availableParallelism();
  const runtimeVersion = (name === 'onnxruntime-node' ? ort.env.versions.node : ort.env.versions.web) ?? ort.env.versions.common;
  return async () => {
    const session = await ort.InferenceSession.create(model, options);
    return {
      version: runtimeVersion,
      run: (imagesNCHW, count) => runBatch(ort, session, requireImages(input), imagesNCHW, count),
      time: randomTimer(ort, session),
    };
  };
}

let last: Promise<unknown> = Promise.resolve();
process.on('message', (request: Request) => {
  last = last.then(() => answer(request)).then(reply, (error: Error) => reply({ kind: 'error', message: error.message }));
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => {}); // signals reach the whole process group; the parent decides when to end
process.on('disconnect', () => process.exit());

function reply(message: Reply): void {
  process.send?.(message);
}
