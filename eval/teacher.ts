/** Opens a network as a teacher: in a thread of its own, because a training step blocks the main thread while it computes. */
import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { type Closable, closable } from '../src/closable.ts';
import { DeviceError, InputError } from '../src/errors.ts';
import { builtFile } from '../src/package-files.ts';
import { requirePackage } from '../src/packages.ts';
import type { Teacher } from '../src/train/batches/teacher.ts';
import { readClassifier } from './runtime/model-input.ts';
import type { TeacherReply, TeacherRequest, TeacherSetting } from './teacher-worker.ts';

interface Waiting {
  resolve(reply: TeacherReply): void;
  reject(error: Error): void;
}

export interface TeacherOptions {
  /** For errors; `teacher.onnx` by default. */
  readonly name?: string | undefined;
  /** The file whose digest is the teacher's, when the ONNX file was made of another one. */
  readonly identity?: Uint8Array | undefined;
}

/**
 * Opens an image classifier in onnxruntime-node, for training with a teacher. It uses half of the cores: the training step
 * needs the others.
 * @param file any ONNX file that takes raw pixels 0..255; its output may be the result of a Softmax
 * @throws InputError when it is no image classifier, or onnxruntime does not run it; DeviceError without onnxruntime-node
 * @example
 * await using teacher = await openTeacher(await readFile('wrn-20-10.onnx'));
 * await trainNetwork(images, { folder: 'run', network: { width: 1 }, teacher });
 */
export async function openTeacher(file: Uint8Array, options: TeacherOptions = {}): Promise<Teacher & Closable> {
  requirePackage('onnxruntime-node');
  const { name = 'teacher.onnx', identity = file } = options;
  const model = readClassifier(file);
  const { input, classes, metadata, output } = model;
  const { channels, height, width } = input;
  const probabilities = model.proto.graph?.node?.find((node) => node.output?.includes(output))?.op_type === 'Softmax';
  const threads = Math.max(1, Math.floor(availableParallelism() / 2));
  const setting: TeacherSetting = { bytes: model.bytes, input, output, classes, probabilities, threads };
  const worker = new Worker(builtFile('node/teacher-worker.js'), { workerData: setting });
  const waiting: Waiting[] = [];
  let failure: Error | undefined;
  const fail = (error: Error) => {
    failure ??= error;
    for (const { reject } of waiting.splice(0)) reject(failure);
  };
  worker.on('message', (reply: TeacherReply) => waiting.shift()?.resolve(reply));
  worker.on('error', fail);
  worker.on('exit', () => fail(new DeviceError('teacher: expected its thread to run, got its end')));
  const send = async (request: TeacherRequest, transfer: ArrayBuffer[] = []): Promise<TeacherReply> => {
    if (failure) throw failure;
    return new Promise((resolve, reject) => {
      waiting.push({ resolve, reject });
      worker.postMessage(request, transfer);
    });
  };
  const opened = await send({ kind: 'open' });
  if (opened.kind === 'error') {
    await worker.terminate();
    throw new InputError('teacher', name, `expected a model that onnxruntime runs, got one that it refuses: ${opened.message}`);
  }
  return closable<Teacher & { close(): Promise<void> }>({
    name,
    sha256: createHash('sha256').update(identity).digest('hex'),
    channels,
    height,
    width,
    classes,
    classLabels: metadata?.about.classLabels,
    async logits(imagesNCHW, count) {
      const images = imagesNCHW.slice();
      const reply = await send({ kind: 'run', imagesNCHW: images, count }, [images.buffer]);
      if (reply.kind === 'logits') return reply.logits;
      throw new DeviceError(`teacher: ${reply.kind === 'error' ? reply.message : 'expected logits, got none'}`);
    },
    async close() {
      if (!failure) await send({ kind: 'close' });
      await worker.terminate();
    },
  });
}
