/** The paper's augmentation, on raw pixels. Each part is optional. */
import type { ImageShape } from '../../data/dataset.ts';
import type { Random } from '../../data/random.ts';

export interface Augmentation {
  /**
   * Scale image files so that their shorter side is a uniform integer within these bounds, then crop at a uniform
   * position (He et al., CVPR 2016, section 3.4). null: scale to the network's size and centre-crop.
   */
  readonly shorterSide: readonly [low: number, high: number] | null;
  /** Mirror left and right with probability 1/2. */
  readonly flip: boolean;
  /** Padding in pixels before a random crop to the original size, filled with uniform random integers 0..255; 0: no crop. */
  readonly pad: number;
  /** Side of a cutout square of uniform random integers 0..255, placed so that every pixel is covered equally often; 0: none. */
  readonly cutout: number;
}

export const noAugmentation: Augmentation = { shorterSide: null, flip: false, pad: 0, cutout: 0 };

/**
 * Writes one augmented image. Scaling of image files happens before, when they are decoded.
 * @param imageNCHW raw pixels, shape [channels, height, width].
 * @param targetNHWC gets pixels 0..255, shape [height, width, channels].
 */
export function augment(
  imageNCHW: Uint8Array,
  { channels, height, width }: ImageShape,
  { flip, pad, cutout }: Augmentation,
  random: Random,
  targetNHWC: Float32Array,
): void {
  const mirrored = flip && random.integer(2) === 1;
  const shiftY = random.integer(2 * pad + 1) - pad;
  const shiftX = random.integer(2 * pad + 1) - pad;
  const plane = height * width;
  for (let y = 0, at = 0; y < height; y++) {
    const fromY = y + shiftY;
    const inside = fromY >= 0 && fromY < height;
    // columns that come from the image; the rest of the row, or all of it, is padding
    const begin = inside ? Math.max(0, -shiftX) : width;
    const end = inside ? Math.min(width, width - shiftX) : width;
    random.bytes(targetNHWC, at, at + begin * channels);
    at += begin * channels;
    for (let x = begin; x < end; x++) {
      const fromX = mirrored ? width - 1 - x - shiftX : x + shiftX;
      for (let from = fromY * width + fromX, c = 0; c < channels; c++, from += plane) targetNHWC[at++] = imageNCHW[from] as number;
    }
    random.bytes(targetNHWC, at, at + (width - end) * channels);
    at += (width - end) * channels;
  }
  if (cutout === 0) return;
  // the square may reach outside the image, so that each row and column is covered at exactly `cutout` positions
  const top = random.integer(height + cutout - 1) - cutout + 1;
  const left = random.integer(width + cutout - 1) - cutout + 1;
  const [begin, end] = [Math.max(left, 0), Math.min(left + cutout, width)];
  for (let y = Math.max(top, 0); y < Math.min(top + cutout, height); y++)
    random.bytes(targetNHWC, (y * width + begin) * channels, (y * width + end) * channels);
}
