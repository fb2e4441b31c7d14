/** `train`: its options, and one run from the checks to the report. */
import { totalmem } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import { shellCommand } from '../../cluster/shell.ts';
import type { ImageSet } from '../../data/dataset.ts';
import { nearest } from '../../data/nearest-name.ts';
import { openSplits } from '../../data/open.ts';
import { InterruptedError, UsageError } from '../../errors.ts';
import { bitsName, type NetworkConfig, networkName } from '../../network/config.ts';
import { requirePackage } from '../../packages.ts';
import { defaultTeaching } from '../../train/batches/teacher.ts';
import { batchesPerEpoch, bytesInMemory } from '../../train/batches/training-set.ts';
import { checkFit, type TrainingJob } from '../../train/check-fit.ts';
import { bf16Instructions } from '../../train/network/cpu-flags.ts';
import { mathModes, paperEpochs, paperRecipe, presets, type Recipe } from '../../train/recipe.ts';
import { checkResources } from '../../train/resources.ts';
import { RunFolder } from '../../train/run/run-folder.ts';
import { isCycleEnd, learningRate, nearestCycleEnds, type Schedule } from '../../train/schedule.ts';
import { loadTensorFlow, type TensorFlow } from '../../train/tf/tensorflow.ts';
import { train } from '../../train/train.ts';
import { requireParity } from '../eval/result-table.ts';
import {
  formatOption,
  naturalNumber,
  naturalRange,
  nonNegativeNumber,
  positiveNumber,
  weightBits,
  wholeNumber,
} from '../shared/arguments.ts';
import { catchInterrupt, exitOnInterrupt } from '../shared/interrupt.ts';
import { LeftOut, SKIP_BROKEN } from '../shared/left-out.ts';
import { printJson, printText, say } from '../shared/results.ts';
import { type ChosenRun, chooseConfig, chooseRun, type Flags } from './choose-run.ts';
import { describeRun, finishRun } from './finish-run.ts';
import { type NamedTeacher, openNamedTeacher } from './named-teacher.ts';
import { TrainingProgress } from './progress.ts';

/** Options that --resume takes from the command line. All others come from the checkpoint. */
const RESUMABLE: readonly string[] = ['data', 'output', 'epochs', 'resume', 'math', 'teacher', 'format', 'quiet', 'skipBroken'];

function presetName(text: string): string {
  if (Object.hasOwn(presets, text)) return text;
  throw new InvalidArgumentError(`expected one of ${Object.keys(presets).join(', ')}${nearest(text, Object.keys(presets))}`);
}

