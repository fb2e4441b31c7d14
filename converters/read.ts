/** Converts any published network to the canonical model. Containers are recognised by their bytes, dialects by their content. */
import { sha256 } from '#builtin';
import { InputError, UsageError } from '../src/errors.ts';
import { isHdf5, prepareHdf5 } from '../src/formats/hdf5.ts';
import { isMat5, type MatFile, readMat5 } from '../src/formats/mat5.ts';
import { isMat73, readMat73 } from '../src/formats/mat73.ts';
import { isSafetensors, readSafetensors, type SafetensorsFile } from '../src/formats/safetensors.ts';
import { isTorch, readTorch } from '../src/formats/torch.ts';
import { isZip, zipNames } from '../src/formats/zip.ts';
import type { NetworkConfig } from '../src/network/config.ts';
import type { Model } from '../src/network/model.ts';
import { fromSafetensors, isModelFile } from '../src/network/model-file.ts';
import type { Provenance } from '../src/network/provenance.ts';
import { isCheckpoint } from '../src/train/run/checkpoint.ts';
import type { Asked } from './sources/asked.ts';
import { describeCheckpoint, fromCheckpoint } from './sources/checkpoint.ts';
import {
  fromKerasBinary,
  fromKerasHdf5,
  isKerasHdf5,
  type KerasContainer,
  openKerasArchive,
  openKerasHdf5,
  prepareKerasArchive,
  prepareKerasHdf5,
  WEIGHTS_MEMBER,
} from './sources/keras-hdf5.ts';
import { fromKerasMat, isKerasMat } from './sources/keras-mat.ts';
import { fromMatlab, fromMatlabFloat, fromMatlabPlain, isMatlab, isMatlabFloat, isMatlabPlain } from './sources/matlab.ts';
import { fromPytorch, fromPytorchcv, fromPytorchcvFloat, fromPytorchFloat, isBinaryWideResnet, isPytorchcv } from './sources/pytorch.ts';
import {
  describeDictionaries,
  dictionariesOfCheckpoint,
  dictionaryOfSafetensors,
  isNpz,
  readNpz,
  type StateDicts,
} from './sources/state-dict.ts';
import { describeUnread } from './sources/unread.ts';

type Origin = Pick<Provenance, 'sourceSha256'>;

interface Dialect<Container> {
  /** Whether a container of this kind holds this dialect. */
  recognises(container: Container): boolean;
  read(container: Container, origin: Origin, asked: Asked): Model;
  /** For dialects whose files may hold less than a whole model. */
  describe?(container: Container): Pick<SourceSummary, 'config' | 'about'>;
}

/** What a source says about its network. */
export interface SourceSummary {
  /** The dialect that its model was first read from; `checkpoint` for a checkpoint. */
  readonly kind: string;
  readonly config: NetworkConfig;
  readonly about: Provenance | null;
  /** What was assumed or skipped. */
  readonly notes: readonly string[];
}

interface ContainerKind<Container> {
  readonly title: string;
  recognises(bytes: Uint8Array): boolean;
  /** For containers that cannot be opened without waiting. */
  prepare?(bytes: Uint8Array): Promise<void>;
  open(bytes: Uint8Array): Container;
  readonly dialects: Readonly<Record<string, Dialect<Container>>>;
  /** Describes the content of a container that matches no dialect. */
  contents?(container: Container): string;
}

const row = <Container>(kind: ContainerKind<Container>) => kind as ContainerKind<unknown>;

/** PyTorch networks. Float weights do not show how many bits the network uses: 32 bits must be asked for with `dialect`. */
const stateDicts: Readonly<Record<string, Dialect<StateDicts>>> = {
  pytorch: { recognises: isBinaryWideResnet, read: fromPytorch },
  'pytorch-float': { recognises: () => false, read: fromPytorchFloat },
  pytorchcv: { recognises: isPytorchcv, read: fromPytorchcv },
  'pytorchcv-float': { recognises: () => false, read: fromPytorchcvFloat },
};

const kerasDialects: Readonly<Record<string, Dialect<KerasContainer>>> = {
  keras: { recognises: isKerasHdf5, read: fromKerasHdf5 },
  'keras-binary': { recognises: () => false, read: fromKerasBinary },
};

/** Dialects for the content of a container of another kind. */
function within<Outer, Inner>(
  open: (outer: Outer) => Inner,
  dialects: Readonly<Record<string, Dialect<Inner>>>,
): Record<string, Dialect<Outer>> {
  return Object.fromEntries(
    Object.entries(dialects).map(([name, { recognises, read }]) => [
      name,
      {
        recognises: (outer: Outer) => recognises(open(outer)),
        read: (outer: Outer, origin: Origin, asked: Asked) => read(open(outer), origin, asked),
      },
    ]),
  );
}

