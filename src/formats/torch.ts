/**
 * PyTorch checkpoints: the ZIP archive of `torch.save` since 1.6, and the stream of pickles and raw storages
 * before it. Source: torch/serialization.py.
 */
import { InputError } from '../errors.ts';
import { Cursor, latin1 } from './cursor.ts';
import { type ElementName, elementTypes, readStrided } from './element-types.ts';
import { Global, Opaque, type PickleOptions, type PickleValue, readPickle, unexpected } from './pickle.ts';
import { elements } from './shape.ts';
import { isZip, readZip } from './zip.ts';

const FORMAT = 'pytorch';
/** The first pickle of the legacy stream: torch.serialization.MAGIC_NUMBER. */
const MAGIC = 0x1950a86a20f9469cfc6cn;
const LEGACY_START = Uint8Array.of(0x80, 0x02, 0x8a, 0x0a);
const PROTOCOL = 1001;

/** PyTorch's storage classes and their element types. */
const storageTypes: ReadonlyMap<string, ElementName> = new Map(
  Object.entries({
    ByteStorage: 'uint8',
    CharStorage: 'int8',
    BoolStorage: 'bool',
    ShortStorage: 'int16',
    IntStorage: 'int32',
    LongStorage: 'int64',
    HalfStorage: 'float16',
    BFloat16Storage: 'bfloat16',
    FloatStorage: 'float32',
    DoubleStorage: 'float64',
  } as const),
);

/** A storage. The pickle names it before its bytes are read. */
class Storage {
  #bytes: Uint8Array = new Uint8Array();
  constructor(
    readonly type: string,
    readonly key: string,
    readonly count: number,
  ) {}

  get element(): ElementName {
    return storageTypes.get(this.type) as ElementName;
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Expected size in bytes. */
  get size(): number {
    return this.count * elementTypes[this.element].bytes;
  }

  /** Gives the storage its bytes, which must be as many as its count says. */
  fill(bytes: Uint8Array | undefined): void {
    if (bytes?.length !== this.size)
      throw new InputError(FORMAT, `storage ${this.key}`, `expected ${this.size} bytes, got ${bytes?.length ?? 'nothing'}`);
    this.#bytes = bytes;
  }
}

/** A tensor of a checkpoint. Values are decoded on demand. */
export class TorchTensor {
  constructor(
    readonly storage: Storage,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}

  /** Element type. */
  get type(): ElementName {
    return this.storage.element;
  }

