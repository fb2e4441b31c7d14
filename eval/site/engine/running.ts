/** One network on the runtime that the site chose for it. */
import { DeviceError } from '../../../src/errors.ts';
import { loadOneBit } from '../../../src/onebit.ts';
import { readClassifierInput } from '../../runtime/classifier-input.ts';
import { type Runtime, type RuntimeSession, runBatch } from '../../runtime/runtime.ts';
import type { NetworkFacts } from '../facts.ts';
import { download, type Progress } from './download.ts';
import type { Opened } from './protocol.ts';

export interface Running extends Opened {
  /** @param imagesNCHW raw pixels 0..255 of `count` images @returns logits, shape [count, classes] */
  run(imagesNCHW: Uint8Array, count: number): Promise<Float32Array>;
  /** Largest number of images per run. */
  readonly batch: number;
}

export async function open(network: NetworkFacts, progress: Progress): Promise<Running> {
  return network.runtime === 'onebit' ? openOneBit(network, progress) : openOnnxruntime(network, progress);
}

const BATCH = 8;

async function openOneBit({ path, bytes }: NetworkFacts, progress: Progress): Promise<Running> {
  const file = await download(path, bytes, progress);
  const network = await loadOneBit(file).catch((error: unknown) => {
    if (error instanceof DeviceError) return loadOneBit(file, { threads: 1 }); // a browser without workers in workers
    throw error;
  });
  return { runtime: 'One-bit runtime', threads: network.threads, batch: BATCH, run: (images) => network.run(images) };
}

interface WebRuntime extends Runtime {
  readonly env: {
    readonly wasm: { numThreads?: number; wasmBinary?: Uint8Array };
    readonly versions: { readonly web?: string };
    logLevel?: string;
  };
}

/** As the one-bit runtime: more threads wait for each other. */
const MAX_THREADS = 4;

async function openOnnxruntime({ path, bytes, runtimeBytes }: NetworkFacts, progress: Progress): Promise<Running> {
  const all = bytes + runtimeBytes;
  const wasm = await download('ort/ort-wasm-simd-threaded.wasm', runtimeBytes, (done) => progress((done * runtimeBytes) / all));
  const file = await download(path, bytes, (done) => progress((runtimeBytes + done * bytes) / all));
  const ort: WebRuntime = await import(/* @vite-ignore */ new URL('ort/ort.wasm.bundle.min.mjs', location.href).href);
  const threads = crossOriginIsolated ? Math.min(MAX_THREADS, navigator.hardwareConcurrency) : 1;
  ort.env.logLevel = 'error';
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmBinary = wasm;
  const { input, output } = readClassifierInput(file);
  const session: RuntimeSession = await ort.InferenceSession.create(file, { executionProviders: ['wasm'] });
  return {
    runtime: `onnxruntime-web ${ort.env.versions.web ?? ''}`.trim(),
    threads,
    batch: input.fixedBatch ?? BATCH,
    async run(images, count) {
      const { outputs } = await runBatch(ort, session, input, images, count);
      return outputs[output]?.data ?? new Float32Array();
    },
  };
}
