/** Our own runtime as a session: the same code in a child process and in a page. Safe for browsers. */
import { readSignature } from '../../proto/reader.ts';
import { LOGITS } from '../../src/network/topology.ts';
import { counted } from '../../src/numbers.ts';
import { loadOneBit } from '../../src/onebit.ts';
import type { Output } from './runtime.ts';

/** A loaded network. */
export interface OneBitSession {
  /** What actually runs, e.g. `2 threads`. */
  readonly detail: string;
  /** @param imagesNCHW raw pixels 0..255, shape [count, channels, height, width] */
  run(imagesNCHW: Uint8Array, count: number): Promise<{ outputs: Readonly<Record<string, Output>>; seconds: number }>;
}

/** Keeps the layers that are outputs of the file in addition to the logits, as any runtime does. */
export async function openOneBit(model: Uint8Array, threads: number | undefined): Promise<OneBitSession> {
  const keep = readSignature(model)
    .outputs.map(({ name }) => name)
    .filter((name) => name !== LOGITS);
  const network = await loadOneBit(model, { threads, keep });
  return {
    detail: counted(network.threads, 'thread'),
    async run(imagesNCHW, count) {
      const { channels, height, width } = network.input;
      const images = imagesNCHW.subarray(0, count * channels * height * width);
      const start = performance.now();
      const outputs = await network.runLayers(images);
      return { outputs: Object.fromEntries(outputs), seconds: (performance.now() - start) / 1000 };
    },
  };
}
