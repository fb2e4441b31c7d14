/**
 * CIFAR-10 and CIFAR-100, Python version: pickled dicts with `data`, uint8 [images, 3072], channels first, row-major, and
 * `labels` or `fine_labels`. No code in a pickle is executed. Source of the format: https://www.cs.toronto.edu/~kriz/cifar.html
 */
import { InputError } from '../../errors.ts';
import { Cursor, latin1 } from '../../formats/cursor.ts';
import { type PickleValue, readPickle } from '../../formats/pickle.ts';
import { catalogEntry } from '../catalog.ts';
import type { ImageShape, Split } from '../dataset.ts';
import type { RandomAccess } from '../files/random-access.ts';
import type { DataSource } from '../files/source.ts';
import { checkFits, type DatasetFormat } from './dataset-format.ts';
import { type ImagePart, openParts } from './image-parts.ts';

const shape: ImageShape = { channels: 3, height: 32, width: 32 };
const PIXELS = 3 * 32 * 32;
/** A third more than the largest official file. The whole file is in memory while the pickle is decoded. */
const MAX_FILE_BYTES = 2e8;

interface CifarPython {
  /** Name in the catalog. */
  readonly set: string;
  readonly name: string;
  readonly files: Readonly<Record<Split, readonly string[]>>;
  /** File with the class names. It identifies the set, because the other file names are too common. */
  readonly meta?: string;
  /** Key of the labels. */
  readonly labels: string;
  readonly classes: number;
}

export const cifar10Python = format({
  set: 'cifar-10',
  name: 'CIFAR-10 Python',
  files: { train: [1, 2, 3, 4, 5].map((i) => `data_batch_${i}`), test: ['test_batch'] },
  labels: 'labels',
  classes: 10,
});

export const cifar100Python = format({
  set: 'cifar-100',
  name: 'CIFAR-100 Python',
  files: { train: ['train'], test: ['test'] },
  meta: 'meta',
  labels: 'fine_labels',
  classes: 100,
});

function format(cifar: CifarPython): DatasetFormat {
  const { set, name, files, meta, classes } = cifar;
  const isHere = ({ files: present }: DataSource) =>
    (meta === undefined || present.has(meta)) && Object.values(files).some((names) => names.some((file) => present.has(file)));
  return {
    name,
    files: (split) => files[split],
    recognises: isHere,
    async open(source, options) {
      checkFits(name, source.path, { ...shape, classes }, options);
      const about = { ...shape, name: set, split: options.split, classes, classLabels: catalogEntry(set)?.classLabels };
      return openParts(about, source, files[options.split], (file) => readPart(cifar, file));
    },
  };
}

/** An array as NumPy pickles it: created empty, then filled from its state. */
class NumpyArray {
  shape: PickleValue = null;
  type = '';
  fortranOrder: PickleValue = null;
  bytes: PickleValue = null;
}

class NumpyType {
  constructor(readonly name: string) {}
}

/** Names of NumPy's modules in different versions. */
const numpy = ['numpy', 'numpy.core.multiarray', 'numpy._core.multiarray'];
const globals = new Map<string, (args: readonly PickleValue[]) => PickleValue>([
  ...numpy.map((module) => [`${module}._reconstruct`, () => new NumpyArray()] as const),
  ...numpy.map((module) => [`${module}.ndarray`, () => null] as const),
  ...['numpy.core.numeric', 'numpy._core.numeric'].map((module) => [`${module}._frombuffer`, fromBuffer] as const),
  ['numpy.dtype', ([name = null]) => new NumpyType(text(name))],
  // Python 3 writes bytes for Python 2 as text with one character per byte
  ['_codecs.encode', ([letters = null]) => (typeof letters === 'string' ? Uint8Array.from(letters, (c) => c.charCodeAt(0)) : null)],
]);

/** (bytes, type, shape, order): the form of protocol 5 */
function fromBuffer([bytes = null, type = null, sizes = null, order = null]: readonly PickleValue[]): NumpyArray {
  const array = new NumpyArray();
  build(array, [1, sizes, type, text(order) === 'F', bytes]);
  return array;
}

/** (version, shape, type, Fortran order, bytes) */
function build(object: PickleValue, state: PickleValue): void {
  if (!(object instanceof NumpyArray) || !Array.isArray(state)) return;
  const [, sizes = null, type = null, fortranOrder = null, bytes = null] = state as PickleValue[];
  Object.assign(object, { shape: sizes, type: type instanceof NumpyType ? type.name : '', fortranOrder, bytes });
}

async function readPart({ name, labels: key, classes }: CifarPython, file: RandomAccess): Promise<ImagePart> {
  if (file.size > MAX_FILE_BYTES) throw new InputError(name, file.path, `expected at most ${MAX_FILE_BYTES} bytes, got ${file.size}`);
  const whole = new Uint8Array(file.size);
  await file.read(whole, 0);
  const pickle = readPickle(new Cursor(whole, name), { globals, persistent: () => null, build, rawStrings: true });
  const entries =
    pickle instanceof Map ? new Map([...pickle].map(([field, value]) => [text(field), value])) : new Map<string, PickleValue>();
  const [data, labels] = [entries.get('data'), entries.get(key)];
  if (!(data instanceof NumpyArray) || !Array.isArray(labels))
    throw new InputError(
      name,
      file.path,
      `expected an array data and a list ${key}, got ${[...entries.keys()].slice(0, 8).join(', ') || 'none'}`,
    );
  const sizes = Array.isArray(data.shape) ? (data.shape as PickleValue[]) : [];
  const length = labels.length;
  const fits = sizes.length === 2 && sizes[0] === length && sizes[1] === PIXELS && length > 0;
  const pixels = data.bytes instanceof Uint8Array ? data.bytes : new Uint8Array();
  if (!fits || data.type !== 'u1' || data.fortranOrder === true || pixels.length !== length * PIXELS)
    throw new InputError(
      name,
      `${file.path} data`,
      `expected bytes of ${length} x ${PIXELS}, one row for each label, got ${pixels.length} bytes of ${data.type} for ${sizes.join(' x ')}`,
    );
  const classesOf = Int32Array.from(labels as PickleValue[], (label, i) => {
    if (typeof label === 'number' && Number.isInteger(label) && label >= 0 && label < classes) return label;
    throw new InputError(name, `${file.path} image ${i}`, `expected a label below ${classes}, got ${String(label)}`);
  });
  if (pixels.buffer !== whole.buffer) return { labels: classesOf, offset: 0, open: () => inMemory(file.path, pixels) };
  // the pickle is released; batches are read from the file
  return { labels: classesOf, offset: pixels.byteOffset - whole.byteOffset, open: () => ({ ...file, close: async () => {} }) };
}

/** Bytes that a pickle stores as text instead. */
function inMemory(path: string, bytes: Uint8Array): RandomAccess {
  return {
    path,
    size: bytes.length,
    async read(into, position) {
      into.set(bytes.subarray(position, position + into.length));
    },
    async close() {},
  };
}

function text(value: PickleValue): string {
  return value instanceof Uint8Array ? latin1(value.subarray(0, 100)) : String(value);
}
