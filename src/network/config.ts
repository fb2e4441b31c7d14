/**
 * The configuration of a network. Its fields express every published dialect and every variant of the
 * paper, so that no other code branches on the dialect.
 */
import {
  boolean,
  either,
  integer,
  list,
  number,
  oneOf,
  readJson,
  type Schema,
  strictObject,
  tuple,
  unexpected,
} from '../formats/schema.ts';

/** Padding as [top, left, bottom, right], in pixels. */
export type Pads = readonly [number, number, number, number];

export interface NetworkConfig {
  /** `cifar`: 3x3 stem, three groups. `imagenet`: 7x7 stride-2 stem, 3x3 max pool, four groups. */
  readonly stem: 'cifar' | 'imagenet';
  /** 6n + 2 with the cifar stem, 8n + 2 with the imagenet stem, for n blocks per group. */
  readonly depth: number;
  /** Widening factor k: the first group has 16k (cifar) or 64k (imagenet) channels. */
  readonly width: number;
  readonly classes: number;
  readonly input: { readonly channels: number; readonly height: number; readonly width: number };
  /** False: plain network, no shortcuts. */
  readonly residual: boolean;
  /** Bits per weight in the inner convolutions. */
  readonly bits: 1 | 32;
  /** Bits per weight in the first and the last convolution. */
  readonly endBits: 1 | 32;
  /** Scale of 1-bit weights: He's constant, or BWN's mean |W| per layer or per output channel. */
  readonly scale: 'he' | 'mean-layer' | 'mean-channel';
  /** Normalisation of raw pixels 0..255: the first batch norm, or constants per channel. */
  readonly inputNorm: 'batch-norm' | { readonly mean: readonly number[]; readonly std: readonly number[] };
  /** ReLU between the input normalisation and the first convolution. */
  readonly inputRelu: boolean;
  /** Before each convolution: batch norm + ReLU, or max(-1, x) (arXiv 1907.06916). */
  readonly activation: 'norm-relu' | 'shifted-relu';
  /** Divisor of the logits. It is 1 except with `shifted-relu`, which has no last batch norm. */
  readonly logitsDivisor: number;
  /** Which batch norms have a learned scale (gamma) and offset (beta). */
  readonly affine: 'none' | 'first' | 'last' | 'all';
  /** Added to the variance in batch norm; 0 if the published moments already include it. */
  readonly epsilon: number;
  /** Padding in the first block of each group after the first, which halves the resolution. */
  readonly downsample: {
    readonly convPads: Pads;
    readonly poolPads: Pads;
    /** Whether the average pool includes padding in its divisor. */
    readonly poolCountsPads: boolean;
  };
}

/** The paper's network for CIFAR, 1 bit, as trained by this project (the author's Keras dialect). */
export const defaultConfig: NetworkConfig = {
  stem: 'cifar',
  depth: 20,
  width: 10,
  classes: 10,
  input: { channels: 3, height: 32, width: 32 },
  residual: true,
  bits: 1,
  endBits: 1,
  scale: 'he',
  inputNorm: 'batch-norm',
  inputRelu: false,
  activation: 'norm-relu',
  logitsDivisor: 1,
  affine: 'none',
  epsilon: 1e-5,
  downsample: { convPads: [0, 0, 1, 1], poolPads: [0, 0, 1, 1], poolCountsPads: false },
};

/**
 * The paper's name for a network: `WRN-20-10`.
 * @example
 * networkName({ ...defaultConfig, depth: 26 }); // 'WRN-26-10'
 */
export function networkName(config: NetworkConfig): string {
  return `${config.residual ? 'WRN' : 'Plain'}-${config.depth}-${config.width}`;
}

/** `1 bit` or `32 bits`. */
export function bitsName({ bits }: Pick<NetworkConfig, 'bits'>): string {
  return bits === 1 ? '1 bit' : `${bits} bits`;
}

/** Short title of a run: `WRN-20-10, 1 bit, CIFAR-10`. */
export function runName(config: NetworkConfig, dataset: string | undefined): string {
  return [networkName(config), bitsName(config), ...(dataset === undefined ? [] : [dataset])].join(', ');
}

/** Blocks in each group. */
export function blocksPerGroup(config: NetworkConfig): number {
  return (config.depth - 2) / (config.stem === 'cifar' ? 6 : 8);
}

/** Upper bounds that keep a hostile configuration from allocating terabytes. */
const MAX_DEPTH = 1202;
const MAX_CHANNELS = 65536;
const MAX_IMAGE = 4096;
export const MAX_CLASSES = 1_000_000;
/** Most values per image: four channels at the largest height and width. */
export const MAX_IMAGE_VALUES = 4 * MAX_IMAGE ** 2;

const pad = integer(0, 2);
const pads = tuple(pad, pad, pad, pad);
const side = integer(4, MAX_IMAGE);

const schema: Schema<NetworkConfig> = strictObject({
  stem: oneOf('cifar', 'imagenet'),
  depth: integer(8, MAX_DEPTH),
  width: number(1 / 64, 256),
  classes: integer(2, MAX_CLASSES),
  input: strictObject({ channels: integer(1, 1024), height: side, width: side }),
  residual: boolean,
  bits: oneOf(1, 32),
  endBits: oneOf(1, 32),
  scale: oneOf('he', 'mean-layer', 'mean-channel'),
  inputNorm: either('batch-norm', strictObject({ mean: list(number(-1e6, 1e6)), std: list(number(1e-6, 1e6)) })),
  inputRelu: boolean,
  activation: oneOf('norm-relu', 'shifted-relu'),
  logitsDivisor: number(1e-6, 1e6),
  affine: oneOf('none', 'first', 'last', 'all'),
  epsilon: number(0, 1),
  downsample: strictObject({ convPads: pads, poolPads: pads, poolCountsPads: boolean }),
});

/**
 * Reads a configuration from untrusted JSON.
 * @throws InputError that names the first field that is missing, unknown or out of range
 * @example
 * const config = readConfig({ ...defaultConfig, classes: 100 });
 */
export function readConfig(json: unknown): NetworkConfig {
  const config = readJson(schema, json, 'configuration');
  const fail = (field: string, expected: string, got: unknown) => unexpected('configuration', field, expected, got);
  const { channels, height, width } = config.input;
  if (config.inputNorm !== 'batch-norm')
    for (const [name, values] of Object.entries(config.inputNorm))
      if (values.length !== channels) fail(`inputNorm.${name}`, `a list of ${channels}`, values);
  if (channels * height * width > MAX_IMAGE_VALUES)
    fail('input', `images of at most ${MAX_IMAGE_VALUES} values`, [channels, height, width]);
  const period = config.stem === 'cifar' ? 6 : 8;
  if ((config.depth - 2) % period !== 0) fail('depth', `${period}n + 2`, config.depth);
  const base = (config.stem === 'cifar' ? 16 : 64) * config.width;
  if (!Number.isInteger(base) || base * 8 > MAX_CHANNELS) fail('width', 'a whole number of channels, at most 65536', config.width);
  return config;
}
