/** What scaling asks of images: of a set to train on, and of one to test on. */
import { UsageError } from '../errors.ts';
import type { ImageSet, ImageShape } from './dataset.ts';

/** @throws UsageError when images of that shorter side do not cover the shape. */
export function requireCover(shorterSide: number, { height, width }: Omit<ImageShape, 'channels'>): void {
  if (shorterSide < Math.max(height, width))
    throw new UsageError(`shorter side: expected at least the ${height} x ${width} that the network takes, got ${shorterSide}`);
}

/** @throws UsageError when the images are not files, of any size each. */
export function requireImageFiles({ name, listFiles }: Pick<ImageSet, 'name' | 'listFiles'>): void {
  if (!listFiles) throw new UsageError(`data ${name}: expected image files to scale (shorter side), got another format`);
}
