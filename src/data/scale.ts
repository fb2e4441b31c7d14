/** Checks for scaling images, shared by training and test sets. */
import { UsageError } from '../errors.ts';
import type { ImageSet, ImageShape } from './dataset.ts';

/** @throws UsageError when images with this shorter side do not cover the shape */
export function requireCover(shorterSide: number, { height, width }: Omit<ImageShape, 'channels'>): void {
  if (shorterSide < Math.max(height, width))
    throw new UsageError(`shorter side: expected at least the network's ${height} x ${width} pixels, got ${shorterSide}`);
}

/** @throws UsageError when the set does not consist of image files, whose size can be scaled */
export function requireImageFiles({ name, isEncoded }: Pick<ImageSet, 'name' | 'isEncoded'>): void {
  if (!isEncoded) throw new UsageError(`data ${name}: expected image files to scale (shorter side), got another format`);
}
