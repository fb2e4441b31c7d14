/** Checkpoints in both layouts of torch.save, small and without PyTorch. */
import { zipFile } from './zip-file.ts';

/** Fields of the pickle that lie. */
export interface Lie {
  readonly persistentId?: string;
  readonly type?: string;
  readonly count?: number;
  readonly strides?: readonly number[];
}

/** A contiguous tensor. */
export class Tensor {
  constructor(
    readonly shape: readonly number[],
    readonly data: Float32Array | Uint8Array | Uint16Array | BigInt64Array,
    readonly lie: Lie = {},
  ) {}
}

/** A pickled object of a class that is not known, with attributes, as argparse.Namespace. */
export class Instance {
  constructor(
    readonly className: string,
    readonly attributes: ReadonlyMap<Value, Value>,
  ) {}
}

export type Value = null | number | string | Tensor | Instance | readonly Value[] | ReadonlyMap<Value, Value>;

/** The ZIP archive of PyTorch since 1.6. */
export function torchZip(value: Value): Buffer {
  const { pickle, tensors } = pickled(value, false);
  const members = tensors.map(({ data }, i) => ({ name: `archive/data/${i}`, data: bytesOf(data) }));
  const version = { name: 'archive/version', data: Buffer.from('3\n') };
  return zipFile([{ name: 'archive/data.pkl', data: pickle }, ...members, version], { zip64: true });
}

/** The stream of pickles and storages that PyTorch 0.4 writes. */
export function torchLegacy(value: Value): Buffer {
  const { pickle, tensors } = pickled(value, true);
  const magic = protocol(binary('\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19'));
  const system = new Map<Value, Value>([['protocol_version', 1001]]);
  const keys = tensors.map((_, i) => String(i));
  const storages = tensors.map(({ data }) => {
    const count = Buffer.alloc(8);
    count.writeBigInt64LE(BigInt(data.length));
    return Buffer.concat([count, bytesOf(data)]);
  });
  const plain = (part: Value) => pickled(part, true).pickle;
  return Buffer.concat([magic, plain(1001), plain(system), pickle, plain(keys), ...storages]);
}

function pickled(value: Value, legacy: boolean): { pickle: Buffer; tensors: Tensor[] } {
  const tensors: Tensor[] = [];
  const write = (part: Value): Buffer => {
    if (part === null) return binary('N');
    if (typeof part === 'number') return Number.isInteger(part) ? Buffer.concat([binary('J'), int32(part)]) : float(part);
    if (typeof part === 'string') return Buffer.concat([binary('X'), int32(Buffer.byteLength(part)), Buffer.from(part)]);
    if (part instanceof Map) return Buffer.concat([binary('}('), ...[...part].flat().map((item) => write(item as Value)), binary('u')]);
    if (part instanceof Tensor) return tensor(part);
    if (part instanceof Instance)
      return Buffer.concat([binary(`c${part.className.replace('.', '\n')}\n)\x81`), write(part.attributes), binary('b')]);
    return Buffer.concat([binary(']('), ...(part as readonly Value[]).map(write), binary('e')]);
  };
  const tuple = (...items: Buffer[]) => Buffer.concat([binary('('), ...items, binary('t')]);
  const tensor = (part: Tensor): Buffer => {
    const key = String(tensors.push(part) - 1);
    const { shape, data, lie } = part;
    const strides = lie.strides ?? shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
    const storage = [
      write(lie.persistentId ?? 'storage'),
      binary(`ctorch\n${lie.type ?? storageOf(data)}\n`),
      write(key),
      write('cpu'),
      write(lie.count ?? data.length),
    ];
    return Buffer.concat([
      binary('ctorch._utils\n_rebuild_tensor_v2\n'),
      tuple(
        Buffer.concat([tuple(...storage, ...(legacy ? [write(null)] : [])), binary('Q')]),
        write(0),
        tuple(...shape.map(write)),
        tuple(...strides.map(write)),
        binary('\x89'),
        write(new Map()),
      ),
      binary('R'),
    ]);
  };
  return { pickle: protocol(write(value)), tensors };
}

function storageOf(data: Tensor['data']): string {
  return data instanceof Float32Array
    ? 'FloatStorage'
    : data instanceof Uint8Array
      ? 'ByteStorage'
      : data instanceof Uint16Array
        ? 'HalfStorage'
        : 'LongStorage';
}

function bytesOf({ buffer, byteOffset, byteLength }: Tensor['data']): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

function protocol(body: Buffer): Buffer {
  return Buffer.concat([binary('\x80\x02'), body, binary('.')]);
}

function binary(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

function float(value: number): Buffer {
  const bytes = Buffer.alloc(9, 'G');
  bytes.writeDoubleBE(value, 1);
  return bytes;
}
