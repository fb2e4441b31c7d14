/** A loaded network: images in, logits and classes out. */
import { UsageError } from '../errors.ts';
import type { RecordedForm } from '../network/file-metadata.ts';
import { type Prediction, topK } from '../network/softmax.ts';
import type { Engine } from './engine.ts';
import type { OneBitFile } from './file.ts';
import { fromPicture, type Picture } from './picture.ts';
import type { Plan } from './plan.ts';
import { readPlanes, writePlanes } from './planes.ts';

/** Raw pixels 0..255. */
export type Images = Uint8Array | Uint8ClampedArray | Float32Array;

export class OneBitNetwork {
  readonly #plan: Plan;
  #engine: Engine | undefined;
  /** The size that `run` takes; `classify` takes pictures of any size. */
  readonly input: { readonly channels: number; readonly height: number; readonly width: number };
  readonly classes: number;
  /** Names of the classes, where the file holds them. */
  readonly labels: readonly string[] | undefined;
  /** How the file holds its numbers: `packed`, `inline` or `int8`. */
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
    const { memory, run } = this.#running();
    const size = this.input.channels * this.input.height * this.input.width;
    const count = images.length / size;
    if (!Number.isInteger(count)) {
      const { channels, height, width } = this.input;
      throw new UsageError(`images: expected a multiple of ${channels} x ${height} x ${width} values, got ${images.length}`);
    }
    const { batch, images: input, logits: output } = this.#plan;
    const logits = new Float32Array(count * this.classes);
    for (let from = 0; from < count; from += batch) {
      const now = Math.min(batch, count - from);
      writePlanes(memory, input, images.subarray(from * size, (from + now) * size), now);
      run(now);
      logits.set(readPlanes(memory, output, now), from * this.classes);
    }
    return logits;
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

  #running(): Engine {
    if (!this.#engine) throw new UsageError('network: expected one that is in use, got a released one');
    return this.#engine;
  }
}
