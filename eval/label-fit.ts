import { firstOtherLabel } from '../src/data/class-labels.ts';
import type { ImageSet } from '../src/data/dataset.ts';

/**
 * Says in a line which class the file and the data name differently; undefined when they agree or one has no names. Their order
 * may differ then, and the accuracy means nothing; or they use two vocabularies, as ImageNet's folders and its labels do.
 */
export function otherLabel(file: readonly string[] | undefined, data: readonly string[] | undefined): string | undefined {
  const index = firstOtherLabel(file, data);
  if (index === undefined) return undefined;
  return `class ${index} is ${file?.[index]} in the file and ${data?.[index]} in the data: is their order the same?`;
}

const FEW = 12;

/** Says in a line in which order the classes of the data were taken, where the file cannot confirm it; undefined where it can, or the data are numbered. */
export function assumedOrder(
  file: readonly string[] | undefined,
  { classes, classLabels, classOrder }: Pick<ImageSet, 'classes' | 'classLabels' | 'classOrder'>,
): string | undefined {
  if (file) return undefined;
  if (!classLabels)
    return `neither the file nor the data name their classes: labels 0 to ${classes - 1} of the data are taken as outputs in this order`;
  if (!classOrder) return undefined;
  const shown = classLabels.length > FEW ? [...classLabels.slice(0, FEW - 1), '...', ...classLabels.slice(-1)] : classLabels;
  return `the file does not name its classes: folders are taken by ${classOrder}: ${shown.join(', ')}`;
}
