/** Chooses what `train` does: network and recipe come from options, a preset of the paper, or a checkpoint. */
import { existsSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { catalogEntry } from '../../data/catalog.ts';
import type { ImageSet, ImageShape } from '../../data/dataset.ts';
import { InputError, UsageError } from '../../errors.ts';
import { defaultConfig, type NetworkConfig, readConfig } from '../../network/config.ts';
import { defaultTeaching, type Teacher, type Teaching } from '../../train/batches/teacher.ts';
import { type Preset, paperEpochs, paperRecipe, presets, type Recipe, readRecipe } from '../../train/recipe.ts';
import type { Checkpoint } from '../../train/run/checkpoint.ts';
import type { Schedule } from '../../train/schedule.ts';
import type { MathMode } from '../../train/tf/math.ts';

/** Options of `train`. */
export interface Flags {
  readonly preset?: string;
  readonly data?: string;
  readonly output: string;
  readonly epochs?: number;
  readonly resume: boolean;
  readonly depth?: number;
  readonly width?: number;
  readonly bits?: 1 | 32;
  readonly scale?: NetworkConfig['scale'];
  readonly norm?: 'batch' | 'shifted-relu';
  readonly learnNorm?: boolean;
  readonly inputRelu?: boolean;
  readonly plain?: boolean;
  readonly seed?: number;
  readonly batch?: number;
  readonly schedule?: 'warm-restarts' | 'steps';
  readonly firstCycle?: number;
  readonly weightDecay?: number;
  readonly imageSize?: number;
  /** False: --no-shorter-side. */
  readonly shorterSide?: readonly [low: number, high: number] | false;
  readonly skipBroken: boolean;
  readonly flip?: boolean;
  readonly crop?: number;
  readonly cutout?: number;
  readonly math?: MathMode;
  readonly teacher?: string;
  readonly teacherWeight?: number;
  readonly temperature?: number;
  readonly format: 'human' | 'json';
}

/** The rates of a step schedule (McDonnell, ICLR 2018, section 4). */
const STEP_RATES = [0.1, 0.01, 0.001];
/** Augmented training images that measure the moments for inference: 80 batches of the paper's recipe. */
const MOMENT_IMAGES = 10_000;

/** What is known of a run before its data is opened. */
export interface ChosenRun {
  readonly checkpoint: Checkpoint | undefined;
  readonly source: string;
  readonly epochs: number;
  readonly recipe: Recipe;
  /** Shape of the images when the data set leaves it open. */
  readonly shape: ImageShape | undefined;
}

/** @throws UsageError when options do not fit together; InputError when the checkpoint's training data is missing. */
export function chooseRun(flags: Flags, saved: Checkpoint | undefined, teacher: Teacher | undefined): ChosenRun {
  const checkpoint = saved && inMath(saved, flags.math);
  const preset = presetOf(flags);
  const epochs = flags.epochs ?? preset?.epochs ?? checkpoint?.plan?.epochs ?? paperEpochs;
  return {
    checkpoint,
    epochs,
    source: flags.data ?? preset?.data ?? sourceOf(checkpoint),
    recipe: checkpoint?.recipe ?? chooseRecipe(flags, preset, epochs, teacher),
    shape: checkpoint?.config.input ?? chooseShape(flags, preset),
  };
}

/**
 * A checkpoint with the arithmetic to continue in. Checkpoints of earlier versions do not state theirs and take the user's.
 */
function inMath(checkpoint: Checkpoint, math: MathMode | undefined): Checkpoint {
  const { recipe } = checkpoint;
  if (math === undefined || math === recipe.math) return checkpoint;
  if (recipe.math === undefined) return { ...checkpoint, recipe: { ...recipe, math } };
  throw new UsageError(`--math: expected ${recipe.math}, as this run started, got ${math}. Leave it out`);
}

function presetOf({ preset }: Flags): Preset | undefined {
  return preset === undefined ? undefined : presets[preset];
}

/** The data that a run was trained on so far. */
function sourceOf(checkpoint: Checkpoint | undefined): string {
  const source = checkpoint?.plan?.source;
  if (source === undefined) throw new UsageError('the checkpoint does not name its training data: add --data');
  if (catalogEntry(source) || existsSync(source)) return source;
  const place = isAbsolute(source) ? 'there' : `in ${process.cwd()}`;
  throw new InputError('checkpoint', `data ${source}`, `expected it ${place}, got nothing. Use --data to say where it is`);
}

/** Shape of the images when the data set leaves it open. */
function chooseShape({ imageSize }: Flags, preset: Preset | undefined): ImageShape | undefined {
  return imageSize === undefined ? preset?.network.input : { channels: 3, height: imageSize, width: imageSize };
}

/** @throws UsageError when the options describe no valid network. */
export function chooseConfig(flags: Flags, { channels, height, width, classes }: ImageShape & Pick<ImageSet, 'classes'>): NetworkConfig {
  const preset = presetOf(flags);
  const bits = flags.bits ?? preset?.network.bits ?? defaultConfig.bits;
  if (bits === 32 && flags.scale !== undefined) throw new UsageError('--scale applies to 1-bit weights: leave it out with --bits 32');
  if (flags.norm === 'shifted-relu' && flags.learnNorm !== undefined)
    throw new UsageError('--learn-norm and --no-learn-norm apply to batch norm: leave them out with --norm shifted-relu');
  const inputRelu = flags.inputRelu ?? false;
  const learnNorm = flags.learnNorm ?? preset?.network.affine === 'all';
  return checked(readConfig, {
    ...defaultConfig,
    ...preset?.network,
    bits,
    endBits: bits,
    affine: learnNorm ? 'all' : inputRelu ? 'first' : 'none',
    classes,
    input: { channels, height, width },
    inputRelu,
    residual: !flags.plain,
    ...(flags.norm === 'shifted-relu' ? shiftedRelu(bits, classes) : {}),
    ...(flags.depth === undefined ? {} : { depth: flags.depth }),
    ...(flags.width === undefined ? {} : { width: flags.width }),
    ...(flags.scale === undefined ? {} : { scale: flags.scale }),
  });
}

/**
 * The network of arXiv 1907.06916: its one batch norm, at the input, learns scale and offset, and a constant divides the
 * logits, which nothing else normalises. Source of the constants, chosen for WRN-20-10 on CIFAR-10 and CIFAR-100:
 * github.com/McDonnell-Lab/1-bit-per-weight, `Temperature` in the notebooks *_shiftedReLU.ipynb.
 */
function shiftedRelu(bits: 1 | 32, classes: number): Partial<NetworkConfig> {
  const ofTenClasses = bits === 1 ? 40 : 80;
  return { activation: 'shifted-relu', affine: 'first', logitsDivisor: classes > 10 ? 25 : ofTenClasses };
}

/** @throws UsageError when there is a weight or a temperature without a teacher */
function chooseTeaching({ teacherWeight, temperature }: Flags, teacher: Teacher | undefined): { teacher?: Teaching } {
  if (teacher) {
    const { sha256 } = teacher;
    const { weight, temperature: usual } = defaultTeaching;
    return { teacher: { sha256, weight: teacherWeight ?? weight, temperature: temperature ?? usual } };
  }
  if ((teacherWeight ?? temperature) === undefined) return {};
  throw new UsageError('--teacher-weight and --temperature belong to a teacher: add --teacher');
}

function chooseRecipe(flags: Flags, preset: Preset | undefined, epochs: number, teacher: Teacher | undefined): Recipe {
  const base: Recipe = { ...paperRecipe, ...preset?.recipe };
  const { shorterSide, flip, pad, cutout } = base.augmentation;
  const batch = flags.batch ?? base.batch;
  return checked(readRecipe, {
    ...base,
    seed: flags.seed ?? base.seed,
    batch,
    momentBatches: Math.ceil(MOMENT_IMAGES / batch),
    weightDecay: flags.weightDecay ?? base.weightDecay,
    math: flags.math ?? 'float32',
    ...chooseTeaching(flags, teacher),
    schedule: chooseSchedule(flags, base.schedule, epochs),
    augmentation: {
      shorterSide: flags.shorterSide === false ? null : (flags.shorterSide ?? shorterSide),
      flip: flags.flip ?? flip,
      pad: flags.crop ?? pad,
      cutout: flags.cutout ?? cutout,
    },
  });
}

/** Checks what the options give by the rules for files; here a violation is an error of usage. */
function checked<T>(read: (json: unknown) => T, made: T): T {
  try {
    return read(made);
  } catch (error) {
    throw error instanceof InputError ? new UsageError(error.message, { cause: error }) : error;
  }
}

function chooseSchedule({ schedule, firstCycle }: Flags, base: Schedule, epochs: number): Schedule {
  if (schedule === 'steps') {
    if (firstCycle !== undefined) throw new UsageError('--first-cycle needs --schedule warm-restarts');
    return { kind: 'steps', rates: STEP_RATES, epochs };
  }
  return base.kind === 'warm-restarts' && firstCycle !== undefined ? { ...base, firstCycle } : base;
}
