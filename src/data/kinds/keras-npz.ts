/** MNIST as Keras stores it: an npz file with x_train, y_train, x_test and y_test, images uint8 [images, height, width]. */
import { InputError } from '../../errors.ts';
import { catalogEntry } from '../catalog.ts';
import { forwardAccess } from '../files/forward-access.ts';
import { describeArray, findArray, readLabels, requireBytes } from '../files/npz.ts';
import { checkFits, type DatasetFormat } from './dataset-format.ts';
import { openParts } from './image-parts.ts';

const FORMAT = 'Keras npz';
const FILE = 'mnist.npz';
const SIDE = 28;
const CLASSES = 10;
/** Ten times MNIST. Bounds the memory for labels. */
const MAX_IMAGES = 700_000;

export const kerasNpz: DatasetFormat = {
  name: FORMAT,
  files: () => [FILE],
  recognises: (source) => source.files.has(FILE),
  async open(source, options) {
    const shape = { channels: 1, height: SIDE, width: SIDE };
    checkFits(FORMAT, source.path, { ...shape, classes: CLASSES }, options);
    const { classLabels } = catalogEntry('mnist') ?? {};
    const about = { ...shape, name: 'mnist', split: options.split, classes: CLASSES, classLabels };
    return openParts(about, source, [FILE], async (file) => {
      const images = await findArray(file, `x_${options.split}`, FORMAT);
      const [length = 0, height, width] = images.shape;
      const fits = images.descr === '|u1' && !images.fortranOrder && images.shape.length === 3 && height === SIDE && width === SIDE;
      if (!fits || length < 1 || length > MAX_IMAGES)
        throw new InputError(
          FORMAT,
          `${file.path} x_${options.split}`,
          `expected |u1 of images x ${SIDE} x ${SIDE}, got ${describeArray(images)}`,
        );
      requireBytes(file, `x_${options.split}`, images, length * SIDE * SIDE, FORMAT);
      const labels = await readLabels(file, `y_${options.split}`, { format: FORMAT, length, first: 0, classes: CLASSES });
      return { labels, offset: images.offset, open: () => forwardAccess(file.path, images.bytes, images.content) };
    });
  },
};
