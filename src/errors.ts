/**
 * The errors a user can meet, each with the exit code of the command line.
 * Everything may import this file; it imports nothing.
 */

/** Base of every expected failure: one clear line for the user, no stack trace. */
export abstract class WrnError extends Error {
  abstract readonly exitCode: number;
  override get name(): string {
    return this.constructor.name;
  }
}

/** Parity or verification failed. */
export class ParityError extends WrnError {
  readonly exitCode = 1;
}

/** Training went astray: the loss is not a number any more. */
export class TrainingError extends WrnError {
  readonly exitCode = 1;
}

/** The command or the function was called with arguments that do not fit together. */
export class UsageError extends WrnError {
  readonly exitCode = 2;
}

/**
 * A file is not what it should be. The message reads `<format> <where>: expected X, got Y`,
 * with advice after a full stop when there is something the user can do.
 */
export class InputError extends WrnError {
  readonly exitCode = 3;
  constructor(
    readonly format: string,
    readonly where: string,
    readonly problem: string,
  ) {
    super(printable(`${format} ${where.slice(0, MAX_LENGTH)}: ${problem.slice(0, MAX_LENGTH)}`.replace(/ +:/, ':')));
  }
}

/** Names come from files, and one that is too long must not reach a terminal. */
const MAX_LENGTH = 400;

/** A text from a file, without what would steer a terminal. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, '?');
}

/** A backend, device, browser or native library is not available; the message says what to install. */
export class DeviceError extends WrnError {
  readonly exitCode = 4;
}

/** A download failed or its checksum does not match. */
export class DownloadError extends WrnError {
  readonly exitCode = 5;
}

/** The user pressed Ctrl-C (or an AbortSignal fired). */
export class InterruptedError extends WrnError {
  readonly exitCode = 130;
}
