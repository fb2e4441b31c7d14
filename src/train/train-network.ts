/** Training as one call: claims the folder, chooses network and recipe, and runs `train`. */
import type { ImageSet } from '../data/dataset.ts';
import { UsageError } from '../errors.ts';
import { defaultConfig, type NetworkConfig, readConfig } from '../network/config.ts';
import type { Model } from '../network/model.ts';
import { defaultTeaching, type Teacher, type Teaching } from './batches/teacher.ts';
import { paperEpochs, paperRecipe, type Recipe, readRecipe } from './recipe.ts';
import type { Checkpoint } from './run/checkpoint.ts';
import { RunFolder } from './run/run-folder.ts';
import { loadTensorFlow } from './tf/tensorflow.ts';
import { type TrainOptions, train } from './train.ts';

/** Training and test images. `openSplits` opens both. */
export interface TrainingImages {
  readonly train: ImageSet;
  readonly test: ImageSet;
}

export interface TrainNetworkOptions extends Pick<TrainOptions, 'onStep' | 'onEntry' | 'onPass'> {
  /** Folder for checkpoint, log and curve. It is created if necessary. */
  readonly folder: string;
  /** Fields that differ from the paper's 1-bit WRN-20-10. Input size and classes follow from the images. */
  readonly network?: Partial<Omit<NetworkConfig, 'input' | 'classes'>> | undefined;
  /** Fields that differ from `paperRecipe`. */
  readonly recipe?: Partial<Recipe> | undefined;
  /** A network to learn from in addition to the labels. The caller closes it. A resumed run needs the same one. */
  readonly teacher?: Teacher | undefined;
  /** Weight and temperature of the teacher; `defaultTeaching` by default. */
  readonly teaching?: Partial<Omit<Teaching, 'sha256'>> | undefined;
  /** Train up to this epoch; 62 by default, the end of a cycle of the paper's schedule. A resumed run keeps its own number. */
  readonly epochs?: number | undefined;
  /** Continue from the checkpoint in the folder, with its network and recipe. */
  readonly resume?: boolean | undefined;
  /** Stops after the current step, with a checkpoint. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Trains a network in tfjs-node. With `resume`, an interrupted run continues with bit-identical results.
 * @returns the model, with its test accuracy in `about`
 * @throws DeviceError without tfjs-node; InputError when a field of network or recipe is out of range; UsageError when the folder is in use, holds another run or has nothing to resume;
 *   `signal.reason` when it is aborted, after a checkpoint; otherwise as in `train`
 * @example
 * const images = await openSplits('fashion-mnist');
 * const model = await trainNetwork(images, { folder: 'run', network: { width: 1 }, epochs: 2 });
 * await writeFile('model.onnx', toOnnx(model));
 */
export async function trainNetwork(images: TrainingImages, options: TrainNetworkOptions): Promise<Model> {
  const { epochs, resume = false, teacher, signal, onStep, onEntry, onPass } = options;
  const folder = new RunFolder(options.folder);
  try {
    const lost = await folder.claim();
    const checkpoint = resume ? folder.readCheckpoint() : requireUnused(folder);
    const recipe = checkpoint?.recipe ?? recipeOf(options);
    return await train(loadTensorFlow(recipe.math), {
      ...images,
      config: checkpoint?.config ?? configOf(images.train, options.network),
      recipe,
      epochs: epochs ?? checkpoint?.plan?.epochs ?? paperEpochs,
      checkpoint,
      teacher,
      teacherName: teacher?.name,
      source: checkpoint?.plan?.source ?? images.train.name,
      folder,
      signal: AbortSignal.any([lost, ...(signal ? [signal] : [])]),
      ...(onStep && { onStep }),
      ...(onEntry && { onEntry }),
      ...(onPass && { onPass }),
    });
  } finally {
    folder.release();
  }
}

function recipeOf({ recipe, teacher, teaching }: TrainNetworkOptions): Recipe {
  return readRecipe({
    ...paperRecipe,
    ...recipe,
    ...(teacher && { teacher: { ...defaultTeaching, ...teaching, sha256: teacher.sha256 } }),
  });
}

function configOf({ channels, height, width, classes }: ImageSet, network: TrainNetworkOptions['network'] = {}): NetworkConfig {
  const { bits = defaultConfig.bits } = network;
  return readConfig({ ...defaultConfig, bits, endBits: bits, ...network, classes, input: { channels, height, width } });
}

function requireUnused(folder: RunFolder): Checkpoint | undefined {
  const there = folder.hasCheckpoint ? folder.checkpointPath : folder.result;
  if (there === undefined) return undefined;
  throw new UsageError(`${there} exists, from another run. Continue from its checkpoint with resume, or choose another folder`);
}
