/**
 * Runs an ONNX file with any onnxruntime: the same code in Node, in a child process and in a web page.
 * Safe for browsers.
 */
import { Float16Array } from '@petamoriken/float16';
import { UsageError } from '../../src/errors.ts';
import { elements } from '../../src/formats/shape.ts';

/** The part of onnxruntime-node and onnxruntime-web used here, without their types, so that neither must be installed. */
export interface Runtime<Options = unknown> {
  readonly InferenceSession: { create(model: Uint8Array, options?: Options): Promise<RuntimeSession> };
  readonly Tensor: new (type: TensorType, data: TensorData, dims: readonly number[]) => RuntimeTensor;
}

/** A loaded model; onnxruntime's `InferenceSession`. */
export interface RuntimeSession {
  readonly inputMetadata: readonly RuntimeInput[];
  run(feeds: Readonly<Record<string, RuntimeTensor>>): Promise<Readonly<Record<string, RuntimeTensor>>>;
  release(): Promise<void>;
}

export type RuntimeInput =
  | { readonly name: string; readonly isTensor: true; readonly type: string; readonly shape: readonly (number | string)[] }
  | { readonly name: string; readonly isTensor: false };

export interface RuntimeTensor {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: unknown;
  getData(): Promise<unknown>;
  dispose(): void;
}

export type TensorType = 'float32' | 'float64' | 'float16' | 'uint8' | 'int8' | 'int32' | 'int64' | 'bool';
export type TensorData = Float32Array | Float64Array | Uint16Array | Uint8Array | Int8Array | Int32Array | BigInt64Array;

/** How a file takes images. */
export interface ModelInput {
  readonly name: string;
  readonly type: 'float32' | 'float16' | 'uint8';
  readonly layout: 'nchw' | 'nhwc';
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** The batch size, when the file fixes it. */
  readonly fixedBatch?: number | undefined;
}

/** @throws UsageError for a model that takes no images */
export function requireImages(input: ModelInput | undefined): ModelInput {
  if (!input) throw new UsageError('expected a model that takes images, got one with other inputs');
  return input;
}

/** A float output, row-major. */
export interface Output {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** The bits of 0..255 as float16. */
const HALF_BITS = new Uint16Array(Float16Array.from({ length: 256 }, (_, pixel) => pixel).buffer);

/**
 * Raw pixels 0..255 as the values that the file takes, in its type and layout; a fixed batch is padded with zeros.
 * @param imagesNCHW shape [count, channels, height, width]
 * @returns float16 as the bits of each value
 * @example
 * const input = { name: 'images', type: 'uint8', layout: 'nhwc', channels: 3, height: 1, width: 2 } as const;
 * toInput(Uint8Array.of(1, 2, 3, 4, 5, 6), 1, input); // 1, 3, 5, 2, 4, 6: the colours of a pixel side by side
 */
export function toInput(imagesNCHW: Uint8Array, count: number, input: ModelInput): Uint8Array | Float32Array | Uint16Array {
  if (input.type === 'float16')
    return Uint16Array.from(toInput(imagesNCHW, count, { ...input, type: 'uint8' }), (pixel) => HALF_BITS[pixel] as number);
  const { channels, height, width } = input;
  const pixels = height * width;
  const size = channels * pixels;
  const batch = input.fixedBatch ?? count;
  const values = input.type === 'float32' ? new Float32Array(batch * size) : new Uint8Array(batch * size);
  if (input.layout === 'nchw') {
    values.set(imagesNCHW.subarray(0, count * size));
    return values;
  }
  for (let image = 0, i = 0; image < count; image++) {
    for (let pixel = 0; pixel < pixels; pixel++) {
      for (let channel = 0; channel < channels; channel++, i++) values[i] = imagesNCHW[image * size + channel * pixels + pixel] as number;
    }
  }
  return values;
}

/**
 * Runs one batch and returns every float output for its `count` images as float32, with the seconds spent in the runtime.
 * @throws UsageError when the file fixes a smaller batch size
 * @example
 * import * as ort from 'onnxruntime-node';
 *
 * const { input } = readClassifier(file);
 * const session = await ort.InferenceSession.create(file);
 * const { outputs, seconds } = await runBatch(ort, session, input, new Uint8Array(28 * 28), 1);
 */
export async function runBatch(
  runtime: Runtime,
  session: RuntimeSession,
  input: ModelInput,
  imagesNCHW: Uint8Array,
  count: number,
): Promise<{ outputs: Record<string, Output>; seconds: number }> {
  const batch = input.fixedBatch ?? count;
  if (count > batch) throw new UsageError(`expected at most ${batch} images at once, the batch size fixed in the file, got ${count}`);
  const { channels, height, width } = input;
  const dims = input.layout === 'nchw' ? [batch, channels, height, width] : [batch, height, width, channels];
  const values = toInput(imagesNCHW, count, input);
  const tensor = new runtime.Tensor(input.type, values, dims);
  const start = performance.now();
  const results = await session.run({ [input.name]: tensor });
  const seconds = (performance.now() - start) / 1000;
  const outputs: Record<string, Output> = {};
  for (const [name, result] of Object.entries(results)) {
    if (result.type === 'float32' || result.type === 'float16') {
      const shape = [count, ...result.dims.slice(1)];
      const data = floatsOf((await result.getData()) as Float32Array | Uint16Array);
      outputs[name] = { shape, data: data.subarray(0, elements(shape)) };
    }
    result.dispose();
  }
  return { outputs, seconds };
}

/** Runtimes return float16 as bits when JavaScript has no Float16Array, else as a Float16Array. */
function floatsOf(data: Float32Array | Uint16Array): Float32Array {
  if (data instanceof Float32Array) return data;
  const bits = new Uint16Array(data.buffer, data.byteOffset, data.length);
  return Float32Array.from(new Float16Array(bits.slice().buffer));
}