const containers: readonly ContainerKind<unknown>[] = [
  row<MatFile>({
    title: 'MAT file',
    recognises: isMat5,
    prepare: async (bytes) => (isMat73(bytes) ? prepareHdf5(bytes) : undefined),
    open: (bytes) => (isMat73(bytes) ? readMat73(bytes) : readMat5(bytes)),
    dialects: {
      keras: { recognises: isKerasMat, read: fromKerasMat },
      matlab: { recognises: isMatlab, read: fromMatlab },
      'matlab-float': { recognises: isMatlabFloat, read: fromMatlabFloat },
      'matlab-plain': { recognises: isMatlabPlain, read: fromMatlabPlain },
    },
  }),
  row<KerasContainer>({
    title: 'Keras model',
    recognises: isKerasArchive,
    prepare: prepareKerasArchive,
    open: openKerasArchive,
    dialects: kerasDialects,
  }),
  row<KerasContainer>({
    title: 'Keras HDF5 file',
    recognises: isHdf5,
    prepare: prepareKerasHdf5,
    open: openKerasHdf5,
    dialects: kerasDialects,
  }),
  row<StateDicts>({ title: 'NumPy archive', recognises: isNpz, open: readNpz, dialects: stateDicts, contents: describeDictionaries }),
  row<StateDicts>({
    title: 'PyTorch checkpoint',
    recognises: isTorch,
    open: (bytes) => dictionariesOfCheckpoint(readTorch(bytes)),
    dialects: stateDicts,
    contents: describeDictionaries,
  }),
  row<SafetensorsFile>({
    title: 'safetensors file',
    recognises: isSafetensors,
    open: readSafetensors,
    dialects: {
      'wrn-onnx': { recognises: isModelFile, read: (file) => fromSafetensors(file) },
      checkpoint: { recognises: isCheckpoint, read: fromCheckpoint, describe: describeCheckpoint },
      ...within(dictionaryOfSafetensors, stateDicts),
    },
  }),
];

/** Whether bytes are a whole Keras model. */
function isKerasArchive(bytes: Uint8Array): boolean {
  return isZip(bytes) && zipNames(bytes).includes(WEIGHTS_MEMBER);
}

/** Whether bytes are a container that `readModel` reads. */
export function isSource(bytes: Uint8Array): boolean {
  return containers.some((row) => row.recognises(bytes));
}

/** Names for `--dialect`. */
export const dialectNames: readonly string[] = [...new Set(containers.flatMap(({ dialects }) => Object.keys(dialects)))];

export interface ReadOptions extends Asked {
  /** Read as this dialect instead of the detected one. */
  readonly dialect?: string | undefined;
}

/**
 * Decodes the HDF5 in files of Keras and MATLAB 7.3, which takes a library that is loaded on demand; in Node a thread does it, with a deadline.
 * `openModel` calls it; call it yourself before you pass the same bytes to `readModel` or `inspect`.
 * @throws InputError when a `.keras` file is a damaged archive
 * @example
 * const bytes = await readFile('model.safetensors');
 * await prepareToRead(bytes);
 * const { totals } = inspect(bytes);
 */
export async function prepareToRead(bytes: Uint8Array): Promise<void> {
  await containers.find((row) => row.recognises(bytes))?.prepare?.(bytes);
}

/**
 * Reads a network of any known dialect, including HDF5: `prepareToRead`, then `readModel`.
 * @throws InputError when the bytes are of no known kind or do not hold a complete network
 * @throws UsageError when `dialect` is not one of this container's
 * @example
 * const { config, notes } = await openModel(await readFile('model.safetensors')); // or model.keras
 */
export async function openModel(bytes: Uint8Array, options: ReadOptions = {}): Promise<Model> {
  await prepareToRead(bytes);
  return readModel(bytes, options);
}

/**
 * Reads a network of any known dialect. The model's `notes` say what was assumed because the file does not contain it, and what was skipped.
 * @throws InputError when the bytes are of no known kind or do not hold a complete network
 * @throws UsageError when `dialect` is not one of this container's, or the file is HDF5 and `prepareToRead` was not called with these bytes
 * @example
 * const { config, notes } = readModel(await readFile('model.safetensors'));
 */
export function readModel(bytes: Uint8Array, { dialect, ...asked }: ReadOptions = {}): Model {
  const { row, container, origin } = open(bytes, dialect);
  return row.read(container, origin, asked);
}

/**
 * Describes the network of a source, even of a checkpoint taken within a training cycle.
 * @throws InputError when the bytes are of no known kind or are incomplete
 */
export function describeSource(bytes: Uint8Array): SourceSummary {
  const { name, row, container, origin } = open(bytes);
  if (row.describe) return { kind: name, ...row.describe(container), notes: [] };
  const { config, about, notes = [] } = row.read(container, origin, {});
  return { kind: about.dialect, config, about, notes };
}

/** Name of the dialect of a source: `wrn-onnx` for a model file, `checkpoint` for a checkpoint of train. */
export function dialectOf(bytes: Uint8Array): string {
  return open(bytes).name;
}

/** A source with its container open and its dialect found. */
interface Source {
  readonly name: string;
  readonly row: Dialect<unknown>;
  readonly container: unknown;
  readonly origin: Origin;
}

function open(bytes: Uint8Array, dialect?: string): Source {
  const kind = containers.find((row) => row.recognises(bytes));
  if (!kind) {
    const unread = describeUnread(bytes);
    const titles = containers.map((row) => row.title).join(', a ');
    throw new InputError('source', 'file', `expected a ${titles}, got ${unread ?? 'none of them'}`);
  }
  const container = kind.open(bytes);
  const names = Object.keys(kind.dialects);
  const chosen = dialect ?? names.find((name) => kind.dialects[name]?.recognises(container));
  if (chosen === undefined) {
    const contents = kind.contents?.(container) ?? 'none of them';
    throw new InputError('source', 'file', `expected a ${kind.title} of a dialect (${names.join(', ')}), got ${contents}`);
  }
  const row = Object.hasOwn(kind.dialects, chosen) ? kind.dialects[chosen] : undefined;
  if (!row) throw new UsageError(`dialect ${chosen} does not fit a ${kind.title}: expected ${names.join(' or ')}`);
  return { name: chosen, row, container, origin: { sourceSha256: sha256(bytes) } };
}
