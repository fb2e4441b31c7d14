/** Any published network to the canonical model. A container is recognised by its bytes, a dialect by its content. */
import { createHash } from 'node:crypto';
import { InputError, UsageError } from '../src/errors.ts';
import { isMat5, type MatFile, readMat5 } from '../src/formats/mat5.ts';
import type { PickleValue } from '../src/formats/pickle.ts';
import { isSafetensors, readSafetensors, type SafetensorsFile } from '../src/formats/safetensors.ts';
import { isTorch, readTorch } from '../src/formats/torch.ts';
import type { NetworkConfig } from '../src/network/config.ts';
import type { Model } from '../src/network/model.ts';
import { fromSafetensors, isModelFile } from '../src/network/model-file.ts';
import type { About } from '../src/network/provenance.ts';
import { isCheckpoint } from '../src/train/checkpoint.ts';
import { describeCheckpoint, fromCheckpoint } from './sources/checkpoint.ts';
import { fromKeras, isKeras } from './sources/keras.ts';
import { fromMatlab, fromMatlabPlain, isMatlab, isMatlabPlain } from './sources/matlab.ts';
import { fromPytorch, fromPytorchFloat, isBinaryWideResnet } from './sources/pytorch.ts';

interface Dialect<Container> {
  /** Whether a container of this kind holds this dialect. */
  recognises(container: Container): boolean;
  read(container: Container, about: Omit<About, 'dialect'>): Model;
  /** For a dialect whose files may hold less than a whole model. */
  describe?(container: Container): Pick<SourceSummary, 'config' | 'about'>;
}

/** What a source says of its network. */
export interface SourceSummary {
  /** The dialect that its model was first read from; `checkpoint` for a checkpoint. */
  readonly kind: string;
  readonly config: NetworkConfig;
  readonly about: About | null;
}

interface ContainerKind<Container> {
  readonly title: string;
  recognises(bytes: Uint8Array): boolean;
  open(bytes: Uint8Array): Container;
  readonly dialects: Readonly<Record<string, Dialect<Container>>>;
}

const row = <Container>(kind: ContainerKind<Container>) => kind as ContainerKind<unknown>;

const containers: readonly ContainerKind<unknown>[] = [
  row<MatFile>({
    title: 'MAT 5 file',
    recognises: isMat5,
    open: readMat5,
    dialects: {
      keras: { recognises: isKeras, read: fromKeras },
      matlab: { recognises: isMatlab, read: fromMatlab },
      'matlab-plain': { recognises: isMatlabPlain, read: fromMatlabPlain },
    },
  }),
  row<PickleValue>({
    title: 'PyTorch checkpoint',
    recognises: isTorch,
    open: readTorch,
    dialects: {
      pytorch: { recognises: isBinaryWideResnet, read: fromPytorch },
      'pytorch-float': { recognises: () => false, read: fromPytorchFloat }, // a latent checkpoint does not tell
    },
  }),
  row<SafetensorsFile>({
    title: 'safetensors file',
    recognises: isSafetensors,
    open: readSafetensors,
    dialects: {
      'wrn-onnx': { recognises: isModelFile, read: (file) => fromSafetensors(file) },
      checkpoint: { recognises: isCheckpoint, read: fromCheckpoint, describe: describeCheckpoint },
    },
  }),
];

/** Whether bytes are of a container that `readModel` reads. */
export function isSource(bytes: Uint8Array): boolean {
  return containers.some((row) => row.recognises(bytes));
}

/** Names that `--dialect` takes. */
export const dialectNames: readonly string[] = containers.flatMap(({ dialects }) => Object.keys(dialects));

export interface ReadOptions {
  /** Read as this dialect instead of the one that the content tells. */
  readonly dialect?: string | undefined;
}

/**
 * Reads a network of any known dialect.
 * @throws InputError when the bytes are of no known kind or do not hold a complete network
 * @throws UsageError when `dialect` is not one of this container's
 */
export function readModel(bytes: Uint8Array, { dialect }: ReadOptions = {}): Model {
  const { row, container, origin } = open(bytes, dialect);
  return row.read(container, origin);
}

/**
 * Describes the network of a source, which may be a checkpoint from within a training cycle.
 * @throws InputError when the bytes are of no known kind or do not hold what they should
 */
export function describeSource(bytes: Uint8Array): SourceSummary {
  const { name, row, container, origin } = open(bytes);
  if (row.describe) return { kind: name, ...row.describe(container) };
  const { config, about } = row.read(container, origin);
  return { kind: about.dialect, config, about };
}

/** A source with its container open and its dialect found. */
interface Source {
  readonly name: string;
  readonly row: Dialect<unknown>;
  readonly container: unknown;
  readonly origin: Pick<About, 'sourceSha256'>;
}

function open(bytes: Uint8Array, dialect?: string): Source {
  const kind = containers.find((row) => row.recognises(bytes));
  if (!kind) throw new InputError('source', 'file', `expected a ${containers.map((row) => row.title).join(', a ')}, got none of them`);
  const container = kind.open(bytes);
  const names = Object.keys(kind.dialects);
  const chosen = dialect ?? names.find((name) => kind.dialects[name]?.recognises(container));
  if (chosen === undefined)
    throw new InputError('source', 'file', `expected a ${kind.title} of a dialect (${names.join(', ')}), got none of them`);
  const row = Object.hasOwn(kind.dialects, chosen) ? kind.dialects[chosen] : undefined;
  if (!row) throw new UsageError(`dialect ${chosen} does not fit a ${kind.title}: expected ${names.join(' or ')}`);
  return { name: chosen, row, container, origin: { sourceSha256: createHash('sha256').update(bytes).digest('hex') } };
}
