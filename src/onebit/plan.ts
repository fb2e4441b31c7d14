/** A network as memory and calls of kernels: the third lowering of the topology, beside ONNX and tfjs. */
import { type ConvLayer, IMAGES, type Layer, layers, type Shape } from '../network/topology.ts';
import { Arena } from './arena.ts';
import { Block } from './block.ts';
import type { OneBitFile } from './file.ts';
import { type KernelName, scratchLength, tilesOf } from './kernel.ts';
import { isFolded, isInteger, lower, type Quantization } from './lower.ts';
import type { Placed, Planes } from './planes.ts';
import { toSteps } from './steps.ts';
import * as w from './words.ts';

/** One call of a kernel. */
export interface Call {
  readonly kernel: KernelName;
  /** Address of its block of words. */
  readonly block: number;
  /** Of one image. */
  readonly tiles: number;
  /** The layer whose work it mostly is. */
  readonly layer: string;
}

export interface Plan {
  /** Of the whole memory. */
  readonly bytes: number;
  /** Images that a run takes at once. */
  readonly batch: number;
  readonly calls: readonly Call[];
  /** Address of the scratch memory of a thread. */
  scratch(thread: number): number;
  readonly images: Placed;
  readonly logits: Placed;
  /** Outputs that the caller wanted kept, by the name of their layer, in order of execution. */
  readonly kept: ReadonlyMap<string, Kept>;
  /** Writes weights, constants and borders into memory of zeros. */
  fill(memory: ArrayBufferLike): void;
}

/** The output of a layer that can be read after a run. */
export interface Kept {
  readonly placed: Placed;
  /** Of the layer's output; where it has more channels than what is in memory, those are zeros. */
  readonly shape: Shape;
  /** How real values stand in 8 bits. */
  readonly quantization: Quantization | undefined;
}

export interface PlanOptions {
  readonly threads: number;
  readonly batch: number;
  /** Names of layers whose outputs can be read after a run. Those that the file does not compute have none. */
  readonly keep?: readonly string[] | undefined;
}

/** @throws InputError when a number is missing or of another size, or the network takes more memory than there can be */
export function plan(file: OneBitFile, { threads, batch, keep = [] }: PlanOptions): Plan {
  const network = layers(file.metadata.config);
  const byName = new Map(network.map((layer) => [layer.name, layer]));
  const integer = network.filter((layer): layer is ConvLayer => layer.op === 'conv' && isInteger(file, layer));
  // The file has no numbers for what lies inside of an integer convolution that took in what follows it.
  const inside = new Set(integer.filter((layer) => isFolded(file, layer)).flatMap(({ name }) => insideOf(name, network)));
  const kept = new Set(network.map(({ name }) => name).filter((name) => keep.includes(name) && !inside.has(name)));
  const { steps, alias } = toSteps(network, kept);

  const arena = new Arena(batch);
  const readers = (name: string) => network.filter((layer) => layer.inputs.includes(name));
  const quantizationOf = (name: string): Quantization | undefined =>
    integer.some(({ inputs }) => inputs.includes(name))
      ? { scale: file.scale(`${name}.q_scale`), zero: file.byte(`${name}.q_zero`) }
      : undefined;
  const planesOf = (name: string): Planes => {
    const convs = readers(name).filter((layer) => layer.op === 'conv');
    const shape: Shape = name === IMAGES ? imageShape(file) : (byName.get(name) as Layer).shape;
    const quantization = quantizationOf(name);
    return {
      shape,
      border: Math.max(0, ...convs.flatMap(({ pads }) => pads)),
      size: quantization ? 1 : 4,
      fill: quantization?.zero ?? 0,
    };
  };

  const lastRead = new Map<string, number>();
  for (const [index, { input, residual }] of steps.entries())
    for (const name of [input, residual]) if (name !== undefined) lastRead.set(name, index);
  for (const name of kept) lastRead.set(alias.get(name) ?? name, Number.POSITIVE_INFINITY);

  const images = arena.place(planesOf(IMAGES));
  const tensors = new Map<string, Placed>([[IMAGES, images]]);
  const giveBack = (name: string | undefined, index: number) => {
    if (name !== undefined && name !== IMAGES && lastRead.get(name) === index) arena.giveBack(tensors.get(name) as Placed);
  };
  const place = (name: string | undefined) => name !== undefined && tensors.set(name, arena.place(planesOf(name)));

  const calls: Call[] = [];
  let scratch = 0;
  for (const [index, step] of steps.entries()) {
    // A sum may stand where its summand was: each pixel is read before it is written. Neighbours of the input are read later.
    giveBack(step.residual, index);
    place(step.raw);
    place(step.active);
    if (step.input !== step.residual) giveBack(step.input, index);

    const block = new Block(arena);
    const kernel = lower(step, { file, block, tensors, quantizationOf });
    block.integer(w.PARTS, partsFor(kernel, block.words, threads * Math.ceil(threads / batch)));
    calls.push({ kernel, block: block.address, tiles: tilesOf(kernel, block.words), layer: step.source.name });
    scratch = Math.max(scratch, scratchLength(kernel, block.words));
  }
  const firstScratch = arena.take(threads * scratch);
  const placed = (name: string) => tensors.get(alias.get(name) ?? name) as Placed;
  return {
    bytes: arena.bytes,
    batch,
    calls,
    scratch: (thread) => firstScratch + thread * scratch,
    images,
    logits: placed((network.at(-1) as Layer).name),
    kept: new Map(
      [...kept].map((name) => {
        const { shape } = byName.get(name) as Layer;
        return [name, { placed: placed(name), shape, quantization: quantizationOf(name) }];
      }),
    ),
    fill: (memory) => arena.fill(memory),
  };
}

function imageShape({ metadata: { config } }: OneBitFile): Shape {
  return [config.input.channels, config.input.height, config.input.width];
}

/** The convolution and the norm, if any, between it and its activation. */
function insideOf(conv: string, network: readonly Layer[]): string[] {
  const next = network.find(({ inputs }) => inputs.includes(conv));
  return next?.op === 'norm' ? [conv, next.name] : [conv];
}

/** A one-bit convolution has too few tiles for many threads where the image is small: its channels are shared out, too. */
function partsFor(kernel: KernelName, words: Int32Array, threads: number): number {
  const whole = words.slice();
  whole[w.PARTS] = 1;
  const tiles = tilesOf(kernel, whole);
  return tiles >= threads ? 1 : Math.min(Math.ceil(threads / tiles), whole[w.CHANNELS] as number);
}
