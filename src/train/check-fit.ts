/** Checks that network, recipe, data and checkpoint fit together, before training starts. */
import { isDeepStrictEqual } from 'node:util';
import { firstOtherLabel, type ImageSet } from '../data/dataset.ts';
import { InputError, UsageError } from '../errors.ts';
import { type NetworkConfig, networkName } from '../network/config.ts';
import type { Teacher } from './batches/teacher.ts';
import { batchesPerEpoch } from './batches/training-set.ts';
import type { Recipe } from './recipe.ts';
import type { Checkpoint, Plan } from './run/checkpoint.ts';

/** A network, its recipe and its data. */
export interface TrainingJob {
  readonly config: NetworkConfig;
  readonly recipe: Recipe;
  readonly epochs: number;
  readonly train: ImageSet;
  readonly test: ImageSet;
  /** Checkpoint to resume from; undefined starts a new run. */
  readonly checkpoint?: Checkpoint | undefined;
  /** The teacher of the recipe, if it has one. */
  readonly teacher?: Teacher | undefined;
}

/** @throws UsageError when options, data and checkpoint do not fit together; InputError when the number of images changed. Reads no image. */
export function checkFit({ config, recipe, epochs, train: set, test, checkpoint, teacher }: TrainingJob): void {
  for (const data of [set, test]) {
    const got = `${data.channels}x${data.height}x${data.width} in ${data.classes} classes`;
    const expected = `${config.input.channels}x${config.input.height}x${config.input.width} in ${config.classes} classes`;
    if (got !== expected) throw new UsageError(`data ${data.name}: expected images of ${expected} for this network, got ${got}`);
  }
  const other = firstOtherLabel(test.classLabels, set.classLabels);
  if (other !== undefined) {
    const [trained, got] = [set.classLabels?.[other], test.classLabels?.[other]];
    throw new UsageError(`data ${test.name}: expected class ${other} to be ${trained}, as in training, got ${got}`);
  }
  checkTeacher(recipe, set, teacher);
  if (recipe.batch > set.length)
    throw new UsageError(`batch size: expected at most the ${set.length} training images, got ${recipe.batch}`);
  const side = Math.min(set.height, set.width);
  const { cutout, pad } = recipe.augmentation;
  // beyond these limits a crop or cutout could leave nothing of the image
  if (cutout > side) throw new UsageError(`cutout: expected at most the ${side} pixels of an image's side, got ${cutout}`);
  if (pad >= side) throw new UsageError(`crop: expected less padding than the ${side} pixels of an image's side, got ${pad}`);
  if (recipe.schedule.kind === 'steps' && epochs > recipe.schedule.epochs)
    throw new UsageError(`epochs: expected at most the ${recipe.schedule.epochs} epochs of the step schedule, got ${epochs}`);
  if (!checkpoint) return;
  if (!isDeepStrictEqual(checkpoint.config, config))
    throw new UsageError(
      `checkpoint: expected ${networkName(config)} with this configuration, got another (${networkName(checkpoint.config)})`,
    );
  if (!isDeepStrictEqual(checkpoint.recipe, recipe)) throw new UsageError('checkpoint: expected the recipe of this run, got another');
  if (checkpoint.plan && checkpoint.plan.images.length !== set.length) throw otherImages(set, checkpoint.plan);
  const done = checkpoint.progress.step / batchesPerEpoch(set, recipe.batch);
  if (done > epochs) throw new UsageError(`epochs: expected at least the ${done.toFixed(1)} epochs already trained, got ${epochs}`);
}

/** @throws UsageError when recipe and teacher do not belong together; InputError when the teacher does not fit the images */
function checkTeacher({ teacher: teaching }: Recipe, set: ImageSet, teacher: Teacher | undefined): void {
  if (!teaching && !teacher) return;
  if (!teaching) throw new UsageError('teacher: expected none, as the recipe has none, got one');
  if (!teacher) throw new UsageError('teacher: expected the one that this run started with, got none');
  if (teacher.sha256 !== teaching.sha256)
    throw new InputError('teacher', teacher.name, `expected SHA-256 ${teaching.sha256}, as this run started, got ${teacher.sha256}`);
  const got = `${teacher.channels}x${teacher.height}x${teacher.width} in ${teacher.classes} classes`;
  const expected = `${set.channels}x${set.height}x${set.width} in ${set.classes} classes`;
  if (got !== expected)
    throw new InputError('teacher', teacher.name, `expected a classifier of images of ${expected}, as ${set.name} has, got ${got}`);
  const other = firstOtherLabel(teacher.classLabels, set.classLabels);
  if (other === undefined) return;
  const [learned, meant] = [set.classLabels?.[other], teacher.classLabels?.[other]];
  throw new InputError('teacher', teacher.name, `expected class ${other} to be ${learned}, as in ${set.name}, got ${meant}`);
}

/** @throws InputError when the images differ from those of the run's start */
export function checkSameImages({ images }: Plan, before: Plan | undefined): void {
  if (before && before.images.sha256 !== images.sha256) throw otherImages(images, before);
}

function otherImages({ name, length }: { readonly name: string; readonly length: number }, { images: before }: Plan): InputError {
  const expected = `expected the ${before.length} training images of ${before.name} that this run started with`;
  return new InputError('data', name, `${expected}, got ${length} other images`);
}
