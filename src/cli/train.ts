import { existsSync } from 'node:fs';
import { totalmem } from 'node:os';
import { Command, Option } from 'commander';
import { catalogEntry } from '../data/catalog.ts';
import type { ImageSet, ImageShape } from '../data/image-set.ts';
import { openSplits } from '../data/open.ts';
import { InputError, InterruptedError, UsageError } from '../errors.ts';
import { defaultConfig, type NetworkConfig, networkName, readConfig } from '../network/config.ts';
import type { Checkpoint } from '../train/checkpoint.ts';
import { type Preset, paperRecipe, presets, type Recipe, readRecipe } from '../train/recipe.ts';
import { checkResources } from '../train/resources.ts';
import { RunFolder } from '../train/run-folder.ts';
import type { Schedule } from '../train/schedule.ts';
import { loadTensorFlow } from '../train/tensorflow.ts';
import { train } from '../train/train.ts';
import { bytesInMemory, trainingSet } from '../train/training-set.ts';
import { naturalNumber, naturalRange, nonNegativeNumber, positiveNumber, weightBits } from './arguments.ts';
import { describeRun, finishRun } from './finish-run.ts';
import { catchInterrupt } from './interrupt.ts';
import { requireParity } from './parity-table.ts';
import { TrainingProgress } from './training-progress.ts';

interface Flags {
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
  readonly flip?: boolean;
  readonly crop?: number;
  readonly cutout?: number;
  readonly format: 'human' | 'json';
}

const DEFAULT_EPOCHS = 62;
/** The rates of a step schedule (McDonnell, ICLR 2018, section 4). */
const STEP_RATES = [0.1, 0.01, 0.001];
/** What --resume takes from the command line; all else comes from the checkpoint. */
const RESUMABLE: readonly string[] = ['data', 'output', 'epochs', 'resume', 'format'];

export function command(): Command {
  const wholeNumber = (text: string) => (text === '0' ? 0 : naturalNumber(text));
  return new Command('train')
    .addOption(new Option('--preset <name>', 'experiment of the paper to start from').choices(Object.keys(presets)))
    .option('--data <source>', 'data set by name (wrn-onnx data list), or a folder or archive of one')
    .requiredOption('-o, --output <folder>', 'where checkpoint, log, model file and ONNX file go')
    .addOption(
      new Option('--epochs <n>', `train up to this epoch; cycles end at 2, 6, 14, 30, 62 (default: ${DEFAULT_EPOCHS})`).argParser(
        naturalNumber,
      ),
    )
    .option('--resume', 'go on from the checkpoint in the folder, on the same data, to the epoch that was meant', false)
    .addOption(new Option('--depth <n>', '6n + 2').argParser(naturalNumber))
    .addOption(new Option('--width <k>', 'widening factor').argParser(positiveNumber))
    .addOption(new Option('--bits <n>', 'bits of a weight: 1 or 32').argParser(weightBits))
    .addOption(new Option('--scale <rule>', 'of 1-bit weights').choices(['he', 'mean-layer', 'mean-channel']))
    .addOption(
      new Option(
        '--norm <kind>',
        'before each convolution: batch norm and ReLU, or max(-1, x) alone, whose authors train one cycle: --first-cycle 300 --epochs 300 --cutout 18',
      ).choices(['batch', 'shifted-relu']),
    )
    .option('--learn-norm', 'learn the scale and offset of every batch norm')
    .option('--input-relu', 'ReLU after the first batch norm, which then learns its scale and offset')
    .option('--plain', 'no shortcuts')
    .addOption(new Option('--seed <n>', `of weights, order and augmentation (default: ${paperRecipe.seed})`).argParser(naturalNumber))
    .addOption(new Option('--batch <n>', 'images a batch').argParser(naturalNumber))
    .addOption(new Option('--schedule <kind>', 'of the learning rate').choices(['warm-restarts', 'steps']))
    .addOption(
      new Option('--first-cycle <n>', 'epochs of the first warm-restart cycle; each next one is twice as long (default: 2)').argParser(
        naturalNumber,
      ),
    )
    .addOption(new Option('--weight-decay <x>', 'of convolution kernels').argParser(nonNegativeNumber))
    .addOption(new Option('--image-size <n>', 'side of the square that image files are brought to').argParser(naturalNumber))
    .addOption(
      new Option(
        '--shorter-side <low-high>',
        'scale image files until their shorter side is a random number of these, then crop at random',
      ).argParser(naturalRange),
    )
    .option('--no-shorter-side', 'bring image files to the size, cut around the centre')
    .option('--flip', 'mirror half of the images')
    .option('--no-flip', 'mirror none')
    .addOption(new Option('--crop <n>', 'pixels of random padding before a random crop; 0: none').argParser(wholeNumber))
    .addOption(new Option('--cutout <n>', 'side of the square of random pixels; 0: none').argParser(wholeNumber))
    .addOption(new Option('--format <format>', 'of the result on stdout').choices(['human', 'json']).default('human'))
    .addHelpText(
      'after',
      '\nExamples:\n  $ wrn-onnx train --data fashion-mnist --width 1 --epochs 2 -o run\n  $ wrn-onnx train --resume -o run',
    )
    .action(run);
}

