/**
 * A child process that holds one session of onnxruntime-node or onnxruntime-web: its memory can be measured,
 * a crash of a driver harms nobody, and what a runtime never frees goes with the process.
 */
import { availableParallelism } from 'node:os';
import type { InferenceSession } from 'onnxruntime-web';
import { type ModelInput, type Output, type Runtime, runBatch } from '../page/runtime.ts';

export interface OpenRequest {
  readonly kind: 'open';
  readonly runtime: 'onnxruntime-node' | 'onnxruntime-web';
  readonly options: InferenceSession.SessionOptions;
  readonly model: Uint8Array;
  readonly input: ModelInput;
  readonly threads: number | undefined;
}
export interface RunRequest {
  readonly kind: 'run';
  readonly imagesNCHW: Uint8Array;
  readonly count: number;
}
export type Request = OpenRequest | RunRequest | { readonly kind: 'memory' };

/** One reply a request, in order. */
export type Reply =
  | { readonly kind: 'open'; readonly seconds: number; readonly version: string }
  | { readonly kind: 'run'; readonly outputs: Record<string, Output>; readonly seconds: number }
  | { readonly kind: 'memory'; readonly peakBytes: number }
  | { readonly kind: 'error'; readonly message: string };

let running: { runtime: Runtime; session: InferenceSession; input: ModelInput } | undefined;

async function answer(request: Request): Promise<Reply> {
  if (request.kind === 'memory') return { kind: 'memory', peakBytes: process.resourceUsage().maxRSS * 1024 };
  if (request.kind === 'open') return open(request);
  if (!running) throw new Error('no model is open');
  const result = await runBatch(running.runtime, running.session, running.input, request.imagesNCHW, request.count);
  return { kind: 'run', ...result };
}

async function open({ runtime: name, options, model, input, threads }: OpenRequest): Promise<Reply> {
  const ort = name === 'onnxruntime-node' ? await import('onnxruntime-node') : await import('onnxruntime-web');
  // onnxruntime-web would take half of the cores
  if (name === 'onnxruntime-web') ort.env.wasm.numThreads = threads ?? availableParallelism();
  const start = performance.now();
  const session = await ort.InferenceSession.create(model, options);
  const seconds = (performance.now() - start) / 1000;
  running = { runtime: ort, session, input };
  const version = (name === 'onnxruntime-node' ? ort.env.versions.node : ort.env.versions.web) ?? ort.env.versions.common;
  return { kind: 'open', seconds, version };
}

let last: Promise<unknown> = Promise.resolve();
process.on('message', (request: Request) => {
  last = last.then(() => answer(request)).then(reply, (error: Error) => reply({ kind: 'error', message: error.message }));
});
process.on('SIGINT', () => {}); // Ctrl-C reaches the whole group; the parent decides when to end
process.on('disconnect', () => process.exit());

function reply(message: Reply): void {
  process.send?.(message);
}
