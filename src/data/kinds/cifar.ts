/**
 * CIFAR-10 and CIFAR-100, binary version. A record is one label byte (CIFAR-100: two, coarse and fine) and 3072 pixel
 * bytes, channels first, row-major. Source of the format: https://www.cs.toronto.edu/~kriz/cifar.html
 */
import { InputError } from '../../errors.ts';
import { acrossParts, range, readAhead } from '../batches.ts';
import { catalogEntry } from '../catalog.ts';
import type { ImageSet, ImageShape, Split } from '../dataset.ts';
import type { RandomAccess } from '../files/random-access.ts';
import type { DataSource } from '../files/source.ts';
import { checkFits, type DatasetFormat, type OpenOptions } from './dataset-format.ts';

const shape: ImageShape = { channels: 3, height: 32, width: 32 };
const PIXELS = 3 * 32 * 32;

interface Cifar {
  /** Name in the catalog. */
  readonly set: string;
  readonly name: string;
  readonly files: Readonly<Record<Split, readonly string[]>>;
  /** Number of classes per label byte. The last byte is the label. */
  readonly labels: readonly number[];
}

export const cifar10 = formatOf({
  set: 'cifar-10',
  name: 'CIFAR-10 binary',
  files: { train: [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`), test: ['test_batch.bin'] },
  labels: [10],
});

export const cifar100 = formatOf({
  set: 'cifar-100',
  name: 'CIFAR-100 binary',
  files: { train: ['train.bin'], test: ['test.bin'] },
  labels: [20, 100],
});

function formatOf(cifar: Cifar): DatasetFormat {
  return {
    name: cifar.name,
    files: (split) => cifar.files[split],
    recognises: (source) => [...cifar.files.train, ...cifar.files.test].some((name) => source.files.has(name)),
    open: (source, options) => openCifar(cifar, source, options),
  };
}

async function openCifar(cifar: Cifar, source: DataSource, options: OpenOptions): Promise<ImageSet> {
  const classes = cifar.labels.at(-1) as number;
  checkFits(cifar.name, source.path, { ...shape, classes }, options);
  const files: RandomAccess[] = [];
  const close = async () => {
    for (const file of files) await file.close();
  };
  const recordBytes = cifar.labels.length + PIXELS;
  try {
    for (const name of cifar.files[options.split]) {
      const file = await source.open(name);
      files.push(file);
      if (file.size === 0 || file.size % recordBytes !== 0) {
        throw new InputError(cifar.name, file.path, `expected whole records of ${recordBytes} bytes, got ${file.size} bytes`);
      }
    }
  } catch (error) {
    await close();
    throw error;
  }

  /** Reads records `first` to `first + count` of one file. */
  async function readRecords(
    file: RandomAccess,
    first: number,
    records: Uint8Array,
    images: Uint8Array,
    labels: Int32Array,
  ): Promise<void> {
    await file.read(records, first * recordBytes);
    for (let i = 0; i * recordBytes < records.length; i++) {
      const record = records.subarray(i * recordBytes, (i + 1) * recordBytes);
      cifar.labels.forEach((values, j) => {
        const label = record[j] as number;
        if (label >= values)
          throw new InputError(cifar.name, `${file.path} image ${first + i}`, `expected a label below ${values}, got ${label}`);
        labels[i] = label;
      });
      images.set(record.subarray(cifar.labels.length), i * PIXELS);
    }
  }

  const counts = files.map((file) => file.size / recordBytes);
  const length = counts.reduce((sum, count) => sum + count, 0);
  return {
    ...shape,
    name: cifar.set,
    split: options.split,
    classes,
    classLabels: catalogEntry(cifar.set)?.classLabels,
    length,
    batches(size, from, to) {
      const asked = range(length, size, from, to);
      const records = new Uint8Array(Math.min(size, asked.to - asked.from) * recordBytes);
      const load = acrossParts(counts, PIXELS, (part, first, count, images, labels) =>
        readRecords(files[part] as RandomAccess, first, records.subarray(0, count * recordBytes), images, labels),
      );
      return readAhead(load, PIXELS, asked);
    },
    close,
  };
}
