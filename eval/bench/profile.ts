/** Time per layer and operator on the CPU, from onnxruntime's own profiler. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { flattenFile } from '../../converters/onnx/layered/flatten.ts';
import { temporaryFileError } from '../../src/data/files/temporary-file.ts';
import { InputError } from '../../src/errors.ts';
import { type ConvLayer, type Layer, layers, multiplyAccumulates } from '../../src/network/topology.ts';
import { loadPackage } from '../../src/packages.ts';
import { type Inputs, readInputs } from '../runtime/model-input.ts';
import { noise } from '../runtime/noise.ts';
import { randomTimer, type Sizes } from '../runtime/random-run.ts';
import { runBatch } from '../runtime/runtime.ts';
import { type MatmulSpeed, matmulSpeed } from './matmul-speed.ts';

export interface ProfileOptions {
  /** 8 by default. */
  readonly batch?: number | undefined;
  readonly threads?: number | undefined;
  /** 10 by default. */
  readonly runs?: number | undefined;
  readonly sizes?: Sizes | undefined;
  readonly signal?: AbortSignal;
}

export interface ProfileRow {
  /** Layer of the topology in files of this project; the node's name in others. */
  readonly layer: string;
  /** Layers that the runtime fused into this one's convolution, in order: its norm and activation. */
  readonly fused: readonly string[];
  /** Operators that ran for it, in order, as onnxruntime's optimizer left them. */
  readonly ops: readonly string[];
  readonly microsecondsPerImage: number;
  /** Per image; 0 when unknown. */
  readonly multiplyAccumulates: number;
  /** Multiply-accumulates per second as a fraction of what a large matrix product of the same type reaches; null without any. */
  readonly ofMatmul: number | null;
  /** The same as a fraction of `Profile.peak`, which is never exceeded. */
  readonly ofPeak: number | null;
}

export interface Profile {
  readonly batch: number;
  readonly runs: number;
  /** The run of median length, the runtime's own work between nodes included. */
  readonly microsecondsPerImage: number;
  readonly matmul: MatmulSpeed;
  /** The highest rate measured, by the product or by a layer: convolution kernels may be faster than matrix products. */
  readonly peak: MatmulSpeed;
  readonly layers: readonly ProfileRow[];
  /** Time by operator, longest first. */
  readonly ops: readonly { readonly op: string; readonly microsecondsPerImage: number }[];
}

/** An event of onnxruntime's profile (Chrome trace event format). */
interface Event {
  readonly cat: string;
  readonly name: string;
  /** Microseconds. */
  readonly dur: number;
  readonly args?: { readonly op_name?: string };
}

/**
 * Profiles a file on onnxruntime-node's CPU provider.
 * @throws InputError when the file fixes another batch size; UsageError when the temporary folder cannot be written; `signal.reason` when it is aborted
 * @example
 * const { microsecondsPerImage, ops } = await profile(file, { batch: 4, runs: 2 });
 */
export async function profile(file: Uint8Array, { batch = 8, threads, runs = 10, sizes, signal }: ProfileOptions = {}): Promise<Profile> {
  const inputs = readInputs(file);
  const before = await matmulSpeed(threads);
  const run = medianRun(await record(flattenFile(file), inputs, { batch, threads, runs, sizes, signal }));
  const after = await matmulSpeed(threads);
  const matmul = { float32: Math.max(before.float32, after.float32), int8: Math.max(before.int8, after.int8) };
  const perImage = (microseconds: number) => microseconds / batch;
  const nodes = run.events.filter(({ cat, name }) => cat === 'Node' && name.endsWith(SUFFIX));
  const topology = inputs.metadata ? layers(inputs.metadata.config) : [];
  const byName = new Map(topology.map((layer) => [layer.name, layer]));
  const ran = nodes.map(({ name, dur, args }) => ({
    layer: layerOf(name.slice(0, -SUFFIX.length), byName),
    dur,
    op: args?.op_name ?? '?',
  }));
  const named = new Set(ran.map(({ layer }) => layer));
  const rows = new Map<
    string,
    { ops: Set<string>; microseconds: number; integer: boolean; conv: ConvLayer | undefined; fused: string[] }
  >();
  const ops = new Map<string, number>();
  for (const { layer, dur, op } of ran) {
    const found = op.endsWith('Conv') ? convOf(layer, byName) : undefined;
    // a norm that is not fused also runs as a depthwise convolution; then the convolution before it has its own row
    const conv = found && (found.conv.name === layer || !named.has(found.conv.name)) ? found : undefined;
    const key = conv?.conv.name ?? layer;
    const row = rows.get(key) ?? { ops: new Set(), microseconds: 0, integer: false, conv: conv?.conv, fused: conv?.fused ?? [] };
    row.ops.add(op);
    row.microseconds += dur;
    row.integer ||= op.startsWith('QLinear');
    rows.set(key, row);
    ops.set(op, (ops.get(op) ?? 0) + dur);
  }
  const measured = [...rows].map(([layer, { ops, microseconds, integer, conv, fused }]) => {
    const time = perImage(microseconds);
    const macs = conv ? multiplyAccumulates(conv) : 0;
    const type: keyof MatmulSpeed = integer ? 'int8' : 'float32';
    return {
      layer,
      fused,
      ops: [...ops],
      microsecondsPerImage: time,
      multiplyAccumulates: macs,
      type,
      rate: macs && time ? macs / (time * 1e-6) : null,
    };
  });
  const peakOf = (type: keyof MatmulSpeed) =>
    Math.max(matmul[type], ...measured.flatMap((row) => (row.type === type ? (row.rate ?? 0) : 0)));
  const peak = { float32: peakOf('float32'), int8: peakOf('int8') };
  return {
    batch,
    runs,
    microsecondsPerImage: perImage(run.microseconds),
    matmul,
    peak,
    layers: measured.map(({ type, rate, ...row }) => ({
      ...row,
      ofMatmul: rate && rate / matmul[type],
      ofPeak: rate && rate / peak[type],
    })),
    ops: [...ops]
      .map(([op, microseconds]) => ({ op, microsecondsPerImage: perImage(microseconds) }))
      .sort((a, b) => b.microsecondsPerImage - a.microsecondsPerImage),
  };
}

