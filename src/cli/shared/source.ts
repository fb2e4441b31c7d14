/** The source of a conversion: a published or trained network that the user named, and what the user knows of it. */
import { type Command, Option } from 'commander';
import { withExternalData } from '../../../converters/onnx/external-data.ts';
import { toOnnx } from '../../../converters/onnx/write.ts';
import { dialectNames, isSource, readModel } from '../../../converters/read.ts';
import { catalog, catalogEntry } from '../../data/catalog.ts';
import { UsageError } from '../../errors.ts';
import { isSafetensors } from '../../formats/safetensors.ts';
import type { Model } from '../../network/model.ts';
import { writeModelFile } from '../../network/model-file.ts';
import { readInputAs } from './input-file.ts';
import { externalReader } from './model-files.ts';

export interface SourceFlags {
  readonly dialect?: string;
  readonly dataset?: string;
}

export function addSourceOptions(command: Command): Command {
  return command
    .argument('<source>', 'Keras or MATLAB .mat, PyTorch checkpoint, model file or checkpoint of train, recognised by its content')
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
 * @throws UsageError when the data set has another number of classes or channels
 */
export async function readSource(path: string, { dialect, dataset }: SourceFlags): Promise<Model> {
  const model = await readInputAs(path, (bytes) => readModel(bytes, { dialect }));
  const entry = dataset === undefined ? undefined : catalogEntry(dataset);
  if (!entry) return model;
  const { classes, input } = model.config;
  if (entry.classes !== classes) throw new UsageError(`--dataset ${dataset} has ${entry.classes} classes, the network ${classes}`);
  if (entry.channels !== input.channels)
    throw new UsageError(`--dataset ${dataset} has images of ${entry.channels} channels, the network takes ${input.channels}`);
  return { ...model, about: { ...model.about, dataset: entry.name, ...(entry.classLabels && { classLabels: entry.classLabels }) } };
}

export interface Network {
  /** Bytes of an ONNX file. */
  readonly model: Uint8Array;
  /** The checkpoint or model file that it stands for; undefined when an ONNX file was named. */
  readonly source: Uint8Array | undefined;
}

/**
 * A network to run: an ONNX file with its external data, or any source, exported in memory as `export` does by default.
 * @throws InputError when it cannot be read
 */
export function readNetwork(path: string): Promise<Network> {
  return readInputAs(path, (bytes) => {
    if (!isSource(bytes)) return { model: withExternalData(bytes, externalReader(path)), source: undefined };
    const model = readModel(bytes);
    return {
      model: toOnnx(model, { form: 'packed', input: 'nchw-float' }),
      source: isSafetensors(bytes) ? bytes : writeModelFile(model), // a checkpoint as it is: its latent weights are run as in training
    };
  });
}
