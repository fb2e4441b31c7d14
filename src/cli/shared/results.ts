/** What a command says on stdout. */
import { whyNotWritten } from '../../data/files/file-error.ts';

let stream: NodeJS.WriteStream = process.stdout;

/** Prints a result. */
export function printResult(text: string): void {
  stream.write(text);
}

/** From now on results go to stderr: stdout is the file that the user asked for. */
export function leaveStdout(): void {
  stream = process.stderr;
}

/**
 * Whatever becomes of stdout, files are written and the exit code is the verdict's. A reader that has seen enough, such as
 * `head`, is no matter; a disk that is full is one line.
 */
export function outliveStdout(): void {
  process.stdout.once('error', (error: NodeJS.ErrnoException) => {
    process.stdout.on('error', () => {}); // of what is printed after
    if (error.code !== 'EPIPE') process.stderr.write(`wrn-onnx: stdout: cannot be written, ${whyNotWritten(error) ?? error.message}\n`);
  });
  process.stderr.on('error', () => {});
}