export function command(): Command {
  return new Command('train')
    .addOption(
      new Option('--preset <name>', `experiment of the paper to start from: ${Object.keys(presets).join(', ')}`).argParser(presetName),
    )
    .option('--data <source>', 'name (see wrn-onnx data list), folder or archive of a data set')
    .requiredOption('-o, --output <folder>', 'folder for checkpoint, log, model file and ONNX file')
    .addOption(
      new Option(
        '--epochs <n>',
        `train up to this epoch; learning rate cycles end at 2, 6, 14, 30, 62 (default: ${paperEpochs})`,
      ).argParser(naturalNumber),
    )
    .option('--resume', 'continue from the checkpoint in the folder, on the same data, up to the originally planned epoch', false)
    .optionsGroup('Network:')
    .addOption(new Option('--depth <n>', 'depth of the network: 6n + 2').argParser(naturalNumber))
    .addOption(new Option('--width <k>', 'widening factor').argParser(positiveNumber))
    .addOption(new Option('--bits <n>', 'bits per weight: 1 or 32').argParser(weightBits))
    .addOption(new Option('--scale <rule>', 'scale of 1-bit weights').choices(['he', 'mean-layer', 'mean-channel']))
    .addOption(
      new Option(
        '--norm <kind>',
        'before each convolution: batch norm and ReLU, or only max(-1, x); its authors train that for one cycle: --first-cycle 300 --epochs 300 --cutout 18',
      ).choices(['batch', 'shifted-relu']),
    )
    .option('--learn-norm', 'learn scale and offset of every batch norm')
    .option('--no-learn-norm', 'learn scale and offset of no batch norm, or only of the first with --input-relu')
    .option('--input-relu', 'apply ReLU after the first batch norm, which then learns scale and offset')
    .option('--plain', 'leave out the shortcuts')
    .optionsGroup('Recipe:')
    .addOption(
      new Option('--seed <n>', `seed for weights, image order and augmentation (default: ${paperRecipe.seed})`).argParser(wholeNumber),
    )
    .addOption(new Option('--batch <n>', 'batch size').argParser(naturalNumber))
    .addOption(new Option('--schedule <kind>', 'learning rate schedule').choices(['warm-restarts', 'steps']))
    .addOption(
      new Option(
        '--first-cycle <n>',
        'epochs of the first warm-restart cycle; each later one is twice as long as the one before (default: 2)',
      ).argParser(naturalNumber),
    )
    .addOption(new Option('--weight-decay <x>', 'weight decay of convolution kernels').argParser(nonNegativeNumber))
    .optionsGroup('Images and augmentation:')
    .addOption(
      new Option('--image-size <n>', 'size in pixels of the square images that image files are scaled to').argParser(naturalNumber),
    )
    .addOption(
      new Option(
        '--shorter-side <low-high>',
        'scale image files so that their shorter side has a random length in this range, then crop at random',
      ).argParser(naturalRange),
    )
    .option('--no-shorter-side', 'scale image files to cover the input, then crop the centre')
    .option(...SKIP_BROKEN, false)
    .option('--flip', 'mirror a random half of the images')
    .option('--no-flip', 'mirror no images')
    .addOption(new Option('--crop <n>', 'pixels of random padding on each side before a random crop; 0: none').argParser(wholeNumber))
    .addOption(new Option('--cutout <n>', 'size of the square that is replaced by random pixels; 0: none').argParser(wholeNumber))
    .optionsGroup('Arithmetic and teacher:')
    .addOption(
      new Option(
        '--math <kind>',
        'products of a step in float32, or in bfloat16, which is faster where wrn-onnx doctor says so (default: float32)',
      ).choices(mathModes),
    )
    .option(
      '--teacher <file>',
      'also learn the answers of this network: an ONNX classifier of the same images and classes, any source that export reads, or the name of a network (see wrn-onnx models)',
    )
    .addOption(
      new Option('--teacher-weight <a>', `share of the teacher in the loss, 0 to 1 (default: ${defaultTeaching.weight})`).argParser(
        nonNegativeNumber,
      ),
    )
    .addOption(
      new Option(
        '--temperature <t>',
        `divisor of both logits when they are compared; the teacher's part of the loss is multiplied by its square (default: ${defaultTeaching.temperature})`,
      ).argParser(positiveNumber),
    )
    .optionsGroup('Options:')
    .addOption(formatOption())
    .addHelpText(
      'after',
      '\nExamples:\n  $ wrn-onnx train --data fashion-mnist --width 1 --epochs 2 -o run\n  $ wrn-onnx train --resume -o run\n  $ wrn-onnx train --data cifar-10 --width 1 --epochs 30 --teacher wrn-20-10.onnx -o taught',
    )
    .action(run);
}

async function run(flags: Flags, self: Command): Promise<void> {
  const given = self.options.map((option) => option.attributeName()).filter((name) => self.getOptionValueSource(name) === 'cli');
  checkOptions(flags, given);
  requirePackage('onnxruntime-node');
  requirePackage('onnxruntime-web');
  const folder = new RunFolder(flags.output);
  const opening = exitOnInterrupt('nothing is trained yet', () => folder.release());
  let teacher: NamedTeacher | undefined;
  try {
    const lost = await folder.claim(say);
    checkFolder(folder, flags);
    const checkpoint = flags.resume ? folder.readCheckpoint() : undefined;
    teacher = await openNamedTeacher(flags.teacher, checkpoint);
    const chosen = chooseRun(flags, checkpoint, teacher?.teacher);
    const tf = loadTensorFlow(chosen.recipe.math); // before minutes are spent on data
    // image files are tested at the smallest scale of training, with a centre crop
    const shorterSides = chosen.recipe.augmentation.shorterSide?.slice(0, 1);
    const leftOut = new LeftOut();
    const skipBroken = flags.skipBroken ? leftOut.add : undefined;
    const images = await openSplits(chosen.source, { shorterSides, skipBroken, ...(chosen.shape && { shape: chosen.shape }) });
    leftOut.report();
    opening.release();
    try {
      await trainOn(tf, images, chosen, teacher, folder, lost, flags);
    } finally {
      await images.train.close();
      await images.test.close();
    }
  } finally {
    await teacher?.teacher.close();
    opening.release();
    folder.release();
  }
}