const SUFFIX = '_kernel_time';

/** The run of median length with its events, so that times add up and disturbed runs are left out. */
function medianRun(events: readonly Event[]): { microseconds: number; events: readonly Event[] } {
  const runs: { microseconds: number; events: readonly Event[] }[] = [];
  let start = 0;
  for (const [i, { name, dur }] of events.entries()) {
    if (name !== 'model_run') continue; // follows the events that it contains
    runs.push({ microseconds: dur, events: events.slice(start, i) });
    start = i + 1;
  }
  runs.sort((a, b) => a.microseconds - b.microseconds);
  return runs[Math.floor(runs.length / 2)] ?? { microseconds: Number.NaN, events: [] };
}

/** Runs the file and returns the events of the runs after a warm-up. */
async function record(
  file: Uint8Array,
  { images, fixedBatch }: Inputs,
  {
    batch,
    threads,
    runs,
    sizes,
    signal,
  }: { batch: number; threads: number | undefined; runs: number; sizes: Sizes | undefined; signal: AbortSignal | undefined },
): Promise<Event[]> {
  if (!sizes && fixedBatch !== undefined && fixedBatch !== batch)
    throw new InputError('onnx', 'inputs', `expected any batch size, got ${fixedBatch}`);
  const runtime = await loadPackage('onnxruntime-node');
  const folder = await mkdtemp(join(tmpdir(), 'wrn-onnx-profile-')).catch((error: unknown) => {
    throw temporaryFileError('profile: cannot be written', 'Make room there', error);
  });
  try {
    const session = await runtime.InferenceSession.create(file, {
      enableProfiling: true,
      profileFilePrefix: join(folder, 'trace'),
      logSeverityLevel: 3,
      ...(threads ? { intraOpNumThreads: threads } : {}),
    });
    try {
      const time = randomTimer(runtime, session);
      const pixels = noise(images ? batch * images.channels * images.height * images.width : 0);
      const runOnce = () => (images && !sizes ? runBatch(runtime, session, images, pixels, batch) : time(batch, sizes));
      for (let i = 0; i < runs + 1 && !signal?.aborted; i++) await runOnce();
      session.endProfiling();
    } finally {
      await session.release();
    }
    signal?.throwIfAborted();
    const [trace] = await readdir(folder);
    const events = JSON.parse(await readFile(join(folder, trace as string), 'utf8')) as Event[];
    const warmUp = events.findIndex(({ name }) => name === 'model_run'); // an event follows those that it contains
    return events.slice(warmUp + 1);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The layer that a node belongs to: onnxruntime appends suffixes to the names of nodes that it rewrote (`_nchwc`, `_token_12`). */
function layerOf(node: string, byName: ReadonlyMap<string, Layer>): string {
  let name = node;
  while (!byName.has(name)) {
    const cut = Math.max(name.lastIndexOf('_'), name.lastIndexOf('.'));
    if (cut <= 0) return byName.size > 0 ? 'between layers' : node;
    name = name.slice(0, cut);
  }
  return name;
}

/** The convolution that ran under a layer's name: the layer itself, or the convolution that it was fused into. */
function convOf(name: string, byName: ReadonlyMap<string, Layer>): { conv: ConvLayer; fused: string[] } | undefined {
  const fused: string[] = [];
  let layer = byName.get(name);
  while (layer?.op === 'norm' || layer?.op === 'relu' || layer?.op === 'shiftedRelu') {
    fused.unshift(layer.name);
    layer = byName.get(layer.inputs[0] as string);
  }
  return layer?.op === 'conv' ? { conv: layer, fused } : undefined;
}
