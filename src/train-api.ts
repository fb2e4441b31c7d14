/**
 * Training networks with one-bit weights in tfjs-node, a package that you install separately (docs/install.md).
 *
 *     import { openSplits, trainNetwork } from 'wrn-onnx/train';
 *     const images = await openSplits('fashion-mnist'); // after wrn-onnx data get fashion-mnist
 *     const model = await trainNetwork(images, { folder: 'run', network: { width: 1 }, epochs: 2 });
 */
export { openTeacher, type TeacherOptions } from '../eval/teacher.ts';
export type { ImageBatch, ImageSet, ImageShape, Split } from './data/dataset.ts';
export { type OpenImageSetOptions, openImageSet, openSplits } from './data/open.ts';
export * from './errors.ts';
export type { NetworkConfig } from './network/config.ts';
export type { Model } from './network/model.ts';
export type { Augmentation } from './train/batches/augment.ts';
export { defaultTeaching, type Teacher, type Teaching } from './train/batches/teacher.ts';
export { type Preset, paperRecipe, presets, type Recipe } from './train/recipe.ts';
export type { EpochEntry, LogEntry, TestEntry } from './train/run/log.ts';
export type { Schedule } from './train/schedule.ts';
export type { StepReport } from './train/train.ts';
export { type TrainingImages, type TrainNetworkOptions, trainNetwork } from './train/train-network.ts';
