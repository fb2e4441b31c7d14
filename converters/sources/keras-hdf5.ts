/**
 * The author's Keras networks as Keras saves them: `save_weights` and `save` to HDF5 (`.h5`), the weights of Keras 3
 * (`.weights.h5`), and whole models (`.keras`, an archive of the configuration as JSON and such weights). His
 * training stores the latent weights of BinaryConv2D; kernels of Conv2D are full precision, or the ±s of his inference
 * model.
 */
import { InputError } from '../../src/errors.ts';
import { type HdfGroup, type HdfNode, nodeAt, prepareHdf5, readHdf5, textsOf } from '../../src/formats/hdf5.ts';
import { readZip } from '../../src/formats/zip.ts';
import type { Model } from '../../src/network/model.ts';
import type { Provenance } from '../../src/network/provenance.ts';
import { packSigns } from '../../src/network/sign.ts';
import { bitTensor } from '../../src/network/tensor.ts';
import type { Asked } from './asked.ts';
import { byNumber, fromKerasLayers, type KerasConv, type KerasKernel, type KerasNorm } from './keras.ts';
import { type KerasGraph, readKerasGraph } from './keras-graph.ts';

const FORMAT = 'keras';
/** Members of a `.keras` archive. */
export const WEIGHTS_MEMBER = 'model.weights.h5';
const CONFIG_MEMBER = 'config.json';

/** Weights of a file, and its configuration if it has one. */
export interface KerasContainer {
  readonly root: HdfGroup;
  readonly config: unknown;
}

/** Momenta are twice the weights and never read. */
const SKIPPED = /^\/(optimizer|optimizer_weights)$/;

export async function prepareKerasHdf5(bytes: Uint8Array): Promise<void> {
  await prepareHdf5(bytes, bytes, SKIPPED);
}

export function openKerasHdf5(bytes: Uint8Array): KerasContainer {
  const root = readHdf5(bytes);
  const [config] = textsOf(root, 'model_config') ?? [];
  return { root, config: config === undefined ? undefined : parse(config) };
}

/** @throws InputError when the archive is damaged */
export async function prepareKerasArchive(bytes: Uint8Array): Promise<void> {
  const weights = readZip(bytes).read(WEIGHTS_MEMBER);
  if (weights) await prepareHdf5(bytes, weights, SKIPPED);
}

export function openKerasArchive(bytes: Uint8Array): KerasContainer {
  const config = readZip(bytes).read(CONFIG_MEMBER);
  if (!config) throw new InputError(FORMAT, 'archive', `expected ${WEIGHTS_MEMBER} and ${CONFIG_MEMBER}, got only one of them`);
  return { root: readHdf5(bytes), config: parse(new TextDecoder().decode(config)) };
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    throw new InputError(FORMAT, 'configuration', 'expected JSON, got something else');
  }
}

/** Whether a file holds layers as Keras saves them. */
export function isKerasHdf5({ root }: KerasContainer): boolean {
  return textsOf(weightsGroup(root), 'layer_names') !== undefined || layersGroup(root) !== undefined;
}

/**
 * Canonical model of a weights file or a whole model.
 * @throws InputError that names a layer that is missing, left over or of the wrong shape
 */
export function fromKerasHdf5(container: KerasContainer, origin: Omit<Provenance, 'dialect'>, asked: Asked): Model {
  return read(container, { dialect: 'keras', ...origin }, asked);
}

/** The same for files whose layer names do not show that the network uses the signs of its kernels. */
export function fromKerasBinary(container: KerasContainer, origin: Omit<Provenance, 'dialect'>, asked: Asked): Model {
  return read(container, { dialect: 'keras-binary', ...origin }, asked);
}

function read({ root, config }: KerasContainer, about: Provenance, asked: Asked): Model {
  const graph = config === undefined ? undefined : readKerasGraph(config);
  const notes: string[] = [];
  const named = layersOf(root, graph);
  const norms = named.flatMap((layer) => normOf(layer));
  const convs = named.flatMap((layer) => convOf(layer));
  const left = named.find((layer) => layer.weights.length > 0 && !norms.some(isNamed(layer)) && !convs.some(isNamed(layer)));
  if (left) throw new InputError(FORMAT, `layer ${left.name}`, `expected a kernel, or moments of a batch norm, got ${describe(left)}`);
  const kernels = kernelsOf(convs, graph, about.dialect === 'keras-binary', notes);
  return fromKerasLayers(
    {
      format: FORMAT,
      convs: convs.map(({ shape: [height, width, inputs, outputs], name }, i) => {
        return { name, height, width, inputs, outputs, kernel: kernels[i] as KerasKernel } satisfies KerasConv;
      }),
      norms,
      imageSize: graph?.imageSize,
      epsilon: graph?.epsilon,
      logitsDivisor: graph?.logitsDivisor,
      notes,
    },
    about,
    asked,
  );
}

interface Weights {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}
interface KerasLayer {
  readonly name: string;
  readonly weights: readonly Weights[];
}
interface Kernel {
  readonly name: string;
  readonly shape: readonly [height: number, width: number, inputs: number, outputs: number];
  /** HWIO, the last dimension fastest. */
  readonly values: Float32Array;
}

const isNamed = (layer: KerasLayer) => (other: { readonly name: string }) => other.name === layer.name;
const describe = ({ weights }: KerasLayer) => weights.map(({ shape }) => `[${shape.join(', ')}]`).join(' and ');

function normOf({ name, weights }: KerasLayer): KerasNorm[] {
  const isNorm = (weights.length === 2 || weights.length === 4) && weights.every(({ shape }) => shape.length === 1);
  return isNorm ? [{ name, rows: weights.map(({ values }) => values) }] : [];
}

