/**
 * The grey value of a colour: its luma (ITU-R BT.601), 0.299 R + 0.587 G + 0.114 B, rounded. The weights are multiples of
 * 1/65536 that sum to one, so grey pixels keep their value and every machine computes the same byte.
 */
export function luma(red: number, green: number, blue: number): number {
  return (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16;
}
