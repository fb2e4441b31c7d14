import { firstOtherLabel } from '../src/data/class-labels.ts';

/**
 * Says in a line which class the file and the data name differently; undefined when they agree or one has no names. Their order
 * may differ then, and the accuracy means nothing; or they use two vocabularies, as ImageNet's folders and its labels do.
 */
export function otherLabel(file: readonly string[] | undefined, data: readonly string[] | undefined): string | undefined {
  const index = firstOtherLabel(file, data);
  if (index === undefined) return undefined;
  return `class ${index} is ${file?.[index]} in the file and ${data?.[index]} in the data: is their order the same?`;
}