function convOf({ name, weights }: KerasLayer): Kernel[] {
  const [kernel, ...others] = weights;
  if (kernel?.shape.length !== 4 || others.length > 0) return [];
  return [{ name, shape: kernel.shape as Kernel['shape'], values: kernel.values }];
}

/** Layers in order of execution. */
function layersOf(root: HdfGroup, graph: KerasGraph | undefined): KerasLayer[] {
  const group = weightsGroup(root);
  const names = textsOf(group, 'layer_names');
  if (names) return names.map((name) => legacyLayer(group, name));
  const layers = layersGroup(root);
  const found = [...(layers?.members ?? [])].map(([name, node]) => ({ name, weights: variablesOf(name, node) }));
  const weighted = found.filter(({ weights }) => weights.length > 0);
  if (graph) {
    const place = new Map(graph.storedNames.map((name, i) => [name, i]));
    const lost = weighted.find(({ name }) => !place.has(name));
    if (lost) throw new InputError(FORMAT, `layer ${lost.name}`, 'expected a layer of the configuration, got another');
    return weighted.sort((a, b) => (place.get(a.name) as number) - (place.get(b.name) as number));
  }
  // Without a configuration, weights are numbered by class, in order of execution within each class.
  const convs = weighted.filter((layer) => convOf(layer).length > 0);
  if (new Set(convs.map(({ name }) => name.replace(/_\d+$/, ''))).size > 1)
    throw new InputError(
      FORMAT,
      'file',
      'expected convolutions of one class, got several, whose order the file does not contain. Save the whole model: model.save("model.keras")',
    );
  return byNumber(convs).concat(byNumber(weighted.filter((layer) => !convs.includes(layer))));
}

/** The group of layers in files of `save_weights` (the root) and of whole models. */
function weightsGroup(root: HdfGroup): HdfGroup {
  const inner = root.members.get('model_weights');
  return inner?.kind === 'group' ? inner : root;
}

/** The group of layers in Keras 3's weights, and in those of TensorFlow 2.12 and later. */
function layersGroup(root: HdfGroup): HdfGroup | undefined {
  for (const name of ['layers', '_layer_checkpoint_dependencies']) {
    const group = root.members.get(name);
    if (group?.kind === 'group') return group;
  }
  return undefined;
}

function legacyLayer(group: HdfGroup, name: string): KerasLayer {
  const layer = nodeAt(group, name);
  const names = layer ? textsOf(layer, 'weight_names') : undefined;
  if (layer?.kind !== 'group' || !names) throw new InputError(FORMAT, `layer ${name}`, 'expected its weights in the file, got none');
  return { name, weights: names.map((weight) => weightsAt(`${name} ${weight}`, nodeAt(layer, weight))) };
}

/** Variables `vars/0`, `vars/1`... of a layer. */
function variablesOf(name: string, node: HdfNode): Weights[] {
  const variables = node.kind === 'group' ? node.members.get('vars') : undefined;
  if (variables?.kind !== 'group') return [];
  return Array.from({ length: variables.members.size }, (_, i) => weightsAt(`${name} variable ${i}`, variables.members.get(String(i))));
}

function weightsAt(where: string, node: HdfNode | undefined): Weights {
  const value = node?.kind === 'array' ? node.value : undefined;
  if (node?.kind !== 'array' || !(value instanceof Float32Array || value instanceof Float64Array))
    throw new InputError(FORMAT, `layer ${where}`, 'expected an array of floats, got something else');
  return { shape: node.shape, values: Float32Array.from(value) };
}

/** The kernels that the network uses: signs for BinaryConv2D, else the kernels themselves, which may hold two values. */
function kernelsOf(convs: readonly Kernel[], graph: KerasGraph | undefined, binary: boolean, notes: string[]): KerasKernel[] {
  const isBinary = ({ name }: Kernel) => binary || (graph?.classOf.get(name) ?? name).toLowerCase().includes('binary');
  const scales = convs.map((conv) => (isBinary(conv) ? undefined : oneScale(conv.values)));
  const twoValued = convs.length > 0 && scales.every((scale) => scale !== undefined);
  const told = graph !== undefined || convs.every(({ name }) => /conv2d/.test(name));
  if (!told && !twoValued && !convs.some(isBinary))
    notes.push('the layer names do not show the bits per weight: assumed 32. Use --dialect keras-binary for 1 bit');
  return convs.map((conv, i): KerasKernel => {
    const values = () => toOIHW(conv);
    if (isBinary(conv)) return { kind: 'latent', values };
    if (!twoValued) return { kind: 'float', values };
    const [height, width, inputs, outputs] = conv.shape;
    return { kind: 'bits', bits: () => bitTensor([outputs, inputs, height, width], packSigns(values())), scale: scales[i] as number };
  });
}

/** The s of a kernel whose values are all s or -s; undefined for any other. */
function oneScale(values: Float32Array): number | undefined {
  const scale = Math.abs(values[0] ?? 0);
  return scale > 0 && values.every((value) => value === scale || value === -scale) ? scale : undefined;
}

function toOIHW({ shape: [height, width, inputs, outputs], values }: Kernel): Float32Array {
  const kernel = new Float32Array(values.length);
  const area = height * width;
  for (let pixel = 0, at = 0; pixel < area; pixel++)
    for (let i = 0; i < inputs; i++) for (let o = 0; o < outputs; o++) kernel[(o * inputs + i) * area + pixel] = values[at++] as number;
  return kernel;
}
