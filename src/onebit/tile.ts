/** How one-bit convolutions cut their work; TypeScript and AssemblyScript both compile this file. */

/** Rows of output pixels of a tile. It is as wide as one vector. */
export const ROWS = 4;
/** Input channels that are added before sums go back to memory. */
export const GROUP = 8;
/** Output channels from which on a table for two input channels pays: 64 sums are made to save every second look-up. */
export const MANY = 48;
/** Bytes of a vector. */
export const VECTOR = 16;
