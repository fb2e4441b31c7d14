import type { ErrorCode } from '../../errors.ts';

/** Exit code of the command line for each error; 0 is done. */
export const exitCodes: Readonly<Record<ErrorCode, number>> = {
  WRN_PARITY: 1,
  WRN_TRAINING: 1,
  WRN_USAGE: 2,
  WRN_INPUT: 3,
  WRN_DEVICE: 4,
  WRN_DOWNLOAD: 5,
  WRN_INTERRUPTED: 130,
};
