/**
 * The layers of a network as steps, each one call of a kernel: what stands behind a convolution is computed before its
 * output is stored, so that every activation is written once.
 */
import type { ConvLayer, Layer, NormLayer, PlainLayer, PoolLayer, StandardizeLayer } from '../network/topology.ts';

export interface Step {
  /** What the step begins with; of an `ElementLayer`, the step begins with the sums, norms and clips alone. */
  readonly source: ConvLayer | PoolLayer | PlainLayer<'globalPool'> | ElementLayer;
  /** Name of the tensor it reads. */
  readonly input: string;
  /** What is added to the source's output: the name of a tensor. */
  readonly residual?: string;
  /** What norm and activation behind it are computed with, if any. */
  readonly norm?: NormLayer | StandardizeLayer;
  readonly clip?: PlainLayer<'relu' | 'shiftedRelu'>;
  readonly divisor?: number;
  /** Name of the layer whose output is stored before norm and activation, if it is read or kept. */
  readonly raw?: string;
  /** Name of the layer whose output is stored behind them. */
  readonly active?: string;
}

/** Layers that work pixel by pixel. */
export type ElementLayer = Exclude<Layer, ConvLayer | PoolLayer | PlainLayer<'globalPool' | 'widen'>>;

/**
 * @param kept names of layers whose outputs are stored although nothing else reads them
 * @returns the steps in order of execution; `alias` says which tensor stands for a layer that is not computed: a widened
 * tensor is the narrow one, whose missing channels are zeros
 */
export function toSteps(network: readonly Layer[], kept: ReadonlySet<string> = new Set()): { steps: Step[]; alias: Map<string, string> } {
  const readers = new Map<string, Layer[]>();
  for (const layer of network) for (const input of layer.inputs) readers.set(input, [...(readers.get(input) ?? []), layer]);
  const last = network.at(-1)?.name;
  const taken = new Set<string>();
  const alias = new Map<string, string>();
  const stored = (name: string) => alias.get(name) ?? name;
  const readersOf = (name: string) => readers.get(name) ?? [];
  const isKept = (name: string) => kept.has(name) || name === last;
  /** The only reader of a tensor that nobody else wants. */
  const follower = (name: string) => (readersOf(name).length === 1 && !isKept(name) ? readersOf(name)[0] : undefined);

  const toStep = (layer: Step['source']): Step => {
    const elementwise = isElement(layer);
    const input = layer.inputs[0] as string;
    let current = elementwise ? input : layer.name;
    const take = <T extends Layer>(next: T): T => {
      taken.add(next.name);
      current = next.name;
      return next;
    };
    const step: { -readonly [K in keyof Step]: Step[K] } = { source: layer, input: stored(input) };

    if (layer.op === 'globalPool' || layer.op === 'divide') {
      const next = elementwise ? layer : follower(current);
      if (next?.op === 'divide') step.divisor = take(next).divisor;
      return { ...step, raw: current };
    }
    if (layer.op === 'averagePool' || layer.op === 'maxPool') return { ...step, raw: current };

    const sum = elementwise ? layer : follower(current);
    if (sum?.op === 'add') {
      const other = sum.inputs.find((name) => name !== current) ?? current;
      // What is widened has fewer channels than the sum: it can only be what is added.
      const narrow = elementwise && alias.has(current);
      if (narrow) step.input = other;
      step.residual = stored(narrow ? current : other);
      take(sum);
    }
    const before = current;
    const next = elementwise && sum?.op !== 'add' ? layer : readersOf(current).find((reader) => isNorm(reader) || isClip(reader));
    if (next && isNorm(next)) step.norm = take(next);
    const clip = step.norm ? follower(current) : next;
    if (clip && isClip(clip)) step.clip = take(clip);
    if (current !== before) step.active = current;
    const others = readersOf(before).length - (current === before ? 0 : 1);
    if (before !== input && (others > 0 || isKept(before))) step.raw = before;
    return step;
  };

  const steps: Step[] = [];
  /** Convolutions by the sum that they wait for: what is added may be computed after them. */
  const waiting = new Map<string, ConvLayer>();
  for (const layer of network) {
    const next = layer.op === 'conv' ? follower(layer.name) : undefined;
    if (taken.has(layer.name)) continue;
    if (layer.op === 'widen') alias.set(layer.name, stored(layer.inputs[0] as string));
    else if (layer.op === 'conv' && next?.op === 'add') waiting.set(next.name, layer);
    else steps.push(toStep(waiting.get(layer.name) ?? layer));
  }
  return { steps, alias };
}

function isElement(layer: Step['source']): layer is ElementLayer {
  return !['conv', 'averagePool', 'maxPool', 'globalPool'].includes(layer.op);
}

function isNorm(layer: Layer): layer is NormLayer | StandardizeLayer {
  return layer.op === 'norm' || layer.op === 'standardize';
}

function isClip(layer: Layer): layer is PlainLayer<'relu' | 'shiftedRelu'> {
  return layer.op === 'relu' || layer.op === 'shiftedRelu';
}