async function run(flags: Flags, self: Command): Promise<void> {
  const given = (name: string) => self.getOptionValueSource(name) === 'cli';
  const preset = flags.preset === undefined ? undefined : presets[flags.preset];
  if (!flags.resume && (flags.data ?? preset) === undefined) throw new UsageError('expected --data or --preset, got neither');
  const folder = new RunFolder(flags.output);
  const checkpoint = chooseCheckpoint(folder, flags, self.options.map((option) => option.attributeName()).filter(given));
  const source = flags.data ?? preset?.data ?? sourceOf(checkpoint);
  const epochs = flags.epochs ?? preset?.epochs ?? checkpoint?.plan?.epochs ?? DEFAULT_EPOCHS;
  const tf = loadTensorFlow(); // before minutes are spent on data

  const recipe = checkpoint?.recipe ?? chooseRecipe(flags, preset, epochs);
  const shape = checkpoint?.config.input ?? chooseShape(flags, preset);
  // images of any size are tested at the smallest of the scales that training sees, cut around the centre
  const shorterSides = recipe.augmentation.shorterSide?.slice(0, 1);
  const { train: trainImages, test } = await openSplits(source, { shorterSides, ...(shape && { shape }) });
  const interrupt = catchInterrupt();
  const show = new TrainingProgress();
  const onPass = (what: string, images: number, total: number) => show.pass(what, images, total);
  try {
    const config = checkpoint?.config ?? chooseConfig(flags, preset, trainImages);
    const warning = checkResources(
      { config, batch: recipe.batch, dataBytes: bytesInMemory(trainImages, recipe.augmentation) },
      {
        memory: Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY), // 0: no limit is known
        freeMemory: process.availableMemory(),
        freeDisk: folder.freeBytes,
        folder: flags.output,
        hasCheckpoint: folder.hasCheckpoint,
      },
    );
    if (warning !== undefined) process.stderr.write(`warning: ${warning}\n`);
    process.stderr.write(`${networkName(config)}, ${config.bits} bit, ${trainImages.name}, to epoch ${epochs}, seed ${recipe.seed}\n`);
    const model = await train(tf, {
      config,
      recipe,
      epochs,
      train: await trainingSet(trainImages, recipe.augmentation),
      test,
      source,
      folder,
      checkpoint,
      signal: interrupt.signal,
      onStep: (report) => show.step(report, recipe.batch),
      onEntry: (entry) => show.entry(entry),
      onPass,
    });
    const report = await finishRun({ model, recipe, epochs, trainImages, test, folder, signal: interrupt.signal, onProgress: onPass });
    show.end();
    process.stdout.write(flags.format === 'json' ? `${JSON.stringify(report)}\n` : describeRun(report, folder));
    requireParity(report.parity);
  } catch (error) {
    if (!(error instanceof InterruptedError)) throw error;
    throw new InterruptedError(`${error.message}. Go on with: wrn-onnx train --resume -o ${flags.output}`);
  } finally {
    show.end();
    interrupt.release();
    await trainImages.close();
    await test.close();
  }
}

