/** A loaded network: images in, logits and classes out. */
import { UsageError } from '../errors.ts';
import { elements } from '../formats/shape.ts';
import type { RecordedForm } from '../network/file-metadata.ts';
import { type Prediction, topK } from '../network/logits.ts';
import { LOGITS } from '../network/topology.ts';
import type { Engine } from './engine.ts';
import type { OneBitFile } from './file.ts';
import { fromPicture, type Picture } from './picture.ts';
import type { Kept, Plan } from './plan.ts';
import { readPlanes, writePlanes } from './planes.ts';

/** Raw pixels 0..255. */
export type Images = Uint8Array | Uint8ClampedArray | Float32Array;

/** The output of a layer, row-major. */
export interface LayerOutput {
  /** [count, channels, height, width]; logits have [count, classes]. */
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export interface CallTime {
  /** The layer that the call begins with; norms, activations and sums behind it are in its time. */
  readonly layer: string;
  readonly kernel: string;
  readonly milliseconds: number;
}

export class OneBitNetwork {
  readonly #plan: Plan;
  #engine: Engine | undefined;
  /** The size that `run` takes; `classify` takes pictures of any size. */
  readonly input: { readonly channels: number; readonly height: number; readonly width: number };
  readonly classes: number;
  /** Names of the classes, where the file holds them. */
  readonly labels: readonly string[] | undefined;
  /** How the file holds its numbers: `packed`, `inline`, `int8` or `int8-amx`. */
  readonly form: RecordedForm;
  /** Threads that compute. */
  readonly threads: number;
  /** Bytes of memory: they do not grow. */
  readonly memoryBytes: number;

  constructor({ metadata: { config, about, form } }: OneBitFile, plan: Plan, engine: Engine) {
    this.#plan = plan;
    this.#engine = engine;
    this.input = config.input;
    this.classes = config.classes;
    this.labels = about.classLabels;
    this.form = form;
    this.threads = engine.threads;
    this.memoryBytes = plan.bytes;
  }

  /**
   * The logits of any number of images, float32 [count, classes].
   *
   *     const logits = await network.run(pixels); // Uint8Array of [count, 3, 32, 32]
   *
   * @param images raw pixels 0..255, shape [count, channels, height, width]
   * @throws UsageError when they fill no whole number of images, or the network is released
   */
  async run(images: Images): Promise<Float32Array> {
    return (await this.runLayers(images)).get(LOGITS)?.data as Float32Array;
  }

  /**
   * The logits, and the outputs of those layers that `loadOneBit` was asked to keep, by name; of
   * those that are in memory as 8 bits, what is left of them.
   * @throws as `run`
   */
  async runLayers(images: Images): Promise<Map<string, LayerOutput>> {
    return this.#run(images);
  }

  /**
   * Runs images and says how long each call of a kernel took, in order, in milliseconds for all images together.
   * @throws as `run`
   */
  async profile(images: Images): Promise<CallTime[]> {
    const times = new Float64Array(this.#plan.calls.length);
    this.#run(images, times);
    return this.#plan.calls.map(({ kernel, layer }, i) => ({ layer, kernel, milliseconds: times[i] as number }));
  }

  #run(images: Images, times?: Float64Array): Map<string, LayerOutput> {
    const { memory, run } = this.#running();
    const { batch, images: input, logits, kept } = this.#plan;
    const all = this.#countOf(images);
    const size = images.length / all;
    const newOutput = (shape: readonly number[]) => ({ shape: [all, ...shape], data: new Float32Array(all * elements(shape)) });
    const outputs = new Map([...kept].map(([name, { shape }]) => [name, newOutput(shape)] as const)).set(LOGITS, newOutput([this.classes]));
    for (let from = 0; from < all; from += batch) {
      const count = Math.min(batch, all - from);
      writePlanes(memory, input, images.subarray(from * size, (from + count) * size), count);
      run(count, times);
      outputs.get(LOGITS)?.data.set(readPlanes(memory, logits, count), from * this.classes);
      for (const [name, layer] of kept) outputs.get(name)?.data.set(readKept(memory, layer, count), from * elements(layer.shape));
    }
    return outputs;
  }

  /**
   * The `count` most likely classes of a picture, most likely first.
   *
   *     const [best] = await network.classify(canvas.getContext('2d').getImageData(0, 0, 32, 32));
   *     console.log(best.label, best.probability);
   *
   * @throws RangeError when the picture's data do not fit its size
   * @throws DeviceError when a bitmap or a file meets a runtime without a canvas
   */
  async classify(picture: Picture, count = 5): Promise<Prediction[]> {
    const { channels, height, width } = this.input;
    return topK(await this.run(await fromPicture(picture, [channels, height, width])), count, this.labels);
  }

  /** Ends the threads and lets go of the memory; a second call does nothing. */
  release(): void {
    this.#engine?.release();
    this.#engine = undefined;
  }

  [Symbol.dispose](): void {
    this.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release();
  }

  #countOf(images: Images): number {
    const { channels, height, width } = this.input;
    const count = images.length / (channels * height * width);
    if (Number.isInteger(count)) return count;
    throw new UsageError(`images: expected a multiple of ${channels} x ${height} x ${width} values, got ${images.length}`);
  }

  #running(): Engine {
    if (!this.#engine) throw new UsageError('network: expected one that is in use, got a released one');
    return this.#engine;
  }
}

/** Values of the first `count` images, with the channels that are not in memory. */
function readKept(memory: ArrayBufferLike, { placed, shape, quantization }: Kept, count: number): Float32Array {
  const stored = readPlanes(memory, placed, count);
  const { scale, zero } = quantization ?? { scale: 1, zero: 0 };
  const values = new Float32Array(count * elements(shape));
  const [wide, narrow] = [elements(shape), elements(placed.shape)];
  for (let n = 0; n < count; n++)
    for (let i = 0; i < narrow; i++) values[n * wide + i] = scale * ((stored[n * narrow + i] as number) - zero);
  return values;
}
