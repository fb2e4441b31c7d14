/** Facts that a caller gives when a file may not contain them, and notes when a reader has to assume them. */
import type { NetworkConfig } from '../../src/network/config.ts';

export interface ImageSize {
  /** In pixels. */
  readonly height: number;
  readonly width: number;
}

export interface Asked {
  /** Size of the images, for a file that does not contain it. */
  readonly imageSize?: ImageSize | undefined;
  /** The constant that divides the logits of a network with shifted ReLU, for a file that does not hold it. */
  readonly logitsDivisor?: number | undefined;
}

/**
 * The input of a network: its size from the file or the caller, else 28x28 for one channel (MNIST) and 32x32
 * for others, with a note.
 */
export function inputOf(channels: number, told: ImageSize | undefined, { imageSize }: Asked, notes: string[]): NetworkConfig['input'] {
  const known = told ?? imageSize;
  if (known) return { channels, height: known.height, width: known.width };
  const size = channels === 1 ? 28 : 32;
  notes.push(`the file does not contain the image size: assumed ${size}x${size}. Use --image-size HEIGHTxWIDTH to change it`);
  return { channels, height: size, width: size };
}
