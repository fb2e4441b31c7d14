/** The profile of our own runtime, in the same form as for onnxruntime. */
import { layers, multiplyAccumulates } from '../../src/network/topology.ts';
import { readOneBitFile } from '../../src/onebit/file.ts';
import { type CallTime, loadOneBit } from '../../src/onebit.ts';
import { noise } from '../runtime/noise.ts';
import { matmulSpeed } from './matmul-speed.ts';
import type { Profile, ProfileOptions } from './profile.ts';

/**
 * Profiles a file with one-bit weights on our own kernels; operators are named after the kernels.
 * @throws InputError when it is not such a file; `signal.reason` when it is aborted
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
  const rateOf = ({ layer, milliseconds }: CallTime) => (milliseconds ? (macsOf.get(layer) ?? 0) / (perImage(milliseconds) * 1e-6) : 0);
  const typeOf = ({ kernel }: CallTime) => (kernel === 'signsByte' ? 'int8' : 'float32');
  const peakOf = (type: 'int8' | 'float32') => Math.max(matmul[type], ...calls.filter((call) => typeOf(call) === type).map(rateOf));
  const peak = { float32: peakOf('float32'), int8: peakOf('int8') };
  return {
    batch,
    runs,
    microsecondsPerImage: perImage(total(calls)),
    matmul,
    peak,
    layers: calls.map((call) => {
      const rate = rateOf(call) || null;
      const type = typeOf(call);
      return {
        layer: call.layer,
        fused: [],
        ops: [call.kernel],
        microsecondsPerImage: perImage(call.milliseconds),
        multiplyAccumulates: macsOf.get(call.layer) ?? 0,
        ofMatmul: rate && rate / matmul[type],
        ofPeak: rate && rate / peak[type],
      };
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
