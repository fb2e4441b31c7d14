/** The source of a conversion: a published or trained network that the user named, and what the user adds to it. */
import { readdir } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Command, Option } from 'commander';
import { withExternalData } from '../../../converters/onnx/external-data.ts';
import type { FormName } from '../../../converters/onnx/forms/table.ts';
import { checkDigest } from '../../../converters/onnx/pack/digest.ts';
import { toOnnx } from '../../../converters/onnx/write.ts';
import { dialectNames, dialectOf, isSource, openModel } from '../../../converters/read.ts';
import type { ImageSize } from '../../../converters/sources/asked.ts';
import { describeFolder } from '../../../converters/sources/unread.ts';
import { type ClassifierModel, readClassifier } from '../../../eval/runtime/model-input.ts';
import { type CatalogEntry, catalog, catalogEntry } from '../../data/catalog.ts';
import { InputError, UsageError } from '../../errors.ts';
import type { Model } from '../../network/model.ts';
import { writeModelFile } from '../../network/model-file.ts';
import { imageSize, positiveNumber } from './arguments.ts';
import { readInput, readInputAs } from './input-file.ts';
import { externalReader } from './model-files.ts';
import { say } from './results.ts';
import { dataSetOf, networkPath } from './shipped-models.ts';

/** Help for an argument that `readNetwork` reads. */
export const NETWORK_HELP =
  'ONNX file that takes raw pixels 0..255, any source that export reads (it is exported in memory), or the name of a network such as cifar-10-wrn-20-1 (see wrn-onnx models)';

export interface SourceFlags {
  readonly dialect?: string;
  readonly dataset?: string;
  readonly imageSize?: ImageSize;
  readonly logitsDivisor?: number;
}

/** Adds the argument and the options of a source; last, so that the command's own options come first in its help. */
export function addSourceOptions(command: Command): Command {
  return command
    .argument(
      '<source>',
      'Keras .h5, .keras or .mat, MATLAB .mat, PyTorch checkpoint, .npz, .safetensors or checkpoint of train (detected by content), or the name of a network such as cifar-10-wrn-20-1 (see wrn-onnx models)',
    )
    .optionsGroup('Source:')
    .addOption(new Option('--dialect <dialect>', 'dialect of the source (default: detected)').choices(dialectNames))
    .addOption(
      new Option('--dataset <name>', 'data set that the network classifies; its name and class labels are stored in the file').choices(
        catalog.map(({ name }) => name),
      ),
    )
    .addOption(
      new Option('--image-size <height>x<width>', 'size of the input images, such as 64x64, when the source does not contain it').argParser(
        imageSize,
      ),
    )
    .addOption(
      new Option(
        '--logits-divisor <n>',
        'divisor of the logits of a network with shifted ReLU, when the source does not contain it',
      ).argParser(positiveNumber),
    )
    .optionsGroup('Options:');
}

/**
 * Reads the source, and prints notes on what its file did not contain.
 * @throws InputError when it cannot be read
 * @throws UsageError when the data set or the image size does not fit the network
 */
export async function readSource(named: string, flags: SourceFlags): Promise<Model> {
  const { dialect, logitsDivisor } = flags;
  const dataset = flags.dataset ?? dataSetOf(named);
  const entry = dataset === undefined ? undefined : catalogEntry(dataset);
  const size = flags.imageSize ?? entry;
  const path = networkPath(named);
  await refuseByName(path);
  const model = await readInputAs(path, (bytes) => openModel(bytes, { dialect, imageSize: size, logitsDivisor }));
  const { classes, input } = model.config;
  if (flags.imageSize && (size?.height !== input.height || size.width !== input.width))
    throw new UsageError(`--image-size: the source is a network for images of ${input.height}x${input.width}`);
  if (entry && entry.classes !== classes) throw new UsageError(`--dataset ${dataset} has ${entry.classes} classes, the network ${classes}`);
  if (entry && entry.channels !== input.channels)
    throw new UsageError(`--dataset ${dataset} has images of ${entry.channels} channels, the network takes ${input.channels}`);
  showNotes(model);
  return entry ? ofDataSet(model, entry) : model;
}

function ofDataSet(model: Model, { name, classLabels }: CatalogEntry): Model {
  return { ...model, about: { ...model.about, dataset: name, ...(classLabels && { classLabels }) } };
}

/** Refuses folders, and files that cannot be detected by content. The error says what to name instead. */
async function refuseByName(path: string): Promise<void> {
  if (/\.onnx[._]data$/.test(path))
    throw new InputError(
      'source',
      path,
      'expected a network, got the external data of an ONNX model. Give the .onnx file beside it to pack or eval',
    );
  const names = await readdir(path).catch(() => undefined); // not a folder
  if (names) throw new InputError('source', path, `expected a file, got ${describeFolder(names)}`);
}

/** Prints the notes of a reader, what it assumed or skipped, on stderr. */
function showNotes({ notes = [] }: Model): void {
  for (const note of notes) say(`note: ${note}`);
}

/**
 * The bytes of any ONNX model with its external data, or of any source or named network, exported in memory.
 * @throws InputError when it cannot be read
 */
export async function readOnnx(named: string): Promise<Uint8Array> {
  const path = networkPath(named);
  return readInputAs(path, async (bytes) =>
    isSource(bytes) ? (await readNetwork(named)).model.bytes : withExternalData(bytes, externalReader(path)),
  );
}

/**
 * An ONNX file that the user named: its path, for the external data beside it, and its bytes.
 * @param form in which `export` writes a source as the command would
 * @throws UsageError that says which export to run instead, for a source of `export` or the name of one
 */
export async function readOnnxFile(named: string, form: FormName): Promise<{ readonly path: string; readonly bytes: Uint8Array }> {
  const path = networkPath(named);
  const bytes = await readInput(path);
  if (isSource(bytes)) throw new UsageError(`${named} is no ONNX file. Run: wrn-onnx export ${named} --form ${form} -o FILE`);
  return { path, bytes };
}

export interface Network {
  /** Base name of the file that the user named. */
  readonly name: string;
  readonly model: ClassifierModel;
  /** The checkpoint or model file that was exported; undefined when the user named an ONNX file. */
  readonly source: Uint8Array | undefined;
}

/**
 * A network to run: an ONNX file with its external data, or any source or shipped network, exported in memory with the defaults of `export`.
 * @throws InputError when it cannot be read or is not an image classifier
 */
export async function readNetwork(named: string): Promise<Network> {
  const path = networkPath(named);
  return readInputAs(path, async (bytes) => {
    const name = basename(named);
    if (!isSource(bytes)) {
      const model = readClassifier(withExternalData(bytes, externalReader(path)));
      checkDigest(model.proto);
      return { name, model, source: undefined };
    }
    const entry = catalogEntry(dataSetOf(named) ?? '');
    const opened = await openModel(bytes, { imageSize: entry });
    const model = entry ? ofDataSet(opened, entry) : opened;
    showNotes(model);
    return {
      name,
      model: readClassifier(toOnnx(model, { form: 'packed', input: 'nchw-float' })),
      source: ['wrn-onnx', 'checkpoint'].includes(dialectOf(bytes)) ? bytes : writeModelFile(model), // tfjs runs a checkpoint's latent weights
    };
  });
}
