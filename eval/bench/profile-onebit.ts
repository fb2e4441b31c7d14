/** The profile of our own runtime, in the form of onnxruntime's. */
import { layers, multiplyAccumulates } from '../../src/network/topology.ts';
import { readOneBitFile } from '../../src/onebit/file.ts';
import { type CallTime, loadOneBit } from '../../src/onebit.ts';
import { noise } from '../runtime/noise.ts';
import { matmulSpeed } from './matmul-speed.ts';
import type { Profile, ProfileOptions } from './profile.ts';

/**
 * Profiles a file with one-bit weights on the kernels of our own; operators are the names of kernels.
 * @throws InputError when it is another file; `signal.reason` when it is aborted
 */
export async function profileOneBit(file: Uint8Array, options: ProfileOptions): Promise<Profile> {
  const { batch = 8, threads, runs = 10 } = options;
  const { config } = readOneBitFile(file).metadata;
  const macsOf = new Map(layers(config).map((layer) => [layer.name, multiplyAccumulates(layer)]));
  const matmul = await matmulSpeed(threads);
  const calls = await medianRun(file, options);
  const perImage = (milliseconds: number) => (1000 * milliseconds) / batch;
  const ops = new Map<string, number>();
  for (const { kernel, milliseconds } of calls) ops.set(kernel, (ops.get(kernel) ?? 0) + perImage(milliseconds));
  return {
    batch,
    runs,
    microsecondsPerImage: perImage(total(calls)),
    matmul,
    layers: calls.map(({ layer, kernel, milliseconds }) => {
      const macs = macsOf.get(layer) ?? 0;
      const speed = kernel === 'signsByte' ? matmul.int8 : matmul.float32;
      const ofMatmul = macs && milliseconds ? macs / (perImage(milliseconds) * 1e-6) / speed : null;
      return { layer, ops: [kernel], microsecondsPerImage: perImage(milliseconds), multiplyAccumulates: macs, ofMatmul };
    }),
    ops: [...ops]
      .map(([op, microsecondsPerImage]) => ({ op, microsecondsPerImage }))
      .sort((a, b) => b.microsecondsPerImage - a.microsecondsPerImage),
  };
}

const total = (calls: readonly CallTime[]) => calls.reduce((sum, { milliseconds }) => sum + milliseconds, 0);

/** The run of median length, so that its times add up; a first one warms up. */
async function medianRun(file: Uint8Array, { batch = 8, threads, runs = 10, signal }: ProfileOptions): Promise<CallTime[]> {
  const network = await loadOneBit(file, { threads });
  try {
    const { channels, height, width } = network.input;
    const pixels = noise(batch * channels * height * width);
    const profiles: CallTime[][] = [];
    for (let i = 0; i < runs + 1; i++) {
      signal?.throwIfAborted();
      profiles.push(await network.profile(pixels));
    }
    const ordered = profiles.slice(1).sort((a, b) => total(a) - total(b));
    return ordered[Math.floor(ordered.length / 2)] ?? [];
  } finally {
    network.release();
  }
}
