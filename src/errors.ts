/**
 * The errors that users can meet. Every file may import this one.
 *
 * Each class has a stable `code`, which also tells errors apart that come from two copies of the library; `name` is written
 * out because bundlers shorten the names of classes. The exit codes of the command line are in src/cli/shared/exit-codes.ts.
 */
import { printable } from './printable.ts';

/** Codes of the errors. They never change. */
export type ErrorCode = 'WRN_PARITY' | 'WRN_TRAINING' | 'WRN_USAGE' | 'WRN_INPUT' | 'WRN_DEVICE' | 'WRN_DOWNLOAD' | 'WRN_INTERRUPTED';

/** Base of every expected failure: one clear line for the user, no stack trace. */
export abstract class WrnError extends Error {
  static override readonly name: string = 'WrnError';
  abstract readonly code: ErrorCode;
  constructor(message: string, options?: ErrorOptions) {
    super(printable(message), options);
  }
  override get name(): string {
    return this.constructor.name;
  }
}

/** Parity or verification failed. */
export class ParityError extends WrnError {
  static override readonly name = 'ParityError';
  readonly code = 'WRN_PARITY';
}

/** Training diverged: the loss or the weights are no longer finite. */
export class TrainingError extends WrnError {
  static override readonly name = 'TrainingError';
  readonly code = 'WRN_TRAINING';
}

/** The command or function was called with arguments that do not fit together. */
export class UsageError extends WrnError {
  static override readonly name = 'UsageError';
  readonly code = 'WRN_USAGE';
}

/**
 * A file is not what it should be. The message reads `<format> <where>: expected X, got Y`,
 * with advice after a full stop when there is something the user can do.
 */
export class InputError extends WrnError {
  static override readonly name = 'InputError';
  readonly code = 'WRN_INPUT';
  constructor(
    readonly format: string,
    readonly where: string,
    readonly problem: string,
    options?: ErrorOptions,
  ) {
    super(`${format} ${where.slice(0, MAX_LENGTH)}: ${problem.slice(0, MAX_LENGTH)}`.replace(/ +:/, ':'), options);
  }
}

/** Names come from files, and one that is too long must not reach a terminal. */
const MAX_LENGTH = 400;

/** A backend, device, browser, package or native library is not available; the message says what to install. */
export class DeviceError extends WrnError {
  static override readonly name = 'DeviceError';
  readonly code = 'WRN_DEVICE';
}

/** A download failed or its checksum does not match. */
export class DownloadError extends WrnError {
  static override readonly name = 'DownloadError';
  readonly code = 'WRN_DOWNLOAD';
}

/** The user pressed Ctrl-C; the reason with which the command line aborts its signals. */
export class InterruptedError extends WrnError {
  static override readonly name = 'InterruptedError';
  readonly code = 'WRN_INTERRUPTED';
}