async function trainOn(
  tf: TensorFlow,
  images: { readonly train: ImageSet; readonly test: ImageSet },
  { checkpoint, source, epochs, recipe }: ChosenRun,
  named: NamedTeacher | undefined,
  folder: RunFolder,
  lost: AbortSignal,
  flags: Flags,
): Promise<void> {
  const interrupt = catchInterrupt('interrupted');
  const signal = AbortSignal.any([interrupt.signal, lost]);
  const show = new TrainingProgress();
  let steps = checkpoint?.progress.step ?? 0;
  const onPass = (what: string, done: number, total: number) => show.pass(what, done, total);
  try {
    const config = checkpoint?.config ?? chooseConfig(flags, images.train);
    warn(checkMachine(config, recipe, images.train, folder, flags.output));
    const job: TrainingJob = { config, recipe, epochs, ...images, checkpoint, teacher: named?.teacher };
    checkFit(job);
    warn(checkEnd(recipe.schedule, epochs));
    const done = checkpoint ? checkpoint.progress.step / batchesPerEpoch(images.train, recipe.batch) : 0;
    if (done >= 1 && folder.readLog().length === 0) warn('log.jsonl is missing: the curve and the report begin here');
    const { seed, math = 'float32' } = recipe;
    if (math === 'bf16' && bf16Instructions() === undefined)
      warn('no instructions for bfloat16 are found on this processor: --math bf16 computes as float32 does here');
    say(
      `${networkName(config)}, ${bitsName(config)}, ${images.train.name}, to epoch ${epochs}, seed ${seed}, ${math}${named ? `, taught by ${named.name}` : ''}`,
    );
    const model = await train(tf, {
      ...job,
      source,
      teacherName: named?.name,
      folder,
      signal,
      onStep: (report) => {
        steps = report.step;
        show.step(report, recipe.batch);
      },
      onEntry: (entry) => show.entry(entry),
      onPass,
    });
    const report = await finishRun({
      model,
      recipe,
      epochs,
      trainImages: images.train,
      test: images.test,
      folder,
      signal,
      onProgress: onPass,
    });
    show.end();
    if (flags.format === 'json') printJson(report);
    else printText(describeRun(report, folder));
    requireParity(report.parity);
  } catch (error) {
    lost.throwIfAborted();
    if (!interrupt.signal.aborted) throw error;
    const advice = folder.hasCheckpoint ? `. Continue with: ${resumption(flags)}` : '';
    throw new InterruptedError(`interrupted after ${steps} steps${advice}`);
  } finally {
    show.end();
    interrupt.release();
  }
}

/** Checks memory and disk. @returns a warning */
function checkMachine(config: NetworkConfig, recipe: Recipe, images: ImageSet, folder: RunFolder, output: string): string | undefined {
  return checkResources(
    { config, batch: recipe.batch, dataBytes: bytesInMemory(images, recipe.augmentation) },
    {
      memory: Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY), // 0: no limit is known
      freeMemory: process.availableMemory(),
      freeDisk: folder.freeBytes,
      folder: output,
      hasCheckpoint: folder.hasCheckpoint,
    },
  );
}

/** @returns a warning when training ends at a high learning rate, which costs accuracy */
function checkEnd(schedule: Schedule, epochs: number): string | undefined {
  if (isCycleEnd(schedule, epochs)) return undefined;
  const rate = learningRate(schedule, epochs - 1e-6).toPrecision(2);
  const ends = nearestCycleEnds(schedule, epochs).join(' or ');
  return `--epochs ${epochs} is not the end of a cycle: the learning rate is still ${rate} there. Choose ${ends} to end at a low rate`;
}

function warn(warning: string | undefined): void {
  if (warning !== undefined) say(`warning: ${warning}`);
}

/** The command that continues the run. It repeats the options of a resumption, which may not be in a checkpoint yet. */
function resumption({ output, resume, epochs, data, math, teacher, skipBroken }: Flags): string {
  const again = { '--data': data, '--epochs': epochs, '--math': math, '--teacher': teacher };
  const told = Object.entries(again).flatMap(([name, value]) => (value === undefined ? [] : [name, String(value)]));
  return shellCommand(['wrn-onnx', 'train', '--resume', '-o', output, ...(skipBroken ? ['--skip-broken'] : []), ...(resume ? told : [])]);
}

/** @throws UsageError without data to train on, or for an option that --resume takes from the checkpoint */
function checkOptions({ resume, data, preset }: Flags, given: readonly string[]): void {
  if (!resume && (data ?? preset) === undefined) throw new UsageError('expected --data or --preset, got neither');
  const extra = given.find((name) => !RESUMABLE.includes(name));
  if (resume && extra !== undefined) throw new UsageError(`--resume takes network and recipe from the checkpoint: leave out ${extra}`);
}

/** @throws UsageError when a new run would replace files, or there is no checkpoint to resume from. */
function checkFolder(folder: RunFolder, { resume }: Flags): void {
  if (!resume) {
    if (folder.hasCheckpoint)
      throw new UsageError(`${folder.checkpointPath} exists. Use --resume to continue from it, or choose another folder`);
    if (folder.result !== undefined)
      throw new UsageError(`${folder.result} exists: the folder holds a finished run. Choose another folder`);
    return;
  }
  if (!folder.hasCheckpoint) throw new UsageError(`${folder.checkpointPath} does not exist. Leave out --resume to start a run`);
}
