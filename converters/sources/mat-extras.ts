/** Other variables in a .mat file: the image size they give, and a note on those skipped. */
import { InputError } from '../../src/errors.ts';
import type { MatArray } from '../../src/formats/mat5.ts';
import { elements } from '../../src/formats/shape.ts';
import type { ImageSize } from './asked.ts';

/** Size limit for logs, labels and options of a training; an unread weight matrix is larger and means another network. */
const MAX_ELEMENTS = 10_000;
const SIZE_NAME = /^(image|input)_?(size|shape)$/i;

/**
 * @throws InputError when one is as large as weights
 */
export function passOver(
  variables: ReadonlyMap<string, MatArray>,
  format: string,
): { readonly imageSize: ImageSize | undefined; readonly notes: readonly string[] } {
  let imageSize: ImageSize | undefined;
  const passed: string[] = [];
  for (const [name, array] of variables) {
    const size = SIZE_NAME.test(name) && array.kind === 'numeric' ? array.data : undefined;
    if (elements(array.dims) > MAX_ELEMENTS)
      throw new InputError(format, `variable ${name}`, 'expected no such variable in this dialect, got one as large as weights');
    if (size && size.length >= 1 && size.length <= 3) {
      const [height = 0, width = height] = size;
      imageSize = { height, width };
    } else passed.push(name);
  }
  return { imageSize, notes: passed.length > 0 ? [`skipped: ${passed.join(', ')}`] : [] };
}
