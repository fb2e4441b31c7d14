/** The source of a conversion: a published network that the user named, and what the user knows of it. */
import { type Command, Option } from 'commander';
import { dialectNames, readModel } from '../../converters/read-model.ts';
import { catalog, catalogEntry } from '../data/catalog.ts';
import { UsageError } from '../errors.ts';
import type { Model } from '../network/model.ts';
import { readInput } from './input-file.ts';

export interface SourceFlags {
  readonly dialect?: string;
  readonly dataset?: string;
}

export function addSourceOptions(command: Command): Command {
  return command
    .argument('<source>', 'Keras or MATLAB .mat, PyTorch checkpoint or model file, recognised by its content')
    .addOption(new Option('--dialect <dialect>', 'read the source as this dialect').choices(dialectNames))
    .addOption(
      new Option('--dataset <name>', 'data set of the network, whose name and class labels the file then carries').choices(
        catalog.map(({ name }) => name),
      ),
    );
}

/**
 * Reads the source.
 * @throws InputError when it cannot be read
 * @throws UsageError when the data set has another number of classes
 */
export async function readSource(path: string, { dialect, dataset }: SourceFlags): Promise<Model> {
  const model = readModel(await readInput(path), { dialect });
  const entry = dataset === undefined ? undefined : catalogEntry(dataset);
  if (!entry) return model;
  const { classes } = model.config;
  if (entry.classLabels.length !== classes)
    throw new UsageError(`--dataset ${dataset} has ${entry.classLabels.length} classes, the network ${classes}`);
  return { ...model, about: { ...model.about, dataset: entry.name, classLabels: entry.classLabels } };
}
