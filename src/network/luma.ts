/**
 * The grey of a colour: its luma (ITU-R BT.601), 0.299 R + 0.587 G + 0.114 B, rounded. The weights are whole 65536ths
 * that sum to one, so that grey stays as it is and every machine gives the same byte.
 */
export function luma(red: number, green: number, blue: number): number {
  return (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16;
}
