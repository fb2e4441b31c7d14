/** Whether network, recipe, data and checkpoint fit together: known before any time is spent. */
import { isDeepStrictEqual } from 'node:util';
import { firstOtherLabel, type ImageSet } from '../data/dataset.ts';
import { InputError, UsageError } from '../errors.ts';
import { type NetworkConfig, networkName } from '../network/config.ts';
import type { Checkpoint, Plan } from './checkpoint.ts';
import type { Recipe } from './recipe.ts';
import { batchesPerEpoch } from './training-set.ts';

/** What is trained, and on what. */
export interface TrainingJob {
  readonly config: NetworkConfig;
  readonly recipe: Recipe;
  readonly epochs: number;
  readonly train: ImageSet;
  readonly test: ImageSet;
  /** Where to go on from; otherwise training begins. */
  readonly checkpoint?: Checkpoint | undefined;
}

/** @throws UsageError when options, data and checkpoint do not fit together, InputError for more or fewer images: none is read. */
export function checkFit({ config, recipe, epochs, train: set, test, checkpoint }: TrainingJob): void {
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
  if (recipe.batch > set.length)
    throw new UsageError(`batch size: expected at most the ${set.length} training images, got ${recipe.batch}`);
  const side = Math.min(set.height, set.width);
  const { cutout, pad } = recipe.augmentation;
  // nothing of an image would be left for sure
  if (cutout > side) throw new UsageError(`cutout: expected at most the ${side} pixels of an image's side, got ${cutout}`);
  if (pad >= side) throw new UsageError(`crop: expected less padding than the ${side} pixels of an image's side, got ${pad}`);
  if (recipe.schedule.kind === 'steps' && epochs > recipe.schedule.epochs)
    throw new UsageError(`epochs: expected at most the ${recipe.schedule.epochs} that the schedule of steps was made for, got ${epochs}`);
  if (!checkpoint) return;
  if (!isDeepStrictEqual(checkpoint.config, config))
    throw new UsageError(
      `checkpoint: expected ${networkName(config)} of this configuration, got another (${networkName(checkpoint.config)})`,
    );
  if (!isDeepStrictEqual(checkpoint.recipe, recipe)) throw new UsageError('checkpoint: expected the recipe of this run, got another');
  if (checkpoint.plan && checkpoint.plan.images.length !== set.length) throw otherImages(set, checkpoint.plan);
  const done = checkpoint.progress.step / batchesPerEpoch(set, recipe.batch);
  if (done > epochs) throw new UsageError(`epochs: expected at least the ${done.toFixed(1)} that are done, got ${epochs}`);
}

/** @throws InputError for other images than those that the run began with. */
export function checkSameImages({ images }: Plan, before: Plan | undefined): void {
  if (before && before.images.sha256 !== images.sha256) throw otherImages(images, before);
}

function otherImages({ name, length }: { readonly name: string; readonly length: number }, { images: before }: Plan): InputError {
  const expected = `expected the ${before.length} training images of ${before.name} that this run began with`;
  return new InputError('data', name, `${expected}, got ${length} others`);
}