  /**
   * Values in row-major order.
   * @throws InputError when the tensor reaches beyond its storage
   */
  values(): Float64Array {
    const { key, bytes, count: stored } = this.storage;
    const count = elements(this.shape);
    const last = this.shape.reduce((at, size, axis) => at + (size - 1) * (this.strides[axis] as number), this.offset);
    // A stride of 0 repeats a value, so the element count must not exceed the stored count either.
    const needed = count === 0 ? 0 : Math.max(count, last + 1);
    if (!(needed <= stored)) throw new InputError(FORMAT, `storage ${key}`, `expected at least ${needed} values, got ${stored}`);
    return readStrided(bytes, this, this.offset);
  }
}

/** Whether the bytes begin like a legacy stream or a ZIP archive. */
export function isTorch(bytes: Uint8Array): boolean {
  return LEGACY_START.every((byte, i) => bytes[i] === byte) || isZip(bytes);
}

/** Advice for a file that holds more than dictionaries of tensors. */
const ADVICE = 'Save the parameters alone: torch.save(model.state_dict(), path)';

/**
 * Decodes a checkpoint to plain values, Maps and TorchTensors. Any other object becomes an Opaque and is not built.
 * @throws InputError when it is damaged, holds a whole module or would run code in Python
 */
export function readTorch(bytes: Uint8Array): PickleValue {
  const value = isZip(bytes) ? readArchive(bytes) : readStream(bytes);
  if (value instanceof Opaque) throw new InputError(FORMAT, 'file', `expected a state dict, got an object of ${value.name}. ${ADVICE}`);
  return value;
}

function readArchive(bytes: Uint8Array): PickleValue {
  const zip = readZip(bytes);
  if (zip.names.some((name) => /(^|\/)constants\.pkl$/.test(name)))
    throw new InputError(
      FORMAT,
      'archive',
      'expected a state dict, got TorchScript. Save only its parameters: torch.save(torch.jit.load(path).state_dict(), "weights.pt")',
    );
  if (zip.names.some((name) => /(^|\/)(archive_format|serialized_exported_program\.json)$/.test(name)))
    throw new InputError(
      FORMAT,
      'archive',
      'expected a state dict, got an exported program. Save only its parameters: torch.save(torch.export.load(path).state_dict, "weights.pt")',
    );
  const pickle = zip.names.find((name) => name.endsWith('/data.pkl'));
  if (pickle === undefined) throw new InputError(FORMAT, 'archive', 'expected a member data.pkl, got none');
  const folder = pickle.slice(0, -'data.pkl'.length);
  const order = zip.read(`${folder}byteorder`);
  if (order && latin1(order).trim() !== 'little')
    throw new InputError(FORMAT, 'archive', `expected little-endian data, got ${latin1(order).slice(0, 20)}`);
  const storages = new Map<string, Storage>();
  const value = readPickle(new Cursor(zip.read(pickle) as Uint8Array, FORMAT), options(storages));
  for (const storage of storages.values()) storage.fill(zip.read(`${folder}data/${storage.key}`));
  return value;
}

function readStream(bytes: Uint8Array): PickleValue {
  const cursor = new Cursor(bytes, FORMAT);
  const storages = new Map<string, Storage>();
  const plain: PickleOptions = { globals: new Map(), persistent: (id) => id };
  const magic = readPickle(cursor, plain);
  const protocol = readPickle(cursor, plain);
  if (magic !== MAGIC || protocol !== PROTOCOL)
    throw new InputError(FORMAT, 'header', `expected the magic number and protocol ${PROTOCOL}, got other values`);
  const system = readPickle(cursor, plain);
  if (system instanceof Map && system.get('little_endian') === false)
    throw new InputError(FORMAT, 'header', 'expected little-endian data, got big-endian');
  const value = readPickle(cursor, options(storages));
  const keys = readPickle(cursor, plain);
  if (!Array.isArray(keys)) throw unexpected(FORMAT, 'storages', 'a list of keys', keys);
  for (const key of keys) {
    const storage = typeof key === 'string' ? storages.get(key) : undefined;
    if (!storage) throw unexpected(FORMAT, 'storages', 'the key of each tensor once', key);
    const count = cursor.uint64();
    if (count !== storage.count) throw new InputError(FORMAT, `storage ${storage.key}`, `expected ${storage.count} values, got ${count}`);
    storage.fill(cursor.take(storage.size, `storage ${storage.key}`));
    storages.delete(storage.key);
  }
  for (const { key } of storages.values()) throw new InputError(FORMAT, `storage ${key}`, 'expected it in the file, got nothing');
  return value;
}

/** The allow-list: ordered dicts, tensors, parameters and storage types. NumPy scalars, which hold logged accuracies, become null. */
function options(storages: Map<string, Storage>): PickleOptions {
  const globals = new Map<string, (args: readonly PickleValue[]) => PickleValue>([
    ['collections.OrderedDict', () => new Map()],
    ['collections.defaultdict', () => new Map()],
    ['collections.Counter', () => new Map()],
    ['torch._utils._rebuild_tensor', rebuildTensor],
    ['torch._utils._rebuild_tensor_v2', rebuildTensor],
    ['torch._utils._rebuild_parameter', ([data = null]) => data],
    ['torch._utils._rebuild_parameter_with_state', ([data = null]) => data],
    ['torch._tensor._rebuild_from_type_v2', rebuildFromType],
    ...['numpy.core.multiarray.scalar', 'numpy._core.multiarray.scalar', 'numpy.dtype', '_codecs.encode'].map(
      (name) => [name, () => null] as const,
    ),
    ...[...storageTypes.keys()].map((name) => [`torch.${name}`, () => null] as const),
  ]);
  return { globals, advice: ADVICE, persistent: (id) => persistent(storages, id) };
}

/** ('storage', type, key, location, count[, view]) */
function persistent(storages: Map<string, Storage>, id: PickleValue): Storage {
  if (!Array.isArray(id) || id[0] !== 'storage') throw unexpected(FORMAT, 'persistent id', 'a storage', id);
  const [, type, key, , count, view] = id as PickleValue[];
  const name = type instanceof Global ? type.name.replace('torch.', '') : '';
  if (!storageTypes.has(name)) throw unexpected(FORMAT, 'persistent id', 'a storage type', type);
  if (typeof key !== 'string' || !isNatural(count)) throw unexpected(FORMAT, 'persistent id', 'a key and a count', key);
  if (view !== undefined && view !== null) throw new InputError(FORMAT, `storage ${key}`, 'expected a whole storage, got a view of one');
  const storage = storages.get(key) ?? new Storage(name, key, count);
  if (storage.type !== name || storage.count !== count)
    throw new InputError(FORMAT, `storage ${key}`, `expected ${storage.count} values of ${storage.type}, got ${count} of ${name}`);
  storages.set(key, storage);
  return storage;
}

function isNatural(value: PickleValue | undefined): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** (function, type, arguments, attributes): a tensor with extra attributes */
function rebuildFromType([rebuild, , args]: readonly PickleValue[]): PickleValue {
  return rebuild instanceof Global && Array.isArray(args) ? rebuild.call(args) : null;
}

/** (storage, offset, size, stride, ...) */
function rebuildTensor([storage, offset, size, stride]: readonly PickleValue[]): TorchTensor {
  const naturals = (value: PickleValue | undefined): value is number[] => Array.isArray(value) && value.every(isNatural);
  const fits = naturals(size) && naturals(stride) && size.length === stride.length;
  if (storage instanceof Storage && isNatural(offset) && fits) return new TorchTensor(storage, offset, size, stride);
  throw unexpected(FORMAT, 'tensor', 'a storage, an offset, sizes and strides', size);
}
