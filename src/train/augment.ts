/** The paper's augmentation, on raw pixels. Each part can be left out. */
import type { ImageShape } from '../data/dataset.ts';
import type { Random } from '../data/random.ts';

export interface Augmentation {
  /**
   * Image files are scaled until their shorter side is a uniform integer within these bounds, then cropped at a uniform
   * position (He et al., CVPR 2016, section 3.4); null: they are brought to the network's size, cut around the centre.
   */
  readonly shorterSide: readonly [low: number, high: number] | null;
  /** Mirror left and right with probability 1/2. */
  readonly flip: boolean;
  /** Pixels of uniform random integers 0..255 around the image before a crop of its size at a uniform position; 0: no crop. */
  readonly pad: number;
  /** Side of a square of uniform random integers 0..255, placed so that every pixel is covered equally often; 0: none. */
  readonly cutout: number;
}

export const noAugmentation: Augmentation = { shorterSide: null, flip: false, pad: 0, cutout: 0 };

/**
 * Writes one augmented image; what is done to files is done.
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
    // the columns that come from the image; what is left and right of them, or the whole row, is padding
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
  // the square's corner may lie outside, so far that each row and column is hit by `cutout` of the positions
  const top = random.integer(height + cutout - 1) - cutout + 1;
  const left = random.integer(width + cutout - 1) - cutout + 1;
  const [begin, end] = [Math.max(left, 0), Math.min(left + cutout, width)];
  for (let y = Math.max(top, 0); y < Math.min(top + cutout, height); y++)
    random.bytes(targetNHWC, (y * width + begin) * channels, (y * width + end) * channels);
}
