/** The thread of a teacher. It hands batches to a child process with onnxruntime-node, so that memory and crashes stay there. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Session } from './backends/backend.ts';
import { cpu } from './backends/node/node.ts';
import { runCrops } from './crops.ts';
import type { ModelInput } from './runtime/runtime.ts';

export interface TeacherSetting {
  /** The ONNX file. */
  readonly bytes: Uint8Array;
  readonly input: ModelInput;
  readonly output: string;
  readonly classes: number;
  /** Whether the output is the result of a Softmax. */
  readonly probabilities: boolean;
  readonly threads: number;
}

export type TeacherRequest =
  | { readonly kind: 'open' }
  | { readonly kind: 'run'; readonly imagesNCHW: Uint8Array; readonly count: number }
  | { readonly kind: 'close' };

/** One per request, in order. */
export type TeacherReply =
  | { readonly kind: 'done' }
  | { readonly kind: 'logits'; readonly logits: Float32Array<ArrayBuffer> }
  | { readonly kind: 'error'; readonly message: string };

/** The smallest positive normal float32: a probability that was rounded to 0 gets a finite logarithm. */
const LEAST = 2 ** -126;

const { bytes, input, output, classes, probabilities, threads } = workerData as TeacherSetting;
let session: Session | undefined;
let last = Promise.resolve();

parentPort?.on('message', (request: TeacherRequest) => {
  if (request.kind === 'close')
    void reply(request); // at once, whatever is still running
  else last = last.then(() => reply(request));
});

async function reply(request: TeacherRequest): Promise<void> {
  const answered = await answer(request).catch((error): TeacherReply => ({ kind: 'error', message: String(error?.message ?? error) }));
  parentPort?.postMessage(answered, answered.kind === 'logits' ? [answered.logits.buffer] : []);
}

async function answer(request: TeacherRequest): Promise<TeacherReply> {
  if (request.kind === 'run') return { kind: 'logits', logits: await logits(request.imagesNCHW, request.count) };
  if (request.kind === 'open') session = await cpu.open(bytes, input, { batch: input.fixedBatch ?? 1, threads });
  else await session?.close();
  return { kind: 'done' };
}

/** Runs as many images at once as the file takes. */
async function logits(imagesNCHW: Uint8Array, count: number): Promise<Float32Array<ArrayBuffer>> {
  if (!session) throw new Error('no model is open');
  const batch = input.fixedBatch ?? count;
  const images = imagesNCHW.subarray(0, count * input.channels * input.height * input.width);
  const { logits: all } = await runCrops(session, { output, classes }, images, { batch, perImage: 1, shape: input });
  return probabilities ? all.map((p) => Math.log(Math.max(p, LEAST))) : all;
}
