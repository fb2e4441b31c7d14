/** What a command says on stdout. */
import { whyNotWritten } from '../../data/files/file-error.ts';
import { printable, printableLines } from '../../printable.ts';

let stream: NodeJS.WriteStream = process.stdout;

/** Prints a result as text. Make names from outside `printable` first: they may contain line breaks. */
export function printText(text: string): void {
  stream.write(printableLines(text));
}

/** Prints a result as JSON, exactly; characters that would control a terminal are escaped. */
export function printJson(value: unknown, indent?: number): void {
  stream.write(`${JSON.stringify(value, null, indent).replace(/[\p{Cf}\x7f-\x9f\u2028\u2029]/gu, escaped)}\n`);
}

function escaped(character: string): string {
  return Array.from({ length: character.length }, (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`).join('');
}

/** Prints one line on stderr, separate from the result. */
export function say(line: string): void {
  process.stderr.write(`${printable(line)}\n`);
}

/** From now on results go to stderr: stdout is the file that the user asked for. */
export function leaveStdout(): void {
  stream = process.stderr;
}

/**
 * A failure of stdout changes neither the files written nor the exit code. A reader that stops early, such as `head`, is
 * ignored; a full disk gives one line on stderr.
 */
export function outliveStdout(): void {
  process.stdout.once('error', (error: NodeJS.ErrnoException) => {
    process.stdout.on('error', () => {}); // also for later output
    if (error.code !== 'EPIPE') say(`wrn-onnx: stdout: cannot be written, ${whyNotWritten(error) ?? error.message}`);
  });
  process.stderr.on('error', () => {});
}
