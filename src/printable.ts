/**
 * Makes text from outside safe to print on one line: control characters, direction marks, zero-width characters, line
 * separators and lone surrogates become `?`. Everything that is printed passes through here.
 */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, '?');
}

/** `printable` for a text of several lines. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}

const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
