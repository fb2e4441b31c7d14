/** How one-bit convolutions cut their work; TypeScript and AssemblyScript both compile this file. */

/** Rows of output pixels of a tile. It is as wide as one vector. */
export const ROWS = 4;
/** Pairs of input channels that are added before sums go back to memory. */
export const PAIRS = 4;
/** Bytes of a vector. */
export const VECTOR = 16;
