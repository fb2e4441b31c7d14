/**
 * The author's MATLAB (MatConvNet) networks. One cell or value per layer, in order of execution: kernels [height, width,
 * inputs, outputs] of 0 and 1 with their scales, or of floats; and moments [channels, 2] holding mean and *sigma*, with
 * epsilon already inside; so variance = sigma squared and epsilon is 0. Residual, plain and full-precision networks
 * name their variables differently.
 */
import { InputError } from '../../src/errors.ts';
import type { MatArray, MatFile, NumericData } from '../../src/formats/mat5.ts';
import { defaultConfig, type NetworkConfig, type Pads, readConfig } from '../../src/network/config.ts';
import { checkModel, type Model } from '../../src/network/model.ts';
import type { Provenance } from '../../src/network/provenance.ts';
import { floatTensor, type Tensor } from '../../src/network/tensor.ts';
import { layers } from '../../src/network/topology.ts';
import { type Asked, inputOf } from './asked.ts';
import { packHWIO, toOIHW } from './column-major.ts';
import { passOver } from './mat-extras.ts';

const FORMAT = 'matlab .mat';
type Numeric = Extract<MatArray, { kind: 'numeric' }>;

/** The variables of a kind of network, and its structure. */
interface Dialect {
  readonly name: string;
  readonly residual: boolean;
  readonly kernels: string;
  /** Undefined when the kernels are floats. */
  readonly scales: string | undefined;
  readonly moments: string;
  readonly gammas: string;
  readonly betas: string;
}

const dialects = {
  residual: {
    ...{ name: 'matlab', residual: true, kernels: 'BinaryWeights', scales: 'LayerWeights' },
    ...{ moments: 'Moments', gammas: 'BNG', betas: 'BNB' },
  },
  float: {
    ...{ name: 'matlab-float', residual: true, kernels: 'Filters', scales: undefined },
    ...{ moments: 'Moments', gammas: 'BNG', betas: 'BNB' },
  },
  plain: {
    ...{ name: 'matlab-plain', residual: false, kernels: 'BooleanSingleBitWeights', scales: 'LayerScales' },
    ...{ moments: 'BN_Moments', gammas: 'BN_Scales', betas: 'BN_Offsets' },
  },
} as const satisfies Readonly<Record<string, Dialect>>;

/** Layer geometry, checked against the topology, and other variables of the author's script. */
const geometry = ['Padding', 'Stride', 'NumChannels', 'W'] as const;
const logged = ['PercentCorrectTest', 'Training', 'LayerTypes'];

export function isMatlab(file: MatFile): boolean {
  return file.has(dialects.residual.kernels);
}

export function isMatlabFloat(file: MatFile): boolean {
  return file.has(dialects.float.kernels);
}

export function isMatlabPlain(file: MatFile): boolean {
  return file.has(dialects.plain.kernels);
}

/**
 * Canonical model of a residual MatConvNet file.
 * @throws InputError that names a variable that is missing, left over or of the wrong shape.
 */
export function fromMatlab(file: MatFile, origin: Omit<Provenance, 'dialect'>, asked: Asked): Model {
  return read(file, dialects.residual, origin, asked);
}

/** The same for full precision. */
export function fromMatlabFloat(file: MatFile, origin: Omit<Provenance, 'dialect'>, asked: Asked): Model {
  return read(file, dialects.float, origin, asked);
}

/** The same for a plain network, without shortcuts. */
export function fromMatlabPlain(file: MatFile, origin: Omit<Provenance, 'dialect'>, asked: Asked): Model {
  return read(file, dialects.plain, origin, asked);
}