function chooseCheckpoint(folder: RunFolder, { resume }: Flags, given: readonly string[]): Checkpoint | undefined {
  if (!resume) {
    if (folder.hasCheckpoint) throw new UsageError(`${folder.checkpointPath} exists. Use --resume to go on from it, or another folder`);
    return undefined;
  }
  if (!folder.hasCheckpoint) throw new UsageError(`${folder.checkpointPath} does not exist. Leave out --resume to begin a run`);
  const extra = given.find((name) => !RESUMABLE.includes(name));
  if (extra !== undefined) throw new UsageError(`--resume takes network and recipe from the checkpoint: leave out ${extra}`);
  return folder.readCheckpoint();
}

/** What a run was trained on so far. */
function sourceOf(checkpoint: Checkpoint | undefined): string {
  const source = checkpoint?.plan?.source;
  if (source === undefined) throw new UsageError('the checkpoint does not say what it was trained on: give --data too');
  if (catalogEntry(source) || existsSync(source)) return source;
  throw new InputError('checkpoint', `data ${source}`, `expected it in ${process.cwd()}, got nothing. Say with --data where it is`);
}

/** Shape of the images where the data set leaves it open. */
function chooseShape({ imageSize }: Flags, preset: Preset | undefined): ImageShape | undefined {
  return imageSize === undefined ? preset?.network.input : { channels: 3, height: imageSize, width: imageSize };
}

function chooseConfig(flags: Flags, preset: Preset | undefined, { channels, height, width, classes }: ImageSet): NetworkConfig {
  const bits = flags.bits ?? preset?.network.bits ?? defaultConfig.bits;
  if (bits === 32 && flags.scale !== undefined) throw new UsageError('--scale is of 1-bit weights: leave it out with --bits 32');
  const inputRelu = flags.inputRelu ?? false;
  const affine = flags.learnNorm ? 'all' : (preset?.network.affine ?? (inputRelu ? 'first' : 'none'));
  return checked(readConfig, {
    ...defaultConfig,
    ...preset?.network,
    bits,
    endBits: bits,
    affine,
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

function chooseRecipe(flags: Flags, preset: Preset | undefined, epochs: number): Recipe {
  const base: Recipe = { ...paperRecipe, ...preset?.recipe };
  const { shorterSide, flip, pad, cutout } = base.augmentation;
  return checked(readRecipe, {
    ...base,
    seed: flags.seed ?? base.seed,
    batch: flags.batch ?? base.batch,
    weightDecay: flags.weightDecay ?? base.weightDecay,
    schedule: chooseSchedule(flags, base.schedule, epochs),
    augmentation: {
      shorterSide: flags.shorterSide === false ? null : (flags.shorterSide ?? shorterSide),
      flip: flags.flip ?? flip,
      pad: flags.crop ?? pad,
      cutout: flags.cutout ?? cutout,
    },
  });
}

/** What the options make, held to the rules of what is read from files: here it is the command line that breaks them. */
function checked<T>(read: (json: unknown) => T, made: T): T {
  try {
    return read(made);
  } catch (error) {
    throw error instanceof InputError ? new UsageError(error.message) : error;
  }
}

function chooseSchedule({ schedule, firstCycle }: Flags, base: Schedule, epochs: number): Schedule {
  if (schedule === 'steps') {
    if (firstCycle !== undefined) throw new UsageError('--first-cycle goes with the schedule warm-restarts');
    return { kind: 'steps', rates: STEP_RATES, epochs };
  }
  return base.kind === 'warm-restarts' && firstCycle !== undefined ? { ...base, firstCycle } : base;
}
