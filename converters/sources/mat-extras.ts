/** Variables of a .mat beside the network: what they tell of the images, and which are passed over. */
import { InputError } from '../../src/errors.ts';
import type { MatArray } from '../../src/formats/mat5.ts';
import { elements } from '../../src/formats/shape.ts';
import type { ImageSize } from './asked.ts';

/** Logs, labels and options of a training; a weight matrix that no layer reads is larger, and the network another one. */
const MAX_ELEMENTS = 10_000;
const SIZE_NAME = /^(image|input)_?(size|shape)$/i;

/**
 * @throws InputError when one is as large as weights are
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
      throw new InputError(format, `variable ${name}`, 'expected no such variable in this dialect, got one as large as weights are');
    if (size && size.length >= 1 && size.length <= 3) {
      const [height = 0, width = height] = size;
      imageSize = { height, width };
    } else passed.push(name);
  }
  return { imageSize, notes: passed.length > 0 ? [`passed over: ${passed.join(', ')}`] : [] };
}