function read(file: MatFile, variables: Dialect, origin: Omit<Provenance, 'dialect'>, asked: Asked): Model {
  const about: Provenance = { dialect: variables.name, ...origin };
  const { kernels: kernelsName, scales: scalesName, moments: momentsName, gammas: gammasName, betas: betasName } = variables;
  const known = new Set<string>([
    kernelsName,
    momentsName,
    gammasName,
    betasName,
    ...(scalesName ? [scalesName] : []),
    ...geometry,
    ...logged,
  ]);
  const { imageSize, notes: passed } = passOver(new Map([...file].filter(([name]) => !known.has(name))), FORMAT);
  const notes = [...passed];
  if (!file.has(variables.moments)) {
    throw new InputError(FORMAT, 'file', 'expected weights and batch-norm moments, got weights only. Such a file cannot be converted');
  }
  const kernels = cells(file, kernelsName);
  const moments = cells(file, momentsName);
  const gammas = cells(file, gammasName);
  const betas = cells(file, betasName);
  const scales = scalesName === undefined ? undefined : numbers(file, scalesName);
  const config = configOf(file, kernels, gammas, betas, variables, (channels) => inputOf(channels, imageSize, asked, notes));

  const tensors = new Map<string, Tensor>();
  let [conv, norm] = [0, 0];
  for (const layer of layers(config)) {
    const [channels] = layer.shape;
    if (layer.op === 'conv') {
      const dims = [layer.kernel, layer.kernel, layer.inputChannels, channels] as const;
      const where = `${kernelsName}{${conv + 1}}`;
      const values = shaped(kernels[conv], dims, where);
      checkGeometry(file, conv, { Padding: layer.pads[0], Stride: layer.stride, W: layer.kernel, NumChannels: layer.inputChannels });
      if (scales) {
        const bits = packHWIO(values, dims);
        if (typeof bits === 'number') throw new InputError(FORMAT, where, `expected bits 0 and 1, got ${bits}`);
        tensors.set(`${layer.name}.kernel`, bits);
        tensors.set(`${layer.name}.scale`, floatTensor([], Float32Array.of(scales[conv] ?? Number.NaN)));
      } else tensors.set(`${layer.name}.kernel`, toOIHW(values, dims));
      conv++;
    } else if (layer.op === 'norm') {
      const values = shaped(moments[norm], [channels, 2], `${momentsName}{${norm + 1}}`);
      const column = (from: NumericData, at: number, f = (x: number) => x) =>
        floatTensor(
          [channels],
          Float32Array.from({ length: channels }, (_, c) => f(from[at * channels + c] as number)),
        );
      tensors.set(`${layer.name}.mean`, column(values, 0));
      tensors.set(
        `${layer.name}.variance`,
        column(values, 1, (sigma) => sigma * sigma),
      );
      const gamma = shaped(gammas[norm], [channels, 1], `${gammasName}{${norm + 1}}`);
      const beta = shaped(betas[norm], [channels, 1], `${betasName}{${norm + 1}}`);
      if (layer.affine) tensors.set(`${layer.name}.gamma`, column(gamma, 0)).set(`${layer.name}.beta`, column(beta, 0));
      norm++;
    }
  }
  for (const [name, list, used] of [
    [kernelsName, kernels, conv],
    [scalesName, scales, conv],
    [momentsName, moments, norm],
    [gammasName, gammas, norm],
    [betasName, betas, norm],
  ] as const) {
    if (list && list.length !== used) throw new InputError(FORMAT, `variable ${name}`, `expected ${used} layers, got ${list.length}`);
  }
  return checkModel({ config, tensors, about: { ...about, ...accuracy(file) }, notes }, FORMAT);
}

