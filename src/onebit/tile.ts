/** How one-bit convolutions cut their work; TypeScript and AssemblyScript both compile this file. */

/**
 * Rows of output pixels of a tile. It is as wide as one vector. Eight sums of a channel at once: additions have to wait for the
 * one before, and fewer rows would leave the processor idle meanwhile.
 */
export const ROWS = 8;
/** Input channels that are added before sums go back to memory: as many as have tables that fit the first cache. */
export const GROUP = 4;
/** The same where each has a smaller table of its own. */
export const SINGLES = 8;
/** Entries of the tables of a group: of each two channels 64; tables of single channels take less. */
export const TABLE_ENTRIES = (GROUP / 2) * 64;
/** Output channels from which on a table for two input channels pays: 64 sums are made to save every second look-up. */
export const MANY = 48;
/** Bytes of a vector. */
export const VECTOR = 16;