/** The configuration, derived from shapes and paddings. */
function configOf(
  file: MatFile,
  kernels: Numeric[],
  gammas: Numeric[],
  betas: Numeric[],
  { residual, scales }: Dialect,
  input: (channels: number) => NetworkConfig['input'],
): NetworkConfig {
  const depth = kernels.length;
  if (depth < 8 || (depth - 2) % 6 !== 0) throw new InputError(FORMAT, 'file', `expected 6n + 2 convolutions, got ${depth}`);
  const [, , channels = 1, stemOutputs = 1] = dimensions(kernels[0], 4);
  const [, , , classes = 1] = dimensions(kernels.at(-1), 4);
  const firstHalving = 1 + (depth - 2) / 3;
  const pad = file.has('Padding') ? (numbers(file, 'Padding')[firstHalving] ?? 1) : 1;
  const pads: Pads = [pad, pad, pad, pad];
  return readConfig({
    ...defaultConfig,
    depth,
    width: stemOutputs / 16,
    classes,
    residual,
    input: input(channels),
    ...(scales === undefined && { bits: 32, endBits: 32 }),
    inputRelu: true,
    affine: affineOf(gammas, betas),
    epsilon: 0,
    downsample: { convPads: pads, poolPads: pads, poolCountsPads: false },
  });
}

/** Every layer stores a scale and an offset; those that were not learned are 1 and 0. */
function affineOf(gammas: readonly Numeric[], betas: readonly Numeric[]): NetworkConfig['affine'] {
  const learned = gammas.map(({ data }, i) => data.some((g) => g !== 1) || (betas[i]?.data ?? []).some((b) => b !== 0));
  const last = learned.length - 1;
  if (learned.slice(1, last).some(Boolean) || (learned[0] && learned[last])) return 'all';
  return learned[0] ? 'first' : learned[last] ? 'last' : 'none';
}

function checkGeometry(file: MatFile, conv: number, expected: Readonly<Record<(typeof geometry)[number], number>>): void {
  for (const name of geometry) {
    if (!file.has(name)) continue;
    const got = numbers(file, name)[conv];
    if (got !== expected[name]) throw new InputError(FORMAT, `variable ${name}(${conv + 1})`, `expected ${expected[name]}, got ${got}`);
  }
}

/** `PercentCorrectTest` holds the test accuracy after every epoch. */
function accuracy(file: MatFile): { testAccuracy?: number } {
  const last = file.has('PercentCorrectTest') ? numbers(file, 'PercentCorrectTest').at(-1) : undefined;
  return last !== undefined && last > 0 && last <= 100 ? { testAccuracy: Number((last / 100).toFixed(6)) } : {};
}

function cells(file: MatFile, name: string): Numeric[] {
  const variable = file.get(name);
  if (variable?.kind !== 'cell')
    throw new InputError(FORMAT, `variable ${name}`, `expected a cell array, got ${variable?.kind ?? 'nothing'}`);
  return variable.cells.map((cell, i) => {
    if (cell.kind !== 'numeric') throw new InputError(FORMAT, `${name}{${i + 1}}`, `expected numbers, got ${describe(cell)}`);
    return cell;
  });
}

/** MATLAB saves GPU arrays as objects of its own. */
function describe(array: MatArray): string {
  return array.kind === 'unsupported' ? `${array.className}. Save it again after gather() in MATLAB` : array.kind;
}

function numbers(file: MatFile, name: string): NumericData {
  const variable = file.get(name);
  if (variable?.kind !== 'numeric')
    throw new InputError(FORMAT, `variable ${name}`, `expected numbers, got ${variable ? describe(variable) : 'nothing'}`);
  return variable.data;
}

function dimensions(array: Numeric | undefined, count: number): readonly number[] {
  if (array?.dims.length === count) return array.dims;
  throw new InputError(FORMAT, 'kernels', `expected ${count} dimensions, got [${array?.dims.join(', ')}]`);
}

/** Data of an array after a check of its shape; MATLAB drops trailing dimensions of size 1. */
function shaped(array: Numeric | undefined, dims: readonly number[], where: string): NumericData {
  const padded = [...(array?.dims ?? [])];
  while (padded.length < dims.length) padded.push(1);
  if (array && padded.join() === dims.join()) return array.data;
  throw new InputError(FORMAT, where, `expected shape [${dims.join(', ')}], got ${array ? `[${array.dims.join(', ')}]` : 'nothing'}`);
}
